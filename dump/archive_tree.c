/* SPDX-License-Identifier: MPL-2.0 */
/* archive_tree.c - intake without a depot behind its upload, and a build whose blobs are kept by name. */
#include "archive_tree.h"
#include "archive_file.h"
#include "section.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

/* What a restore consists of, while the archive is read. */
struct trial {
    struct archive_tree *tree; // borrowed; what is being made
    struct build *build;       // owned
    struct upload upload;      // to nowhere
    struct intake intake;      // the archive
    struct content *content;   // owned; of all entries
    struct section section;    // of an archive of all: whose tree is being read
    bool is_section;           // is there one yet?
    struct section_pick pick;  // the only one that is wanted
};

struct dir {
    struct digest digest; // in archive_tree.dirs
    size_t size;          // bytes of data
    char data[];
};

/* ---- life ---- */

int
archive_tree_open(struct archive_tree *t, const char *path, struct progress *progress,
                  struct err *err)
{
    int rc;

    *t = (struct archive_tree){.path = path, .progress = progress};
    map_init(&t->dirs, offsetof(struct dir, digest), sizeof(struct digest));
    if ((rc = archive_file_open(path, &t->fd, err)) < 0)
        return rc;
    progress_watch_file(progress, t->fd);
    rc = archive_reader_open(&t->reader, t->fd, err);
    return rc < 0 ? err_prefix(err, rc, "%s", archive_file_name(t->path)) : 0;
}

void
archive_tree_close(struct archive_tree *t)
{
    struct dir *dir;
    size_t pos = 0;

    while ((dir = map_next(&t->dirs, &pos)))
        free(dir);
    map_fini(&t->dirs);
    archive_reader_free(&t->reader);
    archive_file_close(&t->fd);
}

const struct archive_header *
archive_tree_header(const struct archive_tree *t)
{
    return archive_reader_header(t->reader);
}

const struct archive_end *
archive_tree_end(const struct archive_tree *t)
{
    return archive_reader_end(t->reader);
}

/* ---- directories ---- */

static int
on_directory(void *arg, const char *path UNUSED, const void *data, size_t size)
{
    const struct trial *trial = arg;
    struct archive_tree *t = trial->tree;
    struct digest digest;
    struct dir *dir;

    if (t->keep == ARCHIVE_TREE_ROOT)
        return 0;
    digest_compute(t->layout.alg, data, size, &digest);
    if (map_get(&t->dirs, &digest))
        return 0;
    dir = xmalloc(sizeof(*dir) + size);
    dir->digest = digest;
    dir->size = size;
    memcpy(dir->data, data, size);
    map_put(&t->dirs, dir);
    return 0;
}

static void
on_dangling_link(void *arg, const char *path, const char *target UNUSED)
{
    struct trial *trial = arg;
    AUTO(buf) struct buf key = BUF_INIT;

    build_format_key(path, &key);
    intake_skip(&trial->intake, buf_str(&key), "hard link to what is not in the archive");
}

bool
archive_tree_find(const struct archive_tree *t, const struct digest *d, const void **ret_data,
                  size_t *ret_size)
{
    const struct dir *dir = map_get(&t->dirs, d);

    if (!dir)
        return false;
    *ret_data = dir->data;
    *ret_size = dir->size;
    return true;
}

/* ---- reading ---- */

static int
find_layout(struct archive_tree *t, const struct layout *layout, struct err *err)
{
    const struct archive_header *h = archive_tree_header(t);

    if (!layout && !h)
        return err_set(err, -ENOTSUP, "the archive has no header");
    if (layout)
        t->layout = *layout;
    else
        t->layout = archive_file_layout(h);
    return 0;
}

static void
open_build(struct trial *trial)
{
    const struct layout *layout = &trial->tree->layout;

    trial->build = trial->intake.build = build_new_laid_out(layout->alg, layout->maxdirent);
}

