/* SPDX-License-Identifier: MPL-2.0 */
/* dump_all.c - see dump_all.h.
 *
 * section             what is in it
 * each namespace      all of its tree, by name
 * checkpoint 1        what is different from primary
 * checkpoint N        what is different from checkpoint N - 1, or the last one before that is complete
 * Checkpoints are mostly of trees that have most in common, and what trees have in common is not even read.
 */
#include "dump_all.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PRIMARY "primary"
/* ---- what there is ---- */

static struct section *
add_section(struct dump_all *a, enum section_kind kind)
{
    struct section *s;

    a->sections = xrealloc(a->sections, (a->count + 1) * sizeof(*a->sections));
    s = &a->sections[a->count++];
    *s = (struct section){.kind = kind, .alg = a->depot->layout.alg};
    return s;
}

static void
add_namespace(struct dump_all *a, const struct depot_root *root)
{
    struct section *s = add_section(a, SECTION_NAMESPACE);

    strcpy(s->ns, root->ns);
    s->owner = root->owner;
    s->sequence = root->sequence;
    s->root = root->root;
}

static const struct section *
find_primary(const struct dump_all *a)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->sections[i].kind == SECTION_NAMESPACE && strcmp(a->sections[i].ns, PRIMARY) == 0)
            return &a->sections[i];
    }
    return NULL;
}

static void
add_checkpoints(struct dump_all *a, const struct checkpoint *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct section *s = add_section(a, SECTION_CHECKPOINT);

        s->index = i + 1;
        s->sequence = list[i].sequence;
        s->timestamp = list[i].timestamp;
        s->root = list[i].root;
    }
}

/* A rank that runs no key-value store would start from the newest checkpoint. */
static int
find_namespaces(struct dump_all *a, const struct checkpoint *list, size_t count, struct err *err)
{
    AUTO(free) struct depot_root *roots = NULL;
    size_t nroots = 0;
    int rc = depot_roots(a->depot, &roots, &nroots, err);

    if (rc < 0 && (rc != -ENOSYS || count == 0))
        return rc;
    for (size_t i = 0; rc == 0 && i < nroots; i++)
        add_namespace(a, &roots[i]);
    if (!find_primary(a) && count > 0)
        add_namespace(a, &(struct depot_root){.ns = PRIMARY,
                                              .owner = geteuid(),
                                              .sequence = list[0].sequence,
                                              .root = list[0].root});
    return 0;
}

static int
find_sections(struct dump_all *a, struct err *err)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count = 0;
    int rc = depot_checkpoints(a->depot, &list, &count, err);

    if (rc < 0 && rc != -ENOSYS) // ENOSYS: nothing keeps any
        return rc;
    rc = find_namespaces(a, list, count, err);
    if (rc == 0)
        add_checkpoints(a, list, count);
    for (size_t i = 0; rc == 0 && i < a->count; i++)
        depot_keep(a->depot, &a->sections[i].root);
    return rc;
}

int
dump_all_open(struct dump_all *a, struct depot *depot, size_t maxreqs, struct source *source,
              struct err *err)
{
    const struct section *primary;
    char ref[BLOBREF_MAX];
    int rc;

    *a = (struct dump_all){.depot = depot, .maxreqs = maxreqs};
    rc = find_sections(a, err);
    if (rc < 0)
        return rc;
    primary = find_primary(a);
    if (!primary)
        return err_set(err, -ENOENT, "there is no namespace " PRIMARY);
    blobref_format(primary->alg, &primary->root, ref);
    rc = source_root(source, depot, ref, PRIMARY, err);
    source->has_sequence = true;
    source->sequence = primary->sequence;
    return rc;
}

void
dump_all_close(struct dump_all *a)
{
    walk_free(&a->walk);
    since_close(&a->since);
    free(TAKE(a->sections));
}

/* ---- writing ---- */

/* Nobody needs to have stored the directory that a namespace begins with. */
static bool
is_empty_tree(const struct section *s)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    AUTO(buf) struct buf json = BUF_INIT;
    struct digest d;

    treeobj_encode(s->alg, dir, &json);
    digest_compute(s->alg, json.data, json.size, &d);
    return digest_equal(&d, &s->root);
}

