/* SPDX-License-Identifier: MPL-2.0 */
/* layers.c - see layers.h.
 *
 * A layer is ended between two entries of an archive, when its notes have become many.  Not while something
 * has been noted that is about other notes (hard links, forms of directories); nor in what is different from
 * another tree, for a value that has become a directory is noted before it is removed as a value; nor where
 * directories can be larger than a blob, for these are not stored before the end.
 */
#include "layers.h"
#include "basis.h"

#include <errno.h>

/* One layer being made. */
struct pass {
    struct layers *layers;    // borrowed
    struct target_tree *tree; // borrowed; NULL: it is not the last one
    struct err *err;          // of the caller
    bool is_too_large;        // the directory that is emitted, or a part of it
};

static struct build *
new_build(const struct layout *layout)
{
    return build_new_laid_out(layout->alg, layout->maxdirent);
}

/* ---- directories ---- */

static int
refuse_wide(const struct pass *p, const char *path, size_t size)
{
    AUTO(buf) struct buf key = BUF_INIT;

    build_format_key(path, &key);
    return err_set(p->err, -EFBIG,
                   "%s: a directory object of %zu bytes exceeds the blob size limit of %zu, "
                   "which only --key can restore",
                   buf_str(&key), size, (size_t)p->layers->depot->layout.blob_size);
}

static int
on_directory(void *arg, const char *path, const void *data, size_t size)
{
    struct pass *p = arg;
    const struct depot *d = p->layers->depot;

    progress_tick(p->layers->intake->progress);
    if (size <= d->layout.blob_size || !d->is_live) // in a file a blob may be as large as it is
        return upload_store(p->layers->upload, data, size, NULL, NULL, 0, p->err);
    if (!p->tree || p->layers->is_checkpoint)
        return refuse_wide(p, path, size);
    p->is_too_large = true;
    return 0;
}

/* It goes into the transaction at the end. */
static int
on_whole_directory(void *arg, const char *path, const void *data, size_t size)
{
    struct pass *p = arg;
    AUTO(buf) struct buf key = BUF_INIT;

    if (p->tree && !*path)
        buf_add(&p->tree->dir, data, size);
    if (!p->is_too_large)
        return 0;
    p->is_too_large = false;
    if (*path)
        build_format_key(path, &key);
    target_tree_add_wide(p->tree, buf_str(&key), data, size);
    return 0;
}

static void
on_dangling_link(void *arg, const char *path, const char *target)
{
    struct pass *p = arg;
    AUTO(buf) struct buf key = BUF_INIT;
    AUTO(buf) struct buf why = BUF_INIT;

    build_format_key(path, &key);
    buf_add_str(&why, "hard link to ");
    build_format_key(target, &why);
    buf_add_str(&why, ", which is not in the archive");
    intake_skip(p->layers->intake, buf_str(&key), buf_str(&why));
}

/* ---- layers ---- */

/* What was noted and the basis become a tree, the next basis. */
static int
make_layer(struct layers *l, struct target_tree *tree, struct err *err)
{
    static const struct build_ops ops = {on_directory, on_dangling_link, on_whole_directory};
    struct pass pass = {l, tree, err, false};
    struct build_result result;
    int rc = upload_finish(l->upload, err);

    if (rc == 0 && l->has_basis)
        rc = basis_add(l->build, l->depot, &l->basis, err);
    if (rc == 0)
        rc = build_finish(l->build, &ops, &pass, &result, err);
    if (rc == 0)
        rc = upload_finish(l->upload, err);
    if (rc < 0)
        return rc;
    l->has_basis = true;
    l->basis = result.root;
    l->result.root = result.root;
    l->result.keys += result.keys;
    l->result.bytes += result.bytes;
    return 0;
}

/* Could a directory be larger than what the depot stores as a blob? */
static bool
fits(struct layers *l)
{
    const struct layout *layout = &l->depot->layout;
    uint64_t entries = MAX(layout->maxdirent, HDIR_BUCKET);

    l->largest_entry = MAX(l->largest_entry, build_largest_entry(l->build));
    return !l->depot->is_live ||
           (layout->maxdirent > 0 && l->largest_entry <= layout->blob_size / entries);
}

static bool
may_end_layer(struct layers *l)
{
    const struct archive_reader *archive = l->intake->archive;
    const struct archive_header *h = archive ? archive_reader_header(archive) : NULL;
    bool is_difference = l->is_difference || (h && h->kind == ARCHIVE_INCREMENTAL);

    return build_is_plain(l->build) && !is_difference && fits(l);
}

static int
on_entry(void *arg, struct err *err)
{
    struct layers *l = arg;
    int rc;

    if (build_memory(l->build) < l->notes_max || !may_end_layer(l))
        return 0;
    rc = make_layer(l, NULL, err);
    build_free(&l->build);
    l->build = l->intake->build = new_build(&l->depot->layout);
    return rc;
}

int
layers_finish(struct layers *l, struct target_tree *tree, struct err *err)
{
    int rc = make_layer(l, tree, err);

    tree->root = l->result.root;
    tree->newest = l->intake->newest;
    return rc;
}

void
layers_init(struct layers *l, struct depot *depot, struct upload *upload, struct intake *intake)
{
    *l = (struct layers){
        .depot = depot, .upload = upload, .intake = intake, .notes_max = LAYERS_NOTES_MAX};
    l->build = new_build(&depot->layout);
    intake->build = l->build;
    intake->on_entry = on_entry;
    intake->on_entry_arg = l;
}

void
layers_fini(struct layers *l)
{
    build_free(&l->build);
}

void
layers_set_basis(struct layers *l, const struct digest *root)
{
    l->has_basis = true;
    l->basis = *root;
}
