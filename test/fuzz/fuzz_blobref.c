/* SPDX-License-Identifier: MPL-2.0 */
/* What parses as a blobref is the only text for that digest. */
#include "blobref.h"
#include "fuzz.h"
#include "xmem.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free) char *text = xstrndup((const char *)data, size);
    char formatted[BLOBREF_MAX];
    enum digest_alg alg;
    enum digest_alg same_alg;
    struct digest d;
    struct digest same;
    int rc = blobref_parse_n((const char *)data, size, &alg, &d);

    if (strlen(text) == size)
        assert(blobref_parse(text, &same_alg, &same) == rc);
    if (rc < 0)
        return 0;
    assert(strlen(text) == size && alg == same_alg && digest_equal(&d, &same));
    assert(strcmp(blobref_format(alg, &d, formatted), text) == 0);
    return 0;
}
