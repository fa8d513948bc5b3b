/* SPDX-License-Identifier: MPL-2.0 */
/* restore_all_write.c - the trees of sections become visible.
 *
 *                 namespace that is missing     that is there       checkpoint
 *   running KVS   made, with its root           root is replaced    cannot be written
 *   rank without  only primary: a checkpoint    -                   written
 *   state dir     recorded                      root is replaced    written
 *
 * Other namespaces stay as they are.  Each is changed at once, but not all of them together at a rank.
 */
#include "restore_all.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- namespaces ---- */

static int
create(struct restore_all *a, const struct restored *r, const struct digest *tree, struct err *err)
{
    struct depot_root root = {
        .owner = r->section.owner, .sequence = r->section.sequence, .root = *tree};
    int rc;

    strcpy(root.ns, r->section.ns);
    rc = depot_create(a->job.depot, &root, err);
    if (rc != -EPERM || root.owner == geteuid())
        return rc;
    root.owner = geteuid();
    rc = depot_create(a->job.depot, &root, err);
    if (rc == 0)
        progress_warn(&a->job.progress, "namespace %s: the owner is %u, not %u", root.ns,
                      root.owner, r->section.owner);
    return rc;
}

static int
change(struct restore_all *a, const struct restored *r, struct err *err)
{
    struct depot_change c = {
        .ns = r->section.ns,
        .key = ".",
        .tree = r->tree.root,
        .dir = r->tree.dir.data,
        .dir_size = r->tree.dir.size,
        .expected = r->is_there ? &r->before.root : NULL,
        .wide = r->tree.wide,
        .nwide = r->tree.nwide,
    };
    enum digest_alg alg = a->job.depot->layout.alg;
    struct depot_root root;
    char is[BLOBREF_MAX], should_be[BLOBREF_MAX];
    int rc = depot_change(a->job.depot, &c, &root, err);

    if (rc == 0 && !digest_equal(&root.root, &r->tree.root))
        progress_warn(&a->job.progress,
                      "namespace %s: the key-value store has made root %s of the keys of %s",
                      r->section.ns, blobref_format(alg, &root.root, is),
                      blobref_format(alg, &r->tree.root, should_be));
    return rc;
}

/* Its large directories come with a transaction, which needs a namespace. */
static int
create_and_change(struct restore_all *a, const struct restored *r, struct err *err)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    AUTO(buf) struct buf json = BUF_INIT;
    struct digest empty;
    int rc;

    treeobj_encode(a->job.depot->layout.alg, dir, &json);
    digest_compute(a->job.depot->layout.alg, json.data, json.size, &empty);
    rc = upload_store(&a->upload, json.data, json.size, NULL, NULL, 0, err);
    if (rc == 0)
        rc = upload_finish(&a->upload, err);
    if (rc == 0)
        rc = create(a, r, &empty, err);
    return rc == 0 || rc == -EEXIST ? change(a, r, err) : rc;
}

/* In a state directory a primary of which nothing is recorded is there, and can be made. */
static int
write_namespace(struct restore_all *a, const struct restored *r, struct err *err)
{
    int rc;

    if (r->is_there && a->has_kvs)
        return change(a, r, err);
    if (r->tree.nwide > 0)
        return create_and_change(a, r, err);
    rc = create(a, r, &r->tree.root, err);
    return rc == -EEXIST && r->is_there ? change(a, r, err) : rc;
}

static int
write_namespaces(struct restore_all *a, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < a->count && rc == 0; i++) {
        if (a->list[i].section.kind == SECTION_NAMESPACE)
            rc = write_namespace(a, &a->list[i], err);
    }
    return rc;
}

/* ---- checkpoints ---- */

static int
write_checkpoint(struct restore_all *a, const struct restored *r, struct err *err)
{
    struct checkpoint c = {
        .root = r->tree.root, .sequence = r->section.sequence, .timestamp = r->section.timestamp};

    return depot_put_checkpoint(a->job.depot, &c, err);
}

/* The last one in the archive is the oldest. */
static int
write_checkpoints(struct restore_all *a, struct err *err)
{
    int rc = 0;

    for (size_t i = a->count; i-- > 0 && rc == 0;) {
        if (a->list[i].section.kind == SECTION_CHECKPOINT && !a->list[i].is_left_out)
            rc = write_checkpoint(a, &a->list[i], err);
    }
    return rc;
}

/* A key-value store that is started there begins with the newest checkpoint. */
static int
write_primary_checkpoint(struct restore_all *a, struct err *err)
{
    const struct restored *primary = restore_all_find(a, SECTION_NAMESPACE, RESTORE_ALL_PRIMARY, 0);
    const struct restored *newest = restore_all_find(a, SECTION_CHECKPOINT, "", 1);
    struct checkpoint c;

    if (!primary ||
        (newest && !newest->is_left_out && digest_equal(&newest->tree.root, &primary->tree.root)))
        return 0;
    c = (struct checkpoint){.root = primary->tree.root,
                            .sequence = primary->section.sequence,
                            .timestamp = (double)primary->tree.newest};
    return depot_put_checkpoint(a->job.depot, &c, err);
}

int
restore_all_write(struct restore_all *a, struct err *err)
{
    bool only_checkpoints = a->job.depot->is_live && !a->has_kvs;
    int rc = only_checkpoints ? 0 : write_namespaces(a, err);

    if (rc == 0)
        rc = write_checkpoints(a, err);
    if (rc == 0 && only_checkpoints)
        rc = write_primary_checkpoint(a, err);
    return rc < 0 ? rc : depot_flush(a->job.depot, err);
}
