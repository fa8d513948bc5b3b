/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_alg.c - which hash algorithm does a file use?  For tools that work without a broker and
 * are not told. */
#include "store_db_priv.h"
#include "xmem.h"

#include <errno.h>

int
store_db_read_alg(const char *statedir, enum digest_alg *ret, struct err *err)
{
    static const enum digest_alg all[] = {DIGEST_BLAKE2B, DIGEST_SHA256, DIGEST_SHA1};
    AUTO(free) char *path = xasprintf("%s/content.sqlite", statedir);
    AUTO(free) char *wal_path = xasprintf("%s-wal", path);
    int rc = -EINVAL;

    for (size_t i = 0; rc == -EINVAL && i < ARRAY_SIZE(all); i++) {
        rc = store_db_check_file(path, wal_path, all[i], err);
        *ret = all[i];
    }
    return rc;
}
