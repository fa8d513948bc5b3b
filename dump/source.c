/* SPDX-License-Identifier: MPL-2.0 */
/* source.c - asks for a root. */
#include "source.h"
#include "clock.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- what was given ---- */

static bool
looks_like_blobref(const char *text)
{
    static const enum digest_alg algs[] = {DIGEST_BLAKE2B, DIGEST_SHA256, DIGEST_SHA1};

    for (size_t i = 0; i < ARRAY_SIZE(algs); i++) {
        const char *name = digest_name(algs[i]);
        size_t len = strlen(name);

        if (strncmp(text, name, len) == 0 && text[len] == '-')
            return true;
    }
    return false;
}

int
source_check_text(const char *text, struct err *err)
{
    if (access(text, F_OK) == 0)
        return 0;
    if (*text == '{')
        return err_set(err, -EINVAL,
                       "%.40s...: a root is given as a blobref: use \"xylem kvs getroot -b\"",
                       text);
    if (looks_like_blobref(text))
        return err_set(err, -EINVAL, "%.200s: neither a blobref nor a file", text);
    return 0;
}

int
source_check_stored(struct depot *d, const struct digest *root, struct err *err)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    char ref[BLOBREF_MAX];
    int rc = depot_load_object(d, root, &dir, err);

    blobref_format(d->layout.alg, root, ref);
    if (rc == -ENOENT)
        return err_set(err, rc, "%s is not stored (any more)", ref);
    if (rc == 0 && treeobj_type(dir) != TREEOBJ_DIR && treeobj_type(dir) != TREEOBJ_HDIR)
        return err_set(err, -EPROTO, "%s is no root", ref);
    return rc;
}

/* ---- roots ---- */

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

    if (*rootref == '{' && source_check_text(rootref, err) < 0)
        return err_prefix(err, -EINVAL, "--root");
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
