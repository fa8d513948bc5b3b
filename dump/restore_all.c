/* SPDX-License-Identifier: MPL-2.0 */
/* restore_all.c - section by section.
 *
 * Each section becomes a tree, as any archive does (layers); one that holds only what is different gets the tree
 * of an earlier one as its basis.  When all of them are stored and are what they should be, they become visible
 * (restore_all_write.c).
 */
#include "restore_all.h"
#include "archive_file.h"
#include "archive_reader.h"
#include "clock.h"
#include "summary.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- one section ---- */

const struct restored *
restore_all_find(const struct restore_all *a, enum section_kind kind, const char *ns,
                 uint64_t index)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct section *s = &a->list[i].section;

        if (s->kind == kind && s->index == index && strcmp(s->ns, ns) == 0)
            return &a->list[i];
    }
    return NULL;
}

/* The tree that a section is different from. */
static const struct restored *
find_base(const struct restore_all *a, const struct section *s)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct section *other = &a->list[i].section;

        if (other->alg == s->alg && digest_equal(&other->root, &s->since))
            return &a->list[i];
    }
    return NULL;
}

static int
end_section(struct restore_all *a, struct err *err)
{
    struct restored *last;
    int rc;

    if (!a->is_making)
        return 0;
    last = &a->list[a->count - 1];
    rc = layers_finish(&a->layers, &last->tree, err);
    last->is_same = digest_equal(&last->tree.root, &last->section.root);
    a->keys += a->layers.result.keys;
    a->bytes += a->layers.result.bytes;
    layers_fini(&a->layers);
    a->intake.on_entry = NULL; // was for the layers
    a->is_making = false;
    return rc;
}

/* What a namespace is now, and whether one of the name can be there at all. */
static int
look_at_namespace(const struct restore_all *a, struct restored *r, struct err *err)
{
    int rc;

    if (!a->has_kvs && a->job.depot->is_live)
        return strcmp(r->section.ns, RESTORE_ALL_PRIMARY) == 0
                   ? 0
                   : err_set(err, -ENOSYS,
                             "only a running key-value store, or --statedir, has namespaces");
    rc = depot_root(a->job.depot, r->section.ns, &r->before, err);
    r->is_there = rc == 0;
    return rc == -ENOTSUP ? 0 : rc;
}

static int
begin_section(struct restore_all *a, const struct section *s, struct err *err)
{
    const struct restored *base = s->has_since ? find_base(a, s) : NULL;
    struct digest base_root = base ? base->tree.root : s->root;
    struct restored *r;

    if (s->has_since && !base)
        return err_set(err, -EPROTO, "what it is different from is not in front of it");
    a->list = xrealloc(a->list, (a->count + 1) * sizeof(*a->list));
    r = &a->list[a->count++];
    *r = (struct restored){.section = *s};
    layers_init(&a->layers, a->job.depot, &a->upload, &a->intake);
    a->layers.is_checkpoint = s->kind == SECTION_CHECKPOINT;
    a->is_making = true;
    a->layers.is_difference = s->has_since;
    if (s->has_since)
        layers_set_basis(&a->layers, &base_root);
    return s->kind == SECTION_NAMESPACE ? look_at_namespace(a, r, err) : 0;
}

static int
on_section(void *arg, const char *json, size_t size, struct err *err)
{
    struct restore_all *a = arg;
    struct section s;
    int rc = end_section(a, err);

    if (rc == 0)
        rc = section_decode(json, size, &s, err);
    if (rc < 0)
        return rc;
    if (restore_all_find(a, s.kind, s.ns, s.index))
        return err_set(err, -EPROTO, "it is there twice");
    if (s.kind == SECTION_CHECKPOINT && a->has_kvs) {
        a->intake.skip_section = true;
        a->checkpoints++;
        return 0;
    }
    return begin_section(a, &s, err);
}

/* ---- reading ---- */

static int
open_archive(struct restore_all *a, const char *path, struct err *err)
{
    const struct archive_header *h;
    int rc = archive_file_open(path, &a->fd, err);

    if (rc < 0)
        return rc;
    rc = archive_reader_open(&a->intake.archive, a->fd, err);
    h = rc == 0 ? archive_reader_header(a->intake.archive) : NULL;
    if (rc == 0 && (!h || h->kind != ARCHIVE_ALL))
        rc = err_set(err, -EINVAL, "not an archive of all namespaces: restore it with --key");
    return rc < 0 ? err_prefix(err, rc, "%s", archive_file_name(path)) : 0;
}

static int
find_kvs(struct restore_all *a, struct err *err)
{
    struct depot_root root;
    int rc;

    if (!a->job.depot->ops->change)
        return err_set(err, -EROFS, "it can only be read");
    if (!a->job.depot->is_live)
        return 0;
    rc = depot_root(a->job.depot, RESTORE_ALL_PRIMARY, &root, err);
    a->has_kvs = rc == 0;
    return rc == -ENOSYS ? 0 : rc;
}

static int
open_depot(struct restore_all *a, struct err *err)
{
    const struct archive_header *h = archive_reader_header(a->intake.archive);
    struct layout archived = archive_file_layout(h);
    struct archive_reader *reader = a->intake.archive;
    const struct layout *layout;
    int rc;

    a->job.layout = &archived; // of a state directory that is made
    rc = job_open(&a->job, err);
    a->job.layout = NULL;
    if (rc < 0)
        return rc;
    layout = &a->job.depot->layout;
    if (!layout_equal(layout, &archived))
        a->not_verified = "this instance makes other blobs of the same keys";
    upload_init(&a->upload, a->job.depot, layout->alg, a->maxreqs);
    intake_init(&a->intake, NULL, &a->upload, &a->job.progress);
    a->intake.archive = reader;
    a->intake.blob_size = (size_t)layout->blob_size;
    a->intake.on_section = on_section;
    a->intake.section_arg = a;
    progress_watch_file(&a->job.progress, a->fd);
    return find_kvs(a, err);
}

