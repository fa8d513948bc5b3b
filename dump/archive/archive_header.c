/* SPDX-License-Identifier: MPL-2.0 */
/* archive_header.c - headers as JSON in comments of pax global headers. */
#include "archive_header.h"
#include "tar_block.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define HEADER_MAGIC "xylem-archive "
#define END_MAGIC "xylem-archive-end "
#define BLOB_SIZE_MAX ((json_int_t)1 << 30) // the largest blob size limit

static const char *const kinds[] = {"full", "partial", "incremental", "all"};

void
archive_header_fini(struct archive_header *h)
{
    free(h->ns);
    free(h->prefix);
    *h = (struct archive_header){.ns = NULL};
}

const char *
archive_kind_name(enum archive_header_kind kind)
{
    return kinds[kind];
}

/* ---- writing ---- */

/* "MAGIC{JSON}" */
static char *
format_comment(const char *magic, json_t *json)
{
    AUTO(free) char *text = json_dumps(json, JSON_COMPACT);

    assert(text); // all texts are UTF-8
    json_decref(json);
    return xasprintf("%s%s", magic, text);
}

static void
set(json_t *json, const char *name, json_t *value)
{
    int rc = json_object_set_new(json, name, value);

    assert(rc == 0);
}

void
archive_header_encode(const struct archive_header *h, struct buf *out, struct digest *ret)
{
    AUTO(free) char *comment = NULL;
    char ref[BLOBREF_MAX];
    json_t *json = json_object();

    set(json, "version", json_integer(ARCHIVE_VERSION));
    set(json, "kind", json_string(kinds[h->kind]));
    set(json, "hash", json_string(digest_name(h->alg)));
    if (h->ns)
        set(json, "namespace", json_string(h->ns));
    set(json, "root", json_string(blobref_format(h->alg, &h->root, ref)));
    if (h->has_sequence)
        set(json, "sequence", json_integer(h->sequence));
    set(json, "maxdirent", json_integer((json_int_t)h->maxdirent));
    set(json, "blob_size_limit", json_integer((json_int_t)h->blob_size_limit));
    if (h->prefix)
        set(json, "prefix", json_string(h->prefix));
    if (h->is_exact)
        set(json, "exact", json_true());
    if (h->kind == ARCHIVE_INCREMENTAL)
        set(json, "since", json_string(blobref_format(h->alg, &h->since, ref)));
    comment = format_comment(HEADER_MAGIC, json);
    tar_add_comment(comment, out);
    digest_compute(h->alg, comment, strlen(comment), ret);
}

void
archive_end_encode(const struct archive_end *e, struct buf *out)
{
    static const char zeros[TAR_END];
    AUTO(free) char *comment = NULL;
    char ref[BLOBREF_MAX];
    json_t *json = json_object();

    set(json, "keys", json_integer((json_int_t)e->keys));
    set(json, "bytes", json_integer((json_int_t)e->bytes));
    set(json, "failed", json_integer((json_int_t)e->failed));
    set(json, "exact", json_boolean(e->is_exact));
    set(json, "content", json_string(blobref_format(e->alg, &e->content, ref)));
    set(json, "header", json_string(blobref_format(e->alg, &e->header, ref)));
    comment = format_comment(END_MAGIC, json);
    tar_add_comment(comment, out);
    buf_add(out, zeros, sizeof(zeros));
}

/* ---- reading ---- */

static json_t *
find_json(const char *magic, const char *comment)
{
    size_t len = strlen(magic);

    if (strncmp(comment, magic, len) != 0)
        return NULL;
    return json_loads(comment + len, 0, NULL);
}

static int
read_kind(const char *name, enum archive_header_kind *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(name, kinds[i]) == 0) {
            *ret = (enum archive_header_kind)i;
            return 0;
        }
    }
    return -EPROTO;
}

/* Which tree is an incremental archive the difference from? */
static int
read_since(const json_t *json, struct archive_header *h)
{
    const json_t *since = json_object_get(json, "since");
    enum digest_alg alg;

    if (h->kind != ARCHIVE_INCREMENTAL)
        return 0;
    if (!json_is_string(since) || blobref_parse(json_string_value(since), &alg, &h->since) < 0 ||
        alg != h->alg)
        return -EPROTO;
    return 0;
}

