/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_layout.c - how the trees are laid out, in meta. */
#include "store_db_priv.h"

#include <errno.h>

#define WHAT "record the layout"

int
store_db_layout(struct store_db *db, struct store_layout *ret)
{
    int rc = store_db_get_meta(db, "maxdirent", &ret->maxdirent);

    if (rc > 0)
        rc = store_db_get_meta(db, "blob_size", &ret->blob_size);
    if (rc < 0)
        return rc;
    return rc > 0 && ret->maxdirent >= 0 && ret->blob_size > 0 ? 0 : -ENOENT;
}

void
store_db_record_layout(struct store_db *db, const struct store_layout *layout)
{
    struct store_layout there = {0, 0};
    int rc = store_db_layout(db, &there);

    assert(!db->in_transaction);
    if (rc == 0 && there.maxdirent == layout->maxdirent && there.blob_size == layout->blob_size)
        return;
    rc = store_db_put_meta(db, "maxdirent", layout->maxdirent, WHAT);
    if (rc == 0)
        store_db_put_meta(db, "blob_size", layout->blob_size, WHAT);
}
