/* SPDX-License-Identifier: MPL-2.0 */
/* intake.c - one archive entry after the other.
 *
 * entry               becomes
 * file                a val if its base64 is short, else blobs and a valref
 * symbolic link       a symlink; "NS::KEY" is one into another namespace
 * hard link           the object of its target; if it brings content, that is the content of both
 * directory           a directory that exists
 * anything else       skipped by name, as are names that are no keys
 * absolute, or ".."   an error: whoever made the archive meant another place than below the target
 *
 * A value waits (struct value) until all its blobs have been stored; many values wait at a time, as
 * many as the upload has blobs under way.
 */
#include "intake.h"
#include "base64.h"
#include "link_text.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define READ_MAX (1024 * 1024) // bytes read at once when the size of an entry is not known

struct value {
    struct build *build; // borrowed
    size_t place;        // in build
    struct digest *refs; // owned array; of the blobs, in order
    size_t count;        // blobs cut so far
    size_t out;          // of those, not stored yet
    uint64_t size;       // bytes so far
    bool is_read;        // no more blobs will come
    bool is_dropped;     // do not restore it: a blob could not be stored, or it is too large
};

void
intake_init(struct intake *in, struct build *b, struct upload *u, struct progress *p)
{
    *in = (struct intake){.build = b, .upload = u, .progress = p, .bytes = BUF_INIT};
}

void
intake_fini(struct intake *in)
{
    buf_fini(&in->bytes);
}

void
intake_skip(struct intake *in, const char *path, const char *why)
{
    in->skipped++;
    progress_warn(in->progress, "%s: %s, skipping", path, why);
}

static void
skip_large(struct intake *in, const char *path, uint64_t size)
{
    in->skipped++;
    progress_warn(in->progress, "%s size %" PRIu64 " exceeds %" PRIu64 " limit, skipping", path,
                  size, in->size_limit);
}

/* ---- values ---- */

static void
finish_value(struct value *v)
{
    struct treeobj *obj;

    if (!v->is_read || v->out > 0)
        return;
    if (!v->is_dropped) {
        obj = treeobj_new_valref(v->refs, v->count);
        build_set(v->build, v->place, &obj, v->size);
    }
    free(v->refs);
    free(v);
}

static void
on_blob_stored(void *arg, size_t index, const struct digest *d)
{
    struct value *v = arg;

    if (d)
        v->refs[index] = *d;
    else
        v->is_dropped = true;
    v->out--;
    finish_value(v);
}

static int
store_piece(struct intake *in, struct value *v, struct err *err)
{
    size_t index = v->count++;
    int rc;

    v->refs = xrealloc(v->refs, v->count * sizeof(v->refs[0]));
    v->out++;
    v->size += in->bytes.size;
    rc = upload_store(in->upload, in->bytes.data, in->bytes.size, on_blob_stored, v, index, err);
    if (rc < 0) {
        v->out--;
        v->is_dropped = true;
    }
    return rc;
}

/* Fill in->bytes with the next blob_size bytes of the entry, fewer at its end. */
static int
read_piece(struct intake *in, struct err *err)
{
    struct buf *b = &in->bytes;

    buf_reset(b);
    while (b->size < in->blob_size) {
        size_t want = MIN(in->blob_size - b->size, (size_t)READ_MAX);
        ssize_t n;

        buf_reserve(b, want);
        n = archive_reader_data(in->archive, b->data + b->size, want, err);
        if (n < 0)
            return (int)n;
        b->size += (size_t)n;
        b->data[b->size] = '\0';
        if ((size_t)n < want)
            break;
    }
    return 0;
}

static bool
is_too_large(const struct intake *in, uint64_t size)
{
    return in->size_limit > 0 && size > in->size_limit;
}

/* From the first piece, which is in in->bytes, to the end of the entry or of our patience. */
static int
cut_blobs(struct intake *in, struct value *v, const char *path, struct err *err)
{
    int rc;

    while ((rc = store_piece(in, v, err)) == 0 && in->bytes.size == in->blob_size) {
        if ((rc = read_piece(in, err)) < 0)
            return err_prefix(err, rc, "%s", path);
        if (in->bytes.size == 0)
            return 0;
        if (is_too_large(in, v->size + in->bytes.size)) {
            v->is_dropped = true;
            skip_large(in, path, v->size + in->bytes.size);
            return 0;
        }
    }
    return rc;
}

static int
store_blobs(struct intake *in, const char *path, size_t place, struct err *err)
{
    struct value *v = xcalloc(1, sizeof(*v));
    int rc;

    v->build = in->build;
    v->place = place;
    rc = cut_blobs(in, v, path, err);
    if (rc < 0)
        v->is_dropped = true;
    if (in->content && !v->is_dropped)
        content_add_refs(in->content, path, v->refs, v->count);
    v->is_read = true;
    finish_value(v);
    return rc;
}

