/* SPDX-License-Identifier: MPL-2.0 */
/* intake_value.c - a value waits until all its blobs have been stored; many values wait at a time, as many as
 * the upload has blobs under way.
 *
 * cut         becomes
 * BY_SIZE     a val if its base64 is short, else blobs of blob_size bytes, the last of fewer, and a valref
 * INLINE      a val
 * AS_TOLD     blobs of the sizes that the archive tells, and a valref
 * A cut that this instance cannot make, or that is not one of the value, is told and then BY_SIZE.
 */
#include "intake_value.h"
#include "base64.h"
#include "exact.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define READ_MAX (1024 * 1024) // bytes read at once when the size of an entry is not known

struct cut {
    enum { CUT_BY_SIZE, CUT_INLINE, CUT_AS_TOLD } how;
    struct exact_sizes sizes; // AS_TOLD: owned
};

struct value {
    struct build *build; // borrowed
    size_t place;        // in build
    struct digest *refs; // owned array; of the blobs, in order
    size_t count;        // blobs cut so far
    size_t capacity;     // allocated refs
    size_t out;          // of those, not stored yet
    uint64_t size;       // bytes so far
    bool is_read;        // no more blobs will come
    bool is_dropped;     // do not restore it: a blob could not be stored, or it is too large
};

/* What was there before would be of another moment. */
static void
skip_large(struct intake *in, const char *path, const struct key *key, uint64_t size)
{
    in->skipped++;
    build_add_removed(in->build, key, false);
    progress_warn(in->progress, "%s size %" PRIu64 " exceeds %" PRIu64 " limit, skipping", path,
                  size, in->size_limit);
}

/* ---- blobs ---- */

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

    if (v->count > v->capacity) {
        v->capacity = MAX(v->count, v->capacity * 2);
        v->refs = xrealloc(v->refs, v->capacity * sizeof(v->refs[0]));
    }
    v->out++;
    v->size += in->bytes.size;
    rc = upload_store(in->upload, buf_str(&in->bytes), in->bytes.size, on_blob_stored, v, index,
                      err);
    if (rc < 0) {
        v->out--;
        v->is_dropped = true;
    }
    return rc;
}

/* Fill in->bytes with the next bytes of the entry, fewer at its end. */
static int
read_piece(struct intake *in, size_t size, struct err *err)
{
    struct buf *b = &in->bytes;

    buf_reset(b);
    while (b->size < size) {
        size_t want = MIN(size - b->size, (size_t)READ_MAX);
        ssize_t n;

        buf_reserve(b, want);
        n = archive_reader_data(in->archive, b->data + b->size, want, err);
        if (n < 0)
            return (int)n;
        b->size += (size_t)n;
        b->data[b->size] = '\0';
        progress_bytes(in->progress, (size_t)n);
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
cut_by_size(struct intake *in, struct value *v, const char *path, const struct key *key,
            struct err *err)
{
    int rc;

    while ((rc = store_piece(in, v, err)) == 0 && in->bytes.size == in->blob_size) {
        if ((rc = read_piece(in, in->blob_size, err)) < 0)
            return err_prefix(err, rc, "%s", path);
        if (in->bytes.size == 0)
            return 0;
        if (is_too_large(in, v->size + in->bytes.size)) {
            v->is_dropped = true;
            skip_large(in, path, key, v->size + in->bytes.size);
            return 0;
        }
    }
    return rc;
}

static int
cut_as_told(struct intake *in, struct value *v, struct cut *cut, const char *path, struct err *err)
{
    uint64_t size;
    int rc;

    while (exact_sizes_next(&cut->sizes, &size)) {
        if ((rc = read_piece(in, (size_t)size, err)) < 0)
            return err_prefix(err, rc, "%s", path);
        if ((rc = store_piece(in, v, err)) < 0)
            return rc;
    }
    return 0;
}

static int
store_blobs(struct intake *in, const char *path, const struct key *key, size_t place,
            struct cut *cut, struct err *err)
{
    struct value *v = xcalloc(1, sizeof(*v));
    int rc;

    v->build = in->build;
    v->place = place;
    if (cut->how == CUT_AS_TOLD)
        rc = cut_as_told(in, v, cut, path, err);
    else
        rc = cut_by_size(in, v, path, key, err);
    if (rc < 0)
        v->is_dropped = true;
    if (in->content && !v->is_dropped)
        content_add_refs(in->content, path, v->refs, v->count);
    v->is_read = true;
    finish_value(v);
    return rc;
}

static void
set_inline(struct intake *in, const char *path, size_t place)
{
    const char *data = buf_str(&in->bytes);
    struct treeobj *obj = treeobj_new_val(data, in->bytes.size);

    if (in->content) {
        content_begin_value(in->content, path, in->bytes.size);
        content_add_bytes(in->content, data, in->bytes.size);
        content_end_value(in->content);
    }
    build_set(in->build, place, &obj, in->bytes.size);
}

static int
take_content(struct intake *in, const char *path, const struct key *key, struct cut *cut,
             struct err *err)
{
    size_t place;
    int rc = 0;

    if (cut->how != CUT_AS_TOLD)
        rc = read_piece(in, in->blob_size, err);
    if (rc < 0)
        return err_prefix(err, rc, "%s", path);
    if (cut->how != CUT_AS_TOLD && is_too_large(in, in->bytes.size)) {
        skip_large(in, path, key, in->bytes.size);
        return 0;
    }
    place = build_add(in->build, key);
    if (cut->how == CUT_BY_SIZE && base64_encoded_size(in->bytes.size) <= TREEOBJ_INLINE_MAX)
        cut->how = CUT_INLINE;
    if (cut->how != CUT_INLINE)
        return store_blobs(in, path, key, place, cut, err);
    set_inline(in, path, place);
    return 0;
}

/* ---- how it is cut ---- */

static int
read_cut(const struct intake *in, const struct archive_item *item, const char *text, size_t len,
         struct cut *cut, struct err *err)
{
    int rc;

    if (!item->has_size)
        return err_set(err, -EINVAL, "the size of the value is not known");
    if (len == strlen(EXACT_INLINE_VALUE) && memcmp(text, EXACT_INLINE_VALUE, len) == 0) {
        if (item->size > in->blob_size)
            return err_set(err, -EINVAL, "the value is too large for a directory");
        cut->how = CUT_INLINE;
        return 0;
    }
    rc = exact_sizes_parse(text, len, item->size, in->blob_size, &cut->sizes, err);
    if (rc == 0)
        cut->how = CUT_AS_TOLD;
    return rc;
}

static void
find_cut(struct intake *in, const struct archive_item *item, struct cut *cut)
{
    const char *text;
    struct err why;
    size_t len;

    text = archive_reader_attribute(in->archive, EXACT_BLOBS, &len);
    if (!text || in->recut || item->kind != ARCHIVE_FILE)
        return;
    if (read_cut(in, item, text, len, cut, &why) < 0)
        progress_warn(in->progress, "%s: restored, but cut into other blobs: %s", item->path,
                      why.text);
}

int
intake_value_take(struct intake *in, const struct archive_item *item, const struct key *key,
                  struct err *err)
{
    struct cut cut = {.how = CUT_BY_SIZE};
    int rc;

    if (item->has_size && is_too_large(in, item->size)) {
        skip_large(in, item->path, key, item->size);
        return 0;
    }
    progress_key(in->progress, item->path);
    find_cut(in, item, &cut);
    rc = take_content(in, item->path, key, &cut, err);
    exact_sizes_fini(&cut.sizes);
    return rc;
}
