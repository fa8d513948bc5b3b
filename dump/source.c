/* SPDX-License-Identifier: MPL-2.0 */
/* source.c - asks for a root. */
#include "source.h"
#include "clock.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

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

static void
set_root(struct source *s, const struct depot *d, const struct digest *root)
{
    s->alg = d->layout.alg;
    s->root = *root;
    blobref_format(s->alg, root, s->rootref);
}

int
source_live(struct source *s, struct depot *d, const char *ns, struct err *err)
{
    struct depot_root root;
    int rc = depot_root(d, ns, &root, err);

    if (rc < 0)
        return rc;
    s->ns = ns;
    s->has_sequence = true;
    s->sequence = root.sequence;
    s->mtime = start_time();
    set_root(s, d, &root.root);
    return 0;
}

int
source_root(struct source *s, struct depot *d, const char *rootref, const char *ns, struct err *err)
{
    enum digest_alg alg;
    struct digest root;

    if (blobref_parse(rootref, &alg, &root) < 0 || alg != d->layout.alg)
        return err_set(err, -EINVAL, "--root: %s is no blobref of this instance", rootref);
    s->ns = ns;
    s->mtime = start_time();
    set_root(s, d, &root);
    return 0;
}

int
source_checkpoint(struct source *s, struct depot *d, struct err *err)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count;
    int rc = depot_checkpoints(d, &list, &count, err);

    if (rc < 0)
        return rc;
    if (count == 0)
        return err_set(err, -ENOENT, "checkpoint: there is none");
    s->mtime = (int64_t)list[0].timestamp;
    s->ns = "primary";
    s->has_sequence = list[0].sequence != 0;
    s->sequence = list[0].sequence;
    set_root(s, d, &list[0].root);
    return 0;
}