static int
take_content(struct intake *in, const char *path, const struct key *key, struct err *err)
{
    struct treeobj *obj;
    size_t place;
    int rc = read_piece(in, err);

    if (rc < 0)
        return err_prefix(err, rc, "%s", path);
    if (is_too_large(in, in->bytes.size)) {
        skip_large(in, path, in->bytes.size);
        return 0;
    }
    place = build_add(in->build, key);
    if (base64_encoded_size(in->bytes.size) > TREEOBJ_INLINE_MAX)
        return store_blobs(in, path, place, err);
    if (in->content) {
        content_begin_value(in->content, path, in->bytes.size);
        content_add_bytes(in->content, in->bytes.data, in->bytes.size);
        content_end_value(in->content);
    }
    obj = treeobj_new_val(in->bytes.data ? in->bytes.data : "", in->bytes.size);
    build_set(in->build, place, &obj, in->bytes.size);
    return 0;
}

static int
take_file(struct intake *in, const struct archive_item *item, const struct key *key,
          struct err *err)
{
    if (item->has_size && is_too_large(in, item->size)) {
        skip_large(in, item->path, item->size);
        return 0;
    }
    progress_key(in->progress, item->path);
    return take_content(in, item->path, key, err);
}

/* ---- links ---- */

static void
take_symlink(struct intake *in, const struct archive_item *item, const struct key *key)
{
    struct treeobj *obj;
    struct err why;

    if (link_text_parse(item->target, &obj, &why) < 0) {
        intake_skip(in, item->path, why.text);
        return;
    }
    progress_key(in->progress, item->path);
    if (in->content)
        content_add_link(in->content, item->path, item->target);
    build_set(in->build, build_add(in->build, key), &obj, 0);
}

/* Some formats bring the content with the last link to a file, not with the first. */
static int
take_hardlink(struct intake *in, const struct archive_item *item, const struct key *key,
              struct err *err)
{
    AUTO(key) struct key target = {.count = 0};

    if (!item->target || key_from_path(item->target, &target, NULL) < 0 || target.count == 0 ||
        rename_key(in->rename, &target, NULL) < 0) {
        intake_skip(in, item->path, "the target of the hard link is no key");
        return 0;
    }
    build_add_hardlink(in->build, key, &target);
    if (item->has_size && item->size > 0)
        return take_file(in, item, &target, err);
    progress_key(in->progress, item->path);
    return 0;
}

/* ---- entries ---- */

static int
take_keyed(struct intake *in, const struct archive_item *item, const struct key *key,
           struct err *err)
{
    if (in->content && item->kind != ARCHIVE_FILE && item->kind != ARCHIVE_SYMLINK)
        content_add_other(in->content, item->path);
    switch (item->kind) {
    case ARCHIVE_FILE:
        return take_file(in, item, key, err);
    case ARCHIVE_HARDLINK:
        return take_hardlink(in, item, key, err);
    case ARCHIVE_SYMLINK:
        take_symlink(in, item, key);
        return 0;
    case ARCHIVE_DIR:
        build_add_dir(in->build, key);
        return 0;
    case ARCHIVE_OTHER:
        intake_skip(in, item->path, "neither file, directory nor link");
        return 0;
    }
    assert(false);
}

/* Is it absolute, or is one of its names ".."? */
static bool
leads_out(const char *path)
{
    if (path[0] == '/')
        return true;
    for (; *path; path += strspn(path, "/")) {
        size_t len = strcspn(path, "/");

        if (len == 2 && path[0] == '.' && path[1] == '.')
            return true;
        path += len;
    }
    return false;
}

static bool
is_wanted(const struct intake *in, const struct archive_item *item, const struct key *key)
{
    AUTO(buf) struct buf path = BUF_INIT;

    if (!in->filter || filter_is_empty(in->filter))
        return true;
    if (item->kind == ARCHIVE_DIR) // those with something wanted below them come by themselves
        return false;
    for (size_t i = 0; i < key->count; i++)
        buf_printf(&path, "%s%s", i > 0 ? "/" : "", key->names[i]);
    return filter_wants_key(in->filter, buf_str(&path));
}

static int
take_wanted(struct intake *in, const struct archive_item *item, struct key *key, struct err *err)
{
    struct err why;

    if (!is_wanted(in, item, key)) {
        in->filtered += item->kind != ARCHIVE_DIR;
        return 0;
    }
    if (rename_key(in->rename, key, &why) < 0) {
        intake_skip(in, item->path, why.text);
        return 0;
    }
    if (key->count == 0 && item->kind != ARCHIVE_DIR) {
        intake_skip(in, item->path, "the root can only be a directory");
        return 0;
    }
    return take_keyed(in, item, key, err);
}

static int
take_item(struct intake *in, const struct archive_item *item, struct err *err)
{
    AUTO(key) struct key key = {.count = 0};
    struct err why;

    in->newest = MAX(in->newest, item->mtime);
    if (!item->path) {
        intake_skip(in, "(unreadable name)", "the name is not text");
        return 0;
    }
    if (leads_out(item->path))
        return err_set(err, -EINVAL, "%s: the path leads out of the archive", item->path);
    if (key_from_path(item->path, &key, &why) < 0) {
        intake_skip(in, item->path, why.text);
        return 0;
    }
    return take_wanted(in, item, &key, err);
}

int
intake_run(struct intake *in, struct err *err)
{
    struct archive_item item;
    int rc, more;

    while ((more = archive_reader_next(in->archive, &item, err)) > 0) {
        if ((rc = take_item(in, &item, err)) < 0)
            return rc;
    }
    return more < 0 ? more : upload_finish(in->upload, err);
}
