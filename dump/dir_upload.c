/* SPDX-License-Identifier: MPL-2.0 */
/* dir_upload.c - see dir_upload.h. */
#include "dir_upload.h"

#include <errno.h>

struct run {
    const struct dir_upload *u; // borrowed
    struct target_tree *tree;   // borrowed
    struct err *err;            // of the caller
    bool is_too_large;          // the directory that is emitted, or a part of it
};

static int
on_directory(void *arg, const char *path UNUSED, const void *data, size_t size)
{
    struct run *run = arg;

    if (size > run->u->blob_size) {
        run->is_too_large = true;
        return 0;
    }
    return upload_store(run->u->upload, data, size, NULL, NULL, 0, run->err);
}

/* It goes into the transaction at the end.  A checkpoint has none. */
static int
keep_wide(struct run *run, const char *path, const void *data, size_t size)
{
    AUTO(buf) struct buf key = BUF_INIT;

    if (*path)
        build_format_key(path, &key);
    if (run->u->is_checkpoint)
        return err_set(run->err, -EFBIG,
                       "%s: a directory object of %zu bytes exceeds the blob size limit of %zu, "
                       "which only --key can restore",
                       buf_str(&key), size, run->u->blob_size);
    target_tree_add_wide(run->tree, buf_str(&key), data, size);
    return 0;
}

static int
on_whole_directory(void *arg, const char *path, const void *data, size_t size)
{
    struct run *run = arg;

    if (!*path)
        buf_add(&run->tree->dir, data, size);
    if (!run->is_too_large)
        return 0;
    run->is_too_large = false;
    return keep_wide(run, path, data, size);
}

static void
on_dangling_link(void *arg, const char *path, const char *target)
{
    struct run *run = arg;
    AUTO(buf) struct buf key = BUF_INIT;
    AUTO(buf) struct buf why = BUF_INIT;

    build_format_key(path, &key);
    buf_add_str(&why, "hard link to ");
    build_format_key(target, &why);
    buf_add_str(&why, ", which is not in the archive");
    intake_skip(run->u->intake, buf_str(&key), buf_str(&why));
}

int
dir_upload_run(const struct dir_upload *u, struct target_tree *tree, struct build_result *ret,
               struct err *err)
{
    static const struct build_ops ops = {on_directory, on_dangling_link, on_whole_directory};
    struct run run = {u, tree, err, false};
    int rc = build_finish(u->build, &ops, &run, ret, err);

    if (rc < 0)
        return rc;
    tree->root = ret->root;
    tree->newest = u->intake->newest;
    return upload_finish(u->upload, err);
}
