/* SPDX-License-Identifier: MPL-2.0 */
/* pack.c - one entry for each value and link.
 *
 * Values of several blobs go through a spool, because an archive entry begins with its size.
 *
 * A restore cuts values into blobs by their size alone.  One that is stored in another way, such as
 * one that was appended to, comes back with the same bytes but other blobs: the archive is not exact
 * then, and the root it gives is another one.
 */
#include "pack.h"
#include "base64.h"
#include "key.h"
#include "link_text.h"

#include <errno.h>

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
    buf_fini(&p->refs);
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

static int
pack_whole(struct pack *p, const struct walk_item *item, struct err *err)
{
    int rc = archive_writer_file(p->archive, item->path, item->size, err);

    if (rc == 0)
        rc = archive_writer_data(p->archive, item->data, item->size, err);
    if (rc < 0)
        return rc;
    if (p->is_canonical && !item->is_inline) {
        content_add_refs(p->content, item->path, &item->ref, 1);
    } else {
        content_begin_value(p->content, item->path, item->size);
        content_add_bytes(p->content, item->data, item->size);
        content_end_value(p->content);
    }
    return end_entry(p, item->path, item->size);
}

/* The bytes are only digested when the names of their blobs do not say it. */
static int
pack_spooled_bytes(struct pack *p, struct err *err)
{
    const void *data;
    size_t n;
    int rc, got;

    while ((got = spool_next(&p->spool, &data, &n, err)) > 0) {
        if ((rc = archive_writer_data(p->archive, data, n, err)) < 0)
            return rc;
        if (!p->is_canonical)
            content_add_bytes(p->content, data, n);
    }
    return got;
}

static int
pack_spool(struct pack *p, const char *path, struct err *err)
{
    uint64_t size = spool_size(&p->spool);
    int rc = archive_writer_file(p->archive, path, size, err);

    if (rc == 0 && !p->is_canonical)
        content_begin_value(p->content, path, size);
    if (rc == 0)
        rc = pack_spooled_bytes(p, err);
    if (rc < 0)
        return rc;
    if (p->is_canonical)
        content_add_refs(p->content, path, (const void *)p->refs.data,
                         p->refs.size / sizeof(struct digest));
    else
        content_end_value(p->content);
    return end_entry(p, path, size);
}

static int
pack_data(struct pack *p, const struct walk_item *item, struct err *err)
{
    int rc;

    p->is_canonical = (item->is_first || p->is_canonical) && is_canonical_piece(p, item);
    p->done.is_exact = p->done.is_exact && p->is_canonical;
    if (item->is_first && item->is_last)
        return pack_whole(p, item, err);
    if (item->is_first) {
        spool_reset(&p->spool);
        buf_reset(&p->refs);
    }
    buf_add(&p->refs, &item->ref, sizeof(item->ref));
    if ((rc = spool_add(&p->spool, item->data, item->size, err)) < 0)
        return rc;
    return item->is_last ? pack_spool(p, item->path, err) : 0;
}

static int
pack_link(struct pack *p, const struct walk_item *item, struct err *err)
{
    AUTO(buf) struct buf target = BUF_INIT;
    int rc;

    if (!link_text_is_exact(item->link))
        p->done.is_exact = false;
    link_text_format(item->link, &target);
    content_add_link(p->content, item->path, buf_str(&target));
    rc = archive_writer_symlink(p->archive, item->path, buf_str(&target), err);
    return rc < 0 ? rc : end_entry(p, item->path, 0);
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
    case WALK_FAILED:
        return skip_failed(p, item, err);
    case WALK_WAIT:
    case WALK_END:
        break;
    }
    assert(false);
}
