/* SPDX-License-Identifier: MPL-2.0 */
/* source.c - asks for a root. */
#include "source.h"
#include "checkpoint.h"
#include "clock.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <jansson.h>

int
source_hash(xylem_t *x, enum digest_alg *ret, struct err *err)
{
    const char *name = xylem_hash(x);

    if (!name)
        return err_set(err, -EIO, "hash algorithm of the instance: %s", xylem_error(x));
    if (digest_alg_parse(name, ret) < 0)
        return err_set(err, -EINVAL, "%s: unknown hash algorithm", name);
    return 0;
}

/* $SOURCE_DATE_EPOCH makes dumps of one root at different times the same bytes. */
static int64_t
start_time(void)
{
    const char *given = getenv("SOURCE_DATE_EPOCH");
    long seconds;

    if (given && units_parse_long(given, 0, LONG_MAX, &seconds) == 0)
        return seconds;
    return (int64_t)clock_wall();
}

int
source_live(struct source *s, xylem_t *x, struct err *err)
{
    struct xylem_root root;
    enum digest_alg alg;
    int rc;

    if ((rc = source_hash(x, &s->alg, err)) < 0)
        return rc;
    rc = xylem_getroot(x, "primary", &root);
    if (rc < 0)
        return err_set(err, rc, "current root: %s", xylem_error(x));
    if (blobref_parse(root.rootref, &alg, &s->root) < 0 || alg != s->alg)
        return err_set(err, -EPROTO, "current root: %s is no blobref of this instance",
                       root.rootref);
    blobref_format(s->alg, &s->root, s->rootref);
    s->mtime = start_time();
    return 0;
}

/* {"value":[RECORD, ...]}, newest first; Flux also has {"value":RECORD}. */
static int
parse_checkpoints(const char *text, enum digest_alg alg, struct checkpoint *ret, struct err *err)
{
    json_t *json = json_loads(text, 0, NULL);
    const json_t *value = json_object_get(json, "value");
    int rc;

    if (json_is_array(value))
        value = json_array_get(value, 0);
    if (value)
        rc = checkpoint_from_json(alg, value, ret, err);
    else if (json)
        rc = err_set(err, -ENOENT, "there is none");
    else
        rc = err_set(err, -EPROTO, "the answer is not JSON");
    json_decref(json);
    return rc;
}

int
source_checkpoint(struct source *s, xylem_t *x, struct err *err)
{
    AUTO(free) char *text = NULL;
    struct checkpoint newest;
    int rc;

    if ((rc = source_hash(x, &s->alg, err)) < 0)
        return rc;
    rc = xylem_rpc(x, "content.checkpoint-get", 0, NULL, &text);
    if (rc < 0)
        return err_set(err, rc, "checkpoint: %s", xylem_error(x));
    if ((rc = parse_checkpoints(text, s->alg, &newest, err)) < 0)
        return err_prefix(err, rc, "checkpoint");
    s->root = newest.root;
    blobref_format(s->alg, &s->root, s->rootref);
    s->mtime = (int64_t)newest.timestamp;
    return 0;
}
