/* SPDX-License-Identifier: MPL-2.0 */
/* Of a certificate that is understood every part is what it must be; others are refused with text.  The
 * file is one in memory. */
#include "cert.h"
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
make_file(const uint8_t *data, size_t size, char path[64])
{
    int fd = memfd_create("cert", MFD_CLOEXEC);

    assert(fd >= 0);
    assert(fchmod(fd, 0600) == 0);
    assert(write(fd, data, size) == (ssize_t)size);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void
check_public(const char *path)
{
    struct cert c;
    struct err err = {0};

    if (cert_load_public(&c, path, &err) < 0) {
        assert(err.text[0] && !c.public_key[0]);
        return;
    }
    assert(cert_is_key(c.public_key) && !c.secret_key[0]);
    assert(!c.server_key[0] || cert_is_key(c.server_key));
    assert(!c.name[0] || cert_is_name(c.name));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct cert c;
    struct err err = {0};
    int fd = make_file(data, size, path);

    if (cert_load(&c, path, &err) == 0)
        assert(cert_is_key(c.secret_key));
    else
        assert(err.text[0] && !c.secret_key[0]);
    check_public(path);
    close(fd);
    return 0;
}
