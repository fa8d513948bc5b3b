/* SPDX-License-Identifier: MPL-2.0 */
/* flux_store_read.c - blobs and checkpoints of Flux.
 *
 *   objects     hash: the digest; size -1: object is the blob; else object is one block of LZ4 of so many
 *               bytes, also where it is longer than these
 *   checkpt_v2  value: a record as JSON, version 0 or 1; the newest has the largest id
 *   checkpt     before that: the record of the key kvs-primary, or its blobref alone
 *
 * Flux does not hash what it loads; here it is, and the file is believed nothing before that. */
#include "flux_store_priv.h"
#include "blobref.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <lz4.h>

/* LZ4 cannot shrink by more than this factor: a row that claims to is damaged. */
#define LZ4_RATIO_MAX 256
#define RECORDS_MAX 1024
#define RECORD_SIZE_MAX 65536

/* --- blobs --- */

static int
copy_raw(const void *data, size_t size, struct blob **ret)
{
    uint8_t *out;

    *ret = size > 0 ? blob_alloc(size, &out) : blob_empty();
    if (*ret && size > 0)
        memcpy(out, data, size);
    return *ret ? 0 : -ENOMEM;
}

static int
unpack(const void *data, size_t length, int64_t size, struct blob **ret, struct err *err)
{
    AUTO(blob) struct blob *b = NULL;
    uint8_t *out;

    if (size > LZ4_MAX_INPUT_SIZE || (uint64_t)size > (length + 1) * LZ4_RATIO_MAX)
        return err_set(err, -EIO, "damaged: %zu bytes cannot be %lld compressed ones", length,
                       (long long)size);
    if (size == 0)
        return copy_raw("", 0, ret);
    b = blob_alloc((size_t)size, &out);
    if (!b)
        return err_set(err, -ENOMEM, "%s", err_name(ENOMEM));
    if (!data || LZ4_decompress_safe(data, (char *)out, (int)length, (int)size) != size)
        return err_set(err, -EIO, "damaged: it cannot be decompressed");
    *ret = TAKE(b);
    return 0;
}

/* Of the row that the statement is at; not verified. */
static int
read_row(sqlite3_stmt *st, struct blob **ret, struct err *err)
{
    int64_t size = sqlite3_column_int64(st, 0);
    const void *data = sqlite3_column_blob(st, 1);
    size_t length = (size_t)sqlite3_column_bytes(st, 1);

    if (sqlite3_column_type(st, 0) != SQLITE_INTEGER || size < -1)
        return err_set(err, -EIO, "damaged: its size is not a number of bytes");
    if (!data && length > 0)
        return err_set(err, -ENOMEM, "%s", err_name(ENOMEM));
    if (size >= 0)
        return unpack(data, length, size, ret, err);
    return copy_raw(data, length, ret) < 0 ? err_set(err, -ENOMEM, "%s", err_name(ENOMEM)) : 0;
}

static int
read_verified(struct flux_store *s, const struct digest *d, struct blob **ret, struct err *err)
{
    AUTO(blob) struct blob *b = NULL;
    struct digest found;
    int rc = read_row(s->load, &b, err);

    if (rc < 0)
        return rc;
    digest_compute(s->alg, blob_data(b), blob_size(b), &found);
    if (!digest_equal(&found, d))
        return err_set(err, -EIO, "damaged: its bytes are not those of its digest");
    *ret = TAKE(b);
    return 0;
}