static int
refuse(const struct restored *r, struct err *err)
{
    AUTO(buf) struct buf path = BUF_INIT;
    char is[BLOBREF_MAX], should_be[BLOBREF_MAX];

    section_format_path(&r->section, &path);
    return err_set(err, -EIO,
                   "the archive was changed after it was written: %s is of root %s, but what is "
                   "in it gives %s",
                   buf_str(&path), blobref_format(r->section.alg, &r->section.root, should_be),
                   blobref_format(r->section.alg, &r->tree.root, is));
}

/* A namespace without the keys that were lost is better than none, but a checkpoint has to be what it was. */
static void
leave_out(struct restore_all *a, struct restored *r)
{
    AUTO(buf) struct buf path = BUF_INIT;

    if (r->section.kind != SECTION_CHECKPOINT)
        return;
    section_format_path(&r->section, &path);
    progress_warn(&a->job.progress, "%s: left out: the archive has not all of it", buf_str(&path));
    r->is_left_out = true;
}

static int
compare_roots(struct restore_all *a, struct err *err)
{
    const struct archive_end *end = archive_reader_end(a->intake.archive);
    bool is_less = false;

    if (a->no_verify)
        return 0;
    if (!end)
        return err_set(err, -EIO, "its end is missing: it was changed after it was written");
    if (!a->not_verified && a->intake.skipped > 0)
        a->not_verified = "not all of it was restored as it is";
    for (size_t i = 0; i < a->count && !a->not_verified; i++) {
        if (a->list[i].is_same)
            continue;
        if (end->is_exact)
            return refuse(&a->list[i], err);
        is_less = true;
        leave_out(a, &a->list[i]);
    }
    if (is_less)
        a->not_verified = "the archive is not exact";
    return 0;
}

static int
read_all(struct restore_all *a, const char *path, struct err *err)
{
    int rc = open_archive(a, path, err);

    if (rc < 0)
        return rc;
    if ((rc = open_depot(a, err)) < 0)
        return rc;
    a->intake.no_verify = a->no_verify;
    rc = intake_run(&a->intake, err);
    if (rc == 0)
        rc = end_section(a, err);
    if (rc == 0)
        rc = compare_roots(a, err);
    return rc < 0 ? err_prefix(err, rc, "%s", archive_file_name(path)) : 0;
}

/* ---- the program ---- */

static void
close_all(struct restore_all *a)
{
    depot_close(&a->job.depot);
    upload_fini(&a->upload);
    archive_reader_free(&a->intake.archive);
    intake_fini(&a->intake);
    if (a->is_making)
        layers_fini(&a->layers);
    for (size_t i = 0; i < a->count; i++)
        target_tree_fini(&a->list[i].tree);
    free(a->list);
    archive_file_close(&a->fd);
}

static size_t
count_kind(const struct restore_all *a, enum section_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < a->count; i++)
        n += a->list[i].section.kind == kind && !a->list[i].is_left_out;
    return n;
}

static void
tell(struct restore_all *a)
{
    struct progress *p = &a->job.progress;

    if (a->intake.skipped > 0)
        progress_warn(p, "skipped %" PRIu64 " entries", a->intake.skipped);
    if (a->checkpoints > 0)
        progress_warn(p, "left out %" PRIu64 " checkpoints, for the key-value store is running",
                      a->checkpoints);
    if (p->quiet || a->as_json)
        return;
    progress_warn(p, "%zu namespaces and %zu checkpoints", count_kind(a, SECTION_NAMESPACE),
                  count_kind(a, SECTION_CHECKPOINT));
    if (a->not_verified)
        progress_warn(p, "not verified: %s", a->not_verified);
    else if (!a->no_verify)
        progress_warn(p, "verified: the trees are those that were archived");
}

static int
report(struct restore_all *a)
{
    const struct archive_header *h = archive_reader_header(a->intake.archive);
    const struct restored *primary = restore_all_find(a, SECTION_NAMESPACE, RESTORE_ALL_PRIMARY, 0);
    enum digest_alg alg = primary ? a->job.depot->layout.alg : h->alg;
    char ref[BLOBREF_MAX];
    struct summary summary = {
        .keys = a->keys,
        .bytes = a->bytes,
        .root = blobref_format(alg, primary ? &primary->tree.root : &h->root, ref),
        .kind = archive_kind_name(h->kind),
        .failed = a->intake.skipped,
        .has_sections = true,
        .namespaces = count_kind(a, SECTION_NAMESPACE),
        .checkpoints = count_kind(a, SECTION_CHECKPOINT),
        .verified = a->no_verify || a->not_verified ? SUMMARY_NO : SUMMARY_YES,
        .started_ms = a->started_ms,
    };

    tell(a);
    if (a->as_json)
        return summary_print(&summary, stdout) < 0 ? 1 : 0;
    progress_finish(&a->job.progress, a->keys, a->bytes, ref);
    return 0;
}

int
restore_all(struct restore_all *a, const char *path)
{
    struct err err;
    int status = 1;
    int rc = read_all(a, path, &err);

    if (rc == 0)
        rc = restore_all_write(a, &err);
    progress_end(&a->job.progress, rc);
    if (rc < 0)
        progress_warn(&a->job.progress, "%s", err.text);
    else
        status = report(a);
    close_all(a);
    return status;
}