static int
read_header(json_t *json, struct archive_header *ret)
{
    const char *kind, *hash, *root, *ns = NULL, *prefix = NULL;
    json_int_t maxdirent, limit;
    const json_t *sequence = json_object_get(json, "sequence");
    struct archive_header h = {.ns = NULL};
    enum digest_alg alg;

    if (json_unpack(json, "{s:s,s:s,s:s,s:I,s:I,s?s,s?s}", "kind", &kind, "hash", &hash, "root",
                    &root, "maxdirent", &maxdirent, "blob_size_limit", &limit, "namespace", &ns,
                    "prefix", &prefix) < 0)
        return -EPROTO;
    if (read_kind(kind, &h.kind) < 0 || digest_alg_parse(hash, &h.alg) < 0 ||
        blobref_parse(root, &alg, &h.root) < 0 || alg != h.alg || maxdirent < 0 || limit < 1 ||
        limit > BLOB_SIZE_MAX || read_since(json, &h) < 0)
        return -EPROTO;
    h.is_exact = json_is_true(json_object_get(json, "exact"));
    h.maxdirent = (uint64_t)maxdirent;
    h.blob_size_limit = (uint64_t)limit;
    h.has_sequence = json_is_integer(sequence);
    h.sequence = h.has_sequence ? json_integer_value(sequence) : 0;
    h.ns = ns ? xstrdup(ns) : NULL;
    h.prefix = prefix ? xstrdup(prefix) : NULL;
    *ret = h;
    return 0;
}

int
archive_header_decode(const void *data, size_t size, struct archive_header *ret, struct err *err)
{
    AUTO(free) char *comment = tar_find_comment(data, size);
    const json_t *version;
    json_t *json;
    int rc;

    if (!comment || strncmp(comment, HEADER_MAGIC, strlen(HEADER_MAGIC)) != 0)
        return 0;
    json = find_json(HEADER_MAGIC, comment);
    version = json_object_get(json, "version");
    if (!json_is_integer(version))
        rc = err_set(err, -EPROTO, "the header of the archive is damaged");
    else if (json_integer_value(version) != ARCHIVE_VERSION)
        rc = err_set(err, -EPROTO, "archives of version %lld are not known",
                     (long long)json_integer_value(version));
    else if ((rc = read_header(json, ret)) < 0)
        err_set(err, rc, "the header of the archive is damaged");
    else
        digest_compute(ret->alg, comment, strlen(comment), &ret->digest);
    json_decref(json);
    return rc < 0 ? rc : 1;
}

static int
read_end(json_t *json, struct archive_end *ret)
{
    json_int_t keys, bytes, failed;
    const char *content, *header;
    enum digest_alg alg;
    int is_exact;

    if (json_unpack(json, "{s:I,s:I,s:I,s:b,s:s,s:s}", "keys", &keys, "bytes", &bytes, "failed",
                    &failed, "exact", &is_exact, "content", &content, "header", &header) < 0 ||
        keys < 0 || bytes < 0 || failed < 0)
        return -ENOENT;
    ret->keys = (uint64_t)keys;
    ret->bytes = (uint64_t)bytes;
    ret->failed = (uint64_t)failed;
    ret->is_exact = is_exact != 0;
    if (blobref_parse(content, &ret->alg, &ret->content) < 0 ||
        blobref_parse(header, &alg, &ret->header) < 0 || alg != ret->alg)
        return -ENOENT;
    return 0;
}

int
archive_end_decode(const void *data, size_t size, struct archive_end *ret)
{
    AUTO(free) char *comment = NULL;
    json_t *json = NULL;
    int rc;

    if (size == ARCHIVE_END_SIZE)
        comment = tar_find_comment(data, size);
    if (comment)
        json = find_json(END_MAGIC, comment);
    rc = json ? read_end(json, ret) : -ENOENT;
    json_decref(json);
    return rc;
}