/* There may be two rows, one with the digest as text and one as blob: any that is whole will do. */
int
flux_store_load(struct flux_store *s, const struct digest *d, struct blob **ret, struct err *err)
{
    int size = (int)digest_size(s->alg);
    int rc = err_set(err, -ENOENT, "there is no such blob");
    int step;

    sqlite3_bind_text(s->load, 1, (const char *)d->bytes, size, SQLITE_STATIC);
    sqlite3_bind_blob(s->load, 2, d->bytes, size, SQLITE_STATIC);
    while (rc < 0 && (step = sqlite3_step(s->load)) == SQLITE_ROW)
        rc = read_verified(s, d, ret, err);
    if (rc < 0 && step != SQLITE_DONE)
        rc = err_set(err, (step & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EIO, "cannot read: %s",
                     sqlite3_errmsg(s->sql));
    sqlite3_reset(s->load);
    sqlite3_clear_bindings(s->load);
    return rc;
}

/* --- checkpoints --- */

/* A record, and the algorithm of its root. */
static int
parse_record(const char *text, size_t size, enum digest_alg *ret_alg, struct checkpoint *ret,
             struct err *err)
{
    json_t *json;
    const char *ref;
    int rc;

    *ret = (struct checkpoint){.sequence = 0};
    if (blobref_parse_n(text, size, ret_alg, &ret->root) == 0)
        return 0;
    json = json_loadb(text, size, 0, NULL);
    ref = json_string_value(json_object_get(json, "rootref"));
    if (!ref || blobref_parse(ref, ret_alg, &ret->root) < 0)
        rc = err_set(err, -EPROTO, "checkpoint: rootref is not a blobref");
    else
        rc = checkpoint_from_json(*ret_alg, json, ret, err);
    json_decref(json);
    return rc;
}

/* 0: go on with the next. */
typedef int (*record_fn)(void *arg, const char *text, size_t size);

static int
each_row(struct flux_store *s, const char *query, record_fn fn, void *arg, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int step = sqlite3_prepare_v2(s->sql, query, -1, &st, NULL);
    int rc = 0;

    while (rc == 0 && (step == SQLITE_OK || step == SQLITE_ROW) &&
           (step = sqlite3_step(st)) == SQLITE_ROW) {
        const char *text = sqlite3_column_blob(st, 0);
        size_t size = (size_t)sqlite3_column_bytes(st, 0);

        rc = text && size <= RECORD_SIZE_MAX ? fn(arg, text, size) : fn(arg, "", 0);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = flux_store_fail(s, err);
    sqlite3_finalize(st);
    return rc;
}

/* The newest first. */
static int
each_record(struct flux_store *s, record_fn fn, void *arg, struct err *err)
{
    static const char records[] = "SELECT value FROM checkpt_v2 ORDER BY id DESC LIMIT 1024";
    static const char old[] = "SELECT value FROM checkpt WHERE key = 'kvs-primary' LIMIT 1";
    int rc = s->has_checkpoints ? each_row(s, records, fn, arg, err) : 0;

    return rc == 0 && s->has_old ? each_row(s, old, fn, arg, err) : rc;
}

static int
on_alg(void *arg, const char *text, size_t size)
{
    struct checkpoint unused;

    return parse_record(text, size, arg, &unused, NULL) == 0;
}

int
flux_store_checkpoint_alg(struct flux_store *s, enum digest_alg *ret, struct err *err)
{
    enum digest_alg found = DIGEST_SHA1;
    int rc = each_record(s, on_alg, &found, err);

    if (rc > 0)
        *ret = found;
    return rc;
}

struct list {
    enum digest_alg alg;      // of the file
    struct checkpoint *items; // owned array of RECORDS_MAX + 1
    size_t count;             // in use
    struct err *err;          // of the caller
};

static int
on_record(void *arg, const char *text, size_t size)
{
    struct list *l = arg;
    struct err *err = l->count == 0 ? l->err : NULL; // older ones are left out
    struct checkpoint c;
    enum digest_alg alg;
    int rc = parse_record(text, size, &alg, &c, err);

    if (rc == 0 && alg != l->alg)
        rc = err_set(err, -EPROTO, "checkpoint: rootref is a %s digest, not %s", digest_name(alg),
                     digest_name(l->alg));
    if (rc < 0)
        return l->count == 0 ? rc : 0;
    assert(l->count <= RECORDS_MAX);
    l->items[l->count++] = c;
    return 0;
}

int
flux_store_checkpoints(struct flux_store *s, struct checkpoint **ret, size_t *ret_count,
                       struct err *err)
{
    struct list l = {s->alg, xcalloc(RECORDS_MAX + 1, sizeof(*l.items)), 0, err};
    int rc = each_record(s, on_record, &l, err);

    if (rc == 0 && l.count > 0) {
        *ret = l.items;
        *ret_count = l.count;
        return 0;
    }
    free(l.items);
    *ret = NULL;
    *ret_count = 0;
    return rc;
}
