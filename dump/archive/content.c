/* SPDX-License-Identifier: MPL-2.0 */
/* content.c - what is digested for each entry, all texts with their NULs:
 *
 *   value of at most 54 bytes   path, "inline", its bytes, their number as text
 *   larger value                path, "blobs", the digests of its blobs, their number as text
 *   link                        path, "link", target
 *   other                       path, "other"
 *   attribute                   "", which is no path, its name, its number of bytes as text, its bytes
 */
#include "content.h"
#include "base64.h"
#include "treeobj.h"
#include "xmem.h"

#include <inttypes.h>
#include <stdio.h>

struct content {
    enum digest_alg alg;
    size_t blob_size;
    struct digest_stream *all;   // owned; of all entries
    struct digest_stream *piece; // owned; of the blob that is coming in, or NULL
    size_t in_piece;             // its bytes so far
    uint64_t count;              // bytes of an inline value, or blobs, so far
    bool is_inline;              // the value that is coming in
};

struct content *
content_new(enum digest_alg alg, size_t blob_size)
{
    struct content *c = xcalloc(1, sizeof(*c));

    assert(blob_size > 0);
    c->alg = alg;
    c->blob_size = blob_size;
    c->all = digest_stream_new(alg);
    return c;
}

void
content_free(struct content **cp)
{
    struct content *c = TAKE(*cp);

    if (!c)
        return;
    if (c->piece)
        digest_stream_finish(&c->piece, NULL);
    if (c->all)
        digest_stream_finish(&c->all, NULL);
    free(c);
}

static void
add_text(struct content *c, const char *text)
{
    digest_stream_add(c->all, text, strlen(text) + 1);
}

static void
add_count(struct content *c, uint64_t count)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, count);
    add_text(c, text);
}

void
content_add_attribute(struct content *c, const char *name, const void *value, size_t size)
{
    add_text(c, "");
    add_text(c, name);
    add_count(c, size);
    digest_stream_add(c->all, value, size);
}

void
content_add_refs(struct content *c, const char *path, const struct digest *refs, size_t count)
{
    add_text(c, path);
    add_text(c, "blobs");
    for (size_t i = 0; i < count; i++)
        digest_stream_add(c->all, refs[i].bytes, digest_size(c->alg));
    add_count(c, count);
}

void
content_add_link(struct content *c, const char *path, const char *target)
{
    add_text(c, path);
    add_text(c, "link");
    add_text(c, target);
}

void
content_add_other(struct content *c, const char *path)
{
    add_text(c, path);
    add_text(c, "other");
}

void
content_begin_value(struct content *c, const char *path, uint64_t size)
{
    c->is_inline = size <= TREEOBJ_INLINE_MAX && base64_encoded_size(size) <= TREEOBJ_INLINE_MAX;
    c->count = 0;
    add_text(c, path);
    add_text(c, c->is_inline ? "inline" : "blobs");
}

static void
end_piece(struct content *c)
{
    struct digest d;

    digest_stream_finish(&c->piece, &d);
    digest_stream_add(c->all, d.bytes, digest_size(c->alg));
    c->in_piece = 0;
    c->count++;
}

void
content_add_bytes(struct content *c, const void *data, size_t size)
{
    const char *from = data;

    if (c->is_inline) {
        digest_stream_add(c->all, data, size);
        c->count += size;
        return;
    }
    while (size > 0) {
        size_t n = MIN(size, c->blob_size - c->in_piece);

        if (!c->piece)
            c->piece = digest_stream_new(c->alg);
        digest_stream_add(c->piece, from, n);
        c->in_piece += n;
        from += n;
        size -= n;
        if (c->in_piece == c->blob_size)
            end_piece(c);
    }
}

void
content_end_value(struct content *c)
{
    if (c->piece)
        end_piece(c);
    add_count(c, c->count);
}

void
content_finish(struct content *c, struct digest *ret)
{
    digest_stream_finish(&c->all, ret);
}
