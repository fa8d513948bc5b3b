/* SPDX-License-Identifier: MPL-2.0 */
/* pack.c - one entry for each value and link, and for directories that a walk tells.
 *
 * Values of several blobs go through a spool, because an archive entry begins with its size.
 *
 * A restore cuts values into blobs by their size alone.  One that is stored in another way, such as
 * one that was appended to, comes back with the same bytes but other blobs, unless an attribute says how
 * it is cut.  Without that the archive is not exact, and the root it gives is another one.
 */
#include "pack.h"
#include "base64.h"
#include "key.h"
#include "link_text.h"

#include <errno.h>
#include <string.h>

#define SPOOL_MEMORY (64 * 1024 * 1024) // bytes of one value kept in memory

void
pack_init(struct pack *p, const struct layout *layout, struct progress *progress)
{
    *p = (struct pack){.layout = *layout, .progress = progress, .done.is_exact = true};
    p->done.alg = layout->alg;
    p->content = content_new(layout->alg, (size_t)layout->blob_size);
    spool_init(&p->spool, SPOOL_MEMORY);
}

void
pack_fini(struct pack *p)
{
    spool_fini(&p->spool);
    content_free(&p->content);
    exact_sizes_fini(&p->sizes);
    buf_fini(&p->refs);
    buf_fini(&p->path);
}

void
pack_finish(struct pack *p)
{
    content_finish(p->content, &p->done.content);
}

static int
end_entry(struct pack *p, const char *path, uint64_t size)
{
    p->done.keys++;
    p->done.bytes += size;
    progress_key(p->progress, path);
    return 0;
}

/* Would a restore cut the value in this way? */
static bool
is_canonical_piece(const struct pack *p, const struct walk_item *item)
{
    bool is_short = base64_encoded_size(item->size) <= TREEOBJ_INLINE_MAX;

    if (item->is_inline || (item->is_first && item->is_last))
        return item->is_inline == is_short && item->size <= p->layout.blob_size;
    if (!item->is_last)
        return item->size == p->layout.blob_size && !(item->is_first && is_short);
    return item->size > 0 && item->size <= p->layout.blob_size;
}

/* In the archive; valid until the next call. */
static const char *
entry_path(struct pack *p, const char *path)
{
    if (!p->below)
        return path;
    buf_reset(&p->path);
    buf_printf(&p->path, "%s%s", p->below, path);
    return buf_str(&p->path);
}

/* ---- what is said of the next entry ---- */

static int
add_attribute(struct pack *p, const char *name, const void *value, size_t size, struct err *err)
{
    content_add_attribute(p->content, name, value, size);
    return archive_writer_attribute(p->archive, name, value, size, err);
}

static bool
format_cut(const struct pack *p, bool is_inline, struct buf *out)
{
    if (p->largest > p->layout.blob_size) // no instance like this one could store it again
        return false;
    if (!is_inline)
        return exact_sizes_format(&p->sizes, out);
    buf_add_str(out, EXACT_INLINE_VALUE);
    return true;
}

/* How the value is cut, if its size does not tell.  1: it is told, or not needed; 0: it cannot be told. */
static int
tell_cut(struct pack *p, const struct walk_item *last, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;
    int rc;

    if (p->is_canonical)
        return 1;
    if (!p->is_exact || !format_cut(p, last->is_inline, &text)) {
        p->done.is_exact = false;
        return 0;
    }
    rc = add_attribute(p, EXACT_BLOBS, text.data, text.size, err);
    return rc < 0 ? rc : 1;
}

/* ---- values ---- */

static int
pack_whole(struct pack *p, const struct walk_item *item, struct err *err)
{
    const char *path = entry_path(p, item->path);
    int told = tell_cut(p, item, err);
    int rc;

    if (told < 0)
        return told;
    rc = archive_writer_file(p->archive, path, item->size, err);
    if (rc == 0)
        rc = archive_writer_data(p->archive, item->data, item->size, err);
    if (rc < 0)
        return rc;
    if (told && !item->is_inline) {
        content_add_refs(p->content, path, &item->ref, 1);
    } else {
        content_begin_value(p->content, path, item->size);
        content_add_bytes(p->content, item->data, item->size);
        content_end_value(p->content);
    }
    return end_entry(p, path, item->size);
}

/* The bytes are only digested when the names of their blobs do not say it. */
static int
pack_spooled_bytes(struct pack *p, bool are_digested, struct err *err)
{
    const void *data;
    size_t n;
    int rc, got;

    while ((got = spool_next(&p->spool, &data, &n, err)) > 0) {
        if ((rc = archive_writer_data(p->archive, data, n, err)) < 0)
            return rc;
        progress_tick(p->progress);
        if (are_digested)
            content_add_bytes(p->content, data, n);
    }
    return got;
}

static int
pack_spool(struct pack *p, const struct walk_item *last, struct err *err)
{
    const char *path = entry_path(p, last->path);
    uint64_t size = spool_size(&p->spool);
    int told = tell_cut(p, last, err);
    int rc = told < 0 ? told : archive_writer_file(p->archive, path, size, err);

    if (rc == 0 && !told)
        content_begin_value(p->content, path, size);
    if (rc == 0)
        rc = pack_spooled_bytes(p, !told, err);
    if (rc < 0)
        return rc;
    if (told)
        content_add_refs(p->content, path, (const void *)p->refs.data,
                         p->refs.size / sizeof(struct digest));
    else
        content_end_value(p->content);
    return end_entry(p, path, size);
}