static int
finish_build(struct trial *trial, struct err *err)
{
    static const struct build_ops ops = {on_directory, on_dangling_link, NULL};
    struct build_result *sum = &trial->tree->result;
    struct build_result result;
    int rc = build_finish(trial->build, &ops, trial, &result, err);

    sum->root = result.root;
    sum->keys += result.keys;
    sum->bytes += result.bytes;
    return rc;
}

/* Of what is only different from another tree, the root tells nothing. */
static void
check_section(struct trial *trial)
{
    struct archive_tree *t = trial->tree;
    const struct section *s = &trial->section;
    char is[BLOBREF_MAX], should_be[BLOBREF_MAX];
    AUTO(buf) struct buf path = BUF_INIT;

    if (!trial->is_section || s->has_since || t->wrong_root.code ||
        (s->alg == t->layout.alg && digest_equal(&s->root, &t->result.root)))
        return;
    section_format_path(s, &path);
    err_set(&t->wrong_root, -EIO,
            "%s: its keys or values were changed: their root is %s, but %s was archived",
            buf_str(&path), blobref_format(t->layout.alg, &t->result.root, is),
            blobref_format(s->alg, &s->root, should_be));
}

/* Another tree begins. */
static int
on_section(void *arg, const char *json, size_t size, struct err *err)
{
    struct trial *trial = arg;
    int rc = finish_build(trial, err);

    if (rc == 0) {
        check_section(trial);
        build_free(&trial->build);
        open_build(trial);
        rc = section_decode(json, size, &trial->section, err);
    }
    trial->is_section = true;
    return rc;
}

static void
open_sections(struct trial *trial)
{
    const struct archive_header *h = archive_tree_header(trial->tree);

    if (!h || h->kind != ARCHIVE_ALL)
        return;
    if (trial->tree->keep == ARCHIVE_TREE_ROOT) {
        trial->intake.on_section = on_section;
        trial->intake.section_arg = trial;
    } else {
        section_pick_init(&trial->pick, "primary", &trial->intake);
    }
}

static void
open_trial(struct trial *trial)
{
    const struct archive_tree *t = trial->tree;

    upload_init(&trial->upload, NULL, t->layout.alg, 1);
    intake_init(&trial->intake, NULL, &trial->upload, t->progress);
    open_build(trial);
    trial->intake.archive = t->reader;
    trial->intake.recut = t->keep == ARCHIVE_TREE_RECUT;
    trial->intake.blob_size = (size_t)t->layout.blob_size;
    open_sections(trial);
    trial->intake.content = trial->content = content_new(t->layout.alg, trial->intake.blob_size);
}

static void
close_trial(struct trial *trial)
{
    upload_fini(&trial->upload);
    intake_fini(&trial->intake);
    build_free(&trial->build);
    content_free(&trial->content);
}

static int
run_trial(struct trial *trial, struct err *err)
{
    struct archive_tree *t = trial->tree;
    int rc = intake_run(&trial->intake, err);

    if (rc == 0)
        rc = finish_build(trial, err);
    check_section(trial);
    if (rc == 0 && trial->pick.intake)
        rc = section_pick_check(&trial->pick, err);
    t->skipped = trial->intake.skipped;
    if (rc == 0)
        content_finish(trial->content, &t->content);
    return rc;
}

int
archive_tree_read(struct archive_tree *t, const struct layout *layout, enum archive_tree_keep keep,
                  struct err *err)
{
    struct trial trial = {.tree = t};
    int rc = find_layout(t, layout, err);

    t->keep = keep;
    if (rc == 0) {
        open_trial(&trial);
        rc = run_trial(&trial, err);
        close_trial(&trial);
    }
    return rc < 0 ? err_prefix(err, rc, "%s", archive_file_name(t->path)) : 0;
}

int
archive_tree_skim(struct archive_tree *t, struct err *err)
{
    struct archive_item item;
    int more;

    do {
        more = archive_reader_next(t->reader, &item, err);
    } while (more > 0);
    if (more == 0)
        more = archive_reader_check_header(t->reader, err);
    return more < 0 ? err_prefix(err, more, "%s", archive_file_name(t->path)) : 0;
}
