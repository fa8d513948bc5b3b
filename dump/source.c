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

static int
set_root(struct source *s, const char *text, const char *what, struct err *err)
{
    enum digest_alg alg;

    if (blobref_parse(text, &alg, &s->root) < 0 || alg != s->alg)
        return err_set(err, -EINVAL, "%s: %s is no blobref of this instance", what, text);
    blobref_format(s->alg, &s->root, s->rootref);
    return 0;
}

int
source_live(struct source *s, xylem_t *x, const char *ns, struct err *err)
{
    struct xylem_root root;
    int rc;

    if ((rc = source_hash(x, &s->alg, err)) < 0)
        return rc;
    rc = xylem_getroot(x, ns, &root);
    if (rc < 0)
        return err_set(err, rc, "current root of %s: %s", ns, xylem_error(x));
    s->ns = ns;
    s->has_sequence = true;
    s->sequence = root.sequence;
    s->mtime = start_time();
    return set_root(s, root.rootref, "current root", err);
}

int
source_root(struct source *s, xylem_t *x, const char *rootref, const char *ns, struct err *err)
{
    int rc = source_hash(x, &s->alg, err);

    s->ns = ns;
    s->mtime = start_time();
    return rc < 0 ? rc : set_root(s, rootref, "--root", err);
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
    s->ns = "primary";
    s->has_sequence = newest.sequence != 0;
    s->sequence = newest.sequence;
    return 0;
}
