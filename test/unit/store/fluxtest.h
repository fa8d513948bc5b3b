/* SPDX-License-Identifier: MPL-2.0 */
/* fluxtest.h - writing a content.sqlite as Flux does, for tests of what reads it. */
#ifndef FLUXTEST_H
#define FLUXTEST_H

#include "blobref.h"
#include "digest.h"
#include "xmem.h"

#include <lz4.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define FLUX_OBJECTS \
    "CREATE TABLE objects (hash BLOB PRIMARY KEY, size INT, object BLOB, epoch INT DEFAULT 0);"
#define FLUX_CHECKPOINTS \
    "CREATE TABLE checkpt_v2 (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, value TEXT);"
#define FLUX_RAW_MAX 256 // smaller blobs are not compressed

enum flux_typeof { FLUX_TEXT, FLUX_BLOB };

static inline void
flux_sql(sqlite3 *sql, const char *text)
{
    char *why = NULL;

    if (sqlite3_exec(sql, text, NULL, NULL, &why) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", text, why);
        abort();
    }
}

/* journal: "WAL", ...  The tables are for the caller to make. */
static inline sqlite3 *
flux_open(const char *database, const char *journal)
{
    sqlite3 *sql;
    char text[64];
    int rc = sqlite3_open(database, &sql);

    assert(rc == SQLITE_OK);
    snprintf(text, sizeof(text), "PRAGMA journal_mode = %s; PRAGMA synchronous = OFF", journal);
    flux_sql(sql, text);
    flux_sql(sql, "PRAGMA locking_mode = EXCLUSIVE");
    return sql;
}

/* A row as it is said to be. */
static inline void
flux_put_row(sqlite3 *sql, const struct digest *d, int digest_bytes, enum flux_typeof as,
             int64_t size, const void *object, int length)
{
    static const char text[] = "INSERT INTO objects (hash, size, object) VALUES (?1, ?2, ?3)";
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(sql, text, -1, &st, NULL);

    assert(rc == SQLITE_OK);
    if (as == FLUX_TEXT)
        sqlite3_bind_text(st, 1, (const char *)d->bytes, digest_bytes, SQLITE_STATIC);
    else
        sqlite3_bind_blob(st, 1, d->bytes, digest_bytes, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, size);
    sqlite3_bind_blob(st, 3, object, length, SQLITE_STATIC);
    rc = sqlite3_step(st);
    assert(rc == SQLITE_DONE);
    sqlite3_finalize(st);
}

/* *ret_digest may be NULL. */
static inline void
flux_put(sqlite3 *sql, enum digest_alg alg, enum flux_typeof as, const void *data, size_t size,
         struct digest *ret_digest)
{
    int bound = LZ4_compressBound((int)size);
    AUTO(free) char *packed = xmalloc((size_t)bound);
    struct digest d;
    int length;

    digest_compute(alg, data, size, &d);
    if (ret_digest)
        *ret_digest = d;
    if (size < FLUX_RAW_MAX) {
        flux_put_row(sql, &d, (int)digest_size(alg), as, -1, data, (int)size);
        return;
    }
    length = LZ4_compress_default(data, packed, (int)size, bound);
    assert(length > 0);
    flux_put_row(sql, &d, (int)digest_size(alg), as, (int64_t)size, packed, length);
}

static inline void
flux_put_record(sqlite3 *sql, const char *value)
{
    char *text = sqlite3_mprintf("INSERT INTO checkpt_v2 (value) VALUES (%Q)", value);

    flux_sql(sql, text);
    sqlite3_free(text);
}

static inline void
flux_put_checkpoint(sqlite3 *sql, enum digest_alg alg, const struct digest *root, int64_t sequence,
                    double timestamp)
{
    char ref[BLOBREF_MAX], value[256];

    snprintf(value, sizeof(value),
             "{\"version\":1,\"rootref\":\"%s\",\"sequence\":%lld,\"timestamp\":%.2f}",
             blobref_format(alg, root, ref), (long long)sequence, timestamp);
    flux_put_record(sql, value);
}

#endif