static void
begin_value(struct pack *p, bool is_whole)
{
    p->is_canonical = true;
    p->largest = 0;
    exact_sizes_reset(&p->sizes);
    if (is_whole)
        return;
    spool_reset(&p->spool);
    buf_reset(&p->refs);
}

static int
pack_data(struct pack *p, const struct walk_item *item, struct err *err)
{
    int rc;

    if (item->is_first)
        begin_value(p, item->is_last);
    p->is_canonical = p->is_canonical && is_canonical_piece(p, item);
    p->largest = MAX(p->largest, item->size);
    progress_bytes(p->progress, item->size);
    exact_sizes_add(&p->sizes, item->size);
    if (item->is_first && item->is_last)
        return pack_whole(p, item, err);
    buf_add(&p->refs, &item->ref, sizeof(item->ref));
    if ((rc = spool_add(&p->spool, item->data, item->size, err)) < 0)
        return rc;
    return item->is_last ? pack_spool(p, item, err) : 0;
}

/* ---- links and directories ---- */

/* The tree object, if the text of the link does not tell. */
static int
tell_object(struct pack *p, const struct treeobj *link, struct err *err)
{
    AUTO(buf) struct buf json = BUF_INIT;

    if (link_text_is_exact(link))
        return 0;
    if (!p->is_exact) {
        p->done.is_exact = false;
        return 0;
    }
    treeobj_encode(p->layout.alg, link, &json);
    return add_attribute(p, EXACT_OBJECT, json.data, json.size, err);
}

static int
pack_link(struct pack *p, const struct walk_item *item, struct err *err)
{
    const char *path = entry_path(p, item->path);
    AUTO(buf) struct buf target = BUF_INIT;
    int rc = tell_object(p, item->link, err);

    if (rc < 0)
        return rc;
    link_text_format(item->link, &target);
    content_add_link(p->content, path, buf_str(&target));
    rc = archive_writer_symlink(p->archive, path, buf_str(&target), err);
    return rc < 0 ? rc : end_entry(p, path, 0);
}

int
pack_mark(struct pack *p, const char *path, const char *attribute, const void *value, size_t size,
          struct err *err)
{
    AUTO(buf) struct buf dir = BUF_INIT;
    int rc = attribute ? add_attribute(p, attribute, value, size, err) : 0;

    if (rc < 0)
        return rc;
    buf_add_str(&dir, entry_path(p, path));
    if (dir.size == 0)
        buf_add_char(&dir, '.');
    if (dir.data[dir.size - 1] != '/')
        buf_add_char(&dir, '/');
    content_add_other(p->content, buf_str(&dir));
    return archive_writer_dir(p->archive, buf_str(&dir), err);
}

/* Whether it exists and what form it has are told one by one. */
static int
pack_dir(struct pack *p, const struct walk_item *item, struct err *err)
{
    const char *form;
    int rc = item->is_empty ? pack_mark(p, item->path, NULL, NULL, 0, err) : 0;

    if (rc < 0 || item->form == EXACT_AS_LAID_OUT)
        return rc;
    form = exact_form_name(item->form);
    return pack_mark(p, item->path, EXACT_FORM, form, strlen(form), err);
}

/* Only what is wrong with the stored data can be ignored, and not if it is all the data. */
static int
skip_failed(struct pack *p, const struct walk_item *item, struct err *err)
{
    AUTO(buf) struct buf name = BUF_INIT;
    AUTO(key) struct key key = {.count = 0};
    bool is_damage = item->errnum == -ENOENT || item->errnum == -EIO || item->errnum == -EPROTO;

    if (key_from_path(item->path, &key, NULL) == 0)
        key_format(&key, &name);
    if (key.count == 0)
        buf_add_char(&name, '.');
    if (!p->ignore_failed_read || !is_damage || (key.count == 0 && !item->is_part))
        return err_set(err, item->errnum, "%s: %s", buf_str(&name), item->error);
    progress_warn(p->progress, "%s: left out: %s", buf_str(&name), item->error);
    p->done.failed++;
    p->done.is_exact = false;
    return 0;
}

int
pack_item(struct pack *p, const struct walk_item *item, struct err *err)
{
    switch (item->kind) {
    case WALK_DATA:
        return pack_data(p, item, err);
    case WALK_LINK:
        return pack_link(p, item, err);
    case WALK_DIR:
        return pack_dir(p, item, err);
    case WALK_FAILED:
        return skip_failed(p, item, err);
    case WALK_WAIT:
    case WALK_END:
        break;
    }
    assert(false);
}

int
pack_walk(struct pack *p, struct fetch *fetch, struct err *err)
{
    const struct walk_item *item;
    int rc;

    while ((rc = fetch_next(fetch, &item, err)) == 0 && item->kind != WALK_END) {
        if ((rc = pack_item(p, item, err)) < 0)
            return rc;
    }
    return rc;
}
