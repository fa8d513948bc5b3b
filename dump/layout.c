/* SPDX-License-Identifier: MPL-2.0 */
/* layout.c - asks for attributes. */
#include "layout.h"
#include "source.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <limits.h>

#define BLOB_SIZE_DEFAULT (1024 * 1024) // RFC 10; for an instance that does not tell its limit

static int
ask_blob_size(xylem_t *x, uint64_t *ret, struct err *err)
{
    AUTO(free) char *text = NULL;
    int rc = xylem_getattr(x, "content.blob-size-limit", &text);

    *ret = BLOB_SIZE_DEFAULT;
    if (rc < 0 && rc != -ENOENT)
        return err_set(err, rc, "blob size limit: %s", xylem_error(x));
    if (rc == 0 && (units_parse_size(text, ret) < 0 || *ret == 0 || *ret > SIZE_MAX / 2))
        return err_set(err, -EPROTO, "blob size limit: %s is no size", text);
    return 0;
}

/* An instance that does not tell has no wide directories. */
static int
ask_maxdirent(xylem_t *x, uint64_t *ret, struct err *err)
{
    AUTO(free) char *text = NULL;
    long value;
    int rc = xylem_getattr(x, "kvs.maxdirent", &text);

    *ret = 0;
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "kvs.maxdirent: %s", xylem_error(x));
    if (units_parse_long(text, 0, LONG_MAX, &value) < 0)
        return err_set(err, -EPROTO, "kvs.maxdirent: %s is no number", text);
    *ret = (uint64_t)value;
    return 0;
}

int
layout_ask(xylem_t *x, struct layout *ret, struct err *err)
{
    int rc = source_hash(x, &ret->alg, err);

    if (rc == 0)
        rc = ask_blob_size(x, &ret->blob_size, err);
    return rc < 0 ? rc : ask_maxdirent(x, &ret->maxdirent, err);
}
