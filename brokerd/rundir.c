/* SPDX-License-Identifier: MPL-2.0 */
/* rundir.c - see rundir.h. */
#include "rundir.h"
#include "filelock.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is the file we have locked still the one at `path`?  Another broker may have removed it between our
 * open and our lock. */
static bool
is_same_file(int fd, const char *path)
{
    struct stat ours;
    struct stat there;

    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino;
}

int
rundir_lock(int *ret_fd, const char *rundir, uint32_t rank, int64_t patience_ms, struct err *err)
{
    AUTO(free) char *path = xasprintf("%s/rank-%u.lock", rundir, rank);

    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
            return err_set(err, -errno, "%s: %s", path, err_name(errno));
        if (filelock_take(fd, LOCK_EX, patience_ms) < 0) {
            close(fd);
            return err_set(err, -EBUSY, "%s: another broker runs as rank %u here", path, rank);
        }
        if (is_same_file(fd, path)) {
            *ret_fd = fd;
            return 0;
        }
        close(fd);
    }
}

void
rundir_unlock(int *fd, const char *rundir, uint32_t rank)
{
    AUTO(free) char *path = xasprintf("%s/rank-%u.lock", rundir, rank);

    if (*fd < 0)
        return;
    unlink(path);
    close(*fd);
    *fd = -1;
}