static int
write_whole(struct dump_all *a, const struct section *s, struct pack *pack, struct err *err)
{
    int rc;

    if (is_empty_tree(s))
        return 0;
    a->walk = walk_new(s->alg, &s->root, a->maxreqs);
    fetch_init(&a->fetch, a->depot, a->walk);
    walk_set_exact(a->walk);
    rc = pack_walk(pack, &a->fetch, err);
    if (rc == 0)
        walk_free(&a->walk);
    return rc;
}

static int
write_changes(struct dump_all *a, const struct section *s, struct pack *pack, struct err *err)
{
    int rc;

    if (digest_equal(&s->root, &s->since))
        return 0;
    a->since = (struct since){
        .text = "", .depot = a->depot, .maxreqs = a->maxreqs, .root = s->since, .old = s->since};
    rc = since_dump(&a->since, &s->root, pack, err);
    if (rc == 0)
        since_close(&a->since);
    return rc;
}

static int
write_entries(struct dump_all *a, const struct section *s, struct pack *pack, struct err *err)
{
    AUTO(buf) struct buf json = BUF_INIT;
    int rc;

    section_encode(s, &json);
    rc = pack_mark(pack, "", EXACT_SECTION, json.data, json.size, err);
    if (rc < 0)
        return rc;
    return s->has_since ? write_changes(a, s, pack, err) : write_whole(a, s, pack, err);
}

static bool
is_damage(int rc)
{
    return rc == -ENOENT || rc == -EIO || rc == -EPROTO;
}

/* A checkpoint of which directories are lost can be done without. */
static bool
may_leave_out(const struct pack *pack, const struct section *s, int rc)
{
    return pack->ignore_failed_read && is_damage(rc) && s->kind == SECTION_CHECKPOINT;
}

/* Is it the root itself that is lost? */
static void
explain(struct dump_all *a, const struct section *s, int rc, struct err *err)
{
    char ref[BLOBREF_MAX];
    struct err why;

    if (rc == -ENOENT && source_check_stored(a->depot, &s->root, &why) == -ENOENT)
        err_set(err, rc, "root %s: no such blob", blobref_format(s->alg, &s->root, ref));
}

static int
refuse(const struct section *s, const char *path, int rc, struct err *err)
{
    AUTO(free) char *text = xstrdup(err->text);

    if (s->kind != SECTION_CHECKPOINT)
        return err_prefix(err, rc, "%s", path);
    return err_set(err, rc, "checkpoint %" PRIu64 ": %s%s", s->index, text,
                   is_damage(rc) ? " (--ignore-failed-read leaves it out)" : "");
}

static void
count_section(struct dump_all *a, const struct section *s)
{
    if (s->kind == SECTION_NAMESPACE)
        a->namespaces++;
    else
        a->checkpoints++;
}

/* 1: it is complete; 0: not, which was told. */
static int
write_section(struct dump_all *a, const struct section *s, struct pack *pack, struct err *err)
{
    AUTO(buf) struct buf path = BUF_INIT;
    uint64_t failed = pack->done.failed;
    int rc;

    section_format_path(s, &path);
    pack->below = buf_str(&path);
    rc = write_entries(a, s, pack, err);
    pack->below = NULL;
    if (rc == 0) {
        count_section(a, s);
        return pack->done.failed == failed;
    }
    if (s->kind == SECTION_CHECKPOINT)
        explain(a, s, rc, err);
    if (!may_leave_out(pack, s, rc))
        return refuse(s, buf_str(&path), rc, err);
    progress_warn(pack->progress, "%s: left out: %s", buf_str(&path), err->text);
    pack->done.failed++;
    pack->done.is_exact = false;
    since_close(&a->since);
    return 0;
}

int
dump_all_write(struct dump_all *a, struct pack *pack, struct err *err)
{
    const struct section *base = NULL; // the last one that is complete, of primary's history

    for (size_t i = 0; i < a->count; i++) {
        struct section *s = &a->sections[i];
        int rc;

        if (s->kind == SECTION_CHECKPOINT && base) {
            s->has_since = true;
            s->since = base->root;
        }
        rc = write_section(a, s, pack, err);
        if (rc < 0)
            return rc;
        if (rc > 0 && (s->kind == SECTION_CHECKPOINT || s == find_primary(a)))
            base = s;
    }
    return 0;
}
