/* SPDX-License-Identifier: MPL-2.0 */
/* storetest.h - state directories for the tests of the store. */
#ifndef STORETEST_H
#define STORETEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "store_db.h"
#include "xmem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct statedir {
    char path[64];     // of the directory
    char database[96]; // of content.sqlite in it
    struct store_conf conf;
};

static inline void
statedir_init(struct statedir *s)
{
    snprintf(s->path, sizeof(s->path), "/tmp/xylem-test.XXXXXX");
    assert_non_null(mkdtemp(s->path));
    snprintf(s->database, sizeof(s->database), "%s/content.sqlite", s->path);
    s->conf = (struct store_conf){.statedir = s->path,
                                  .alg = DIGEST_BLAKE2B,
                                  .durability = STORE_COMMIT,
                                  .max_checkpoints = 5};
}

static inline void
statedir_fini(struct statedir *s)
{
    DIR *dir = opendir(s->path);
    struct dirent *e;

    while ((e = readdir(dir))) {
        char name[400];

        snprintf(name, sizeof(name), "%s/%s", s->path, e->d_name);
        if (e->d_name[0] != '.')
            unlink(name);
    }
    closedir(dir);
    rmdir(s->path);
}

static inline struct store_db *
open_db(const struct statedir *s)
{
    struct store_db *db = NULL;
    struct err err = {0};

    if (store_db_open(&db, &s->conf, &err) < 0)
        fail_msg("%s", err.text);
    return db;
}

/* Change the file behind the store's back. */
static inline void
run_sql(const struct statedir *s, const char *text)
{
    sqlite3 *sql;

    assert_int_equal(sqlite3_open(s->database, &sql), SQLITE_OK);
    if (sqlite3_exec(sql, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(sql));
    sqlite3_close(sql);
}

/* Blob i: `size` bytes, of a repeating pattern or hardly compressible. */
static inline struct blob *
make_blob(int i, size_t size, bool noise, struct digest *ret_digest)
{
    uint8_t *data;
    struct blob *b = blob_alloc(size + sizeof(i), &data);
    uint32_t x = (uint32_t)i * 2654435761u + 1;

    memcpy(data, &i, sizeof(i));
    for (size_t k = 0; k < size; k++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        data[sizeof(i) + k] = noise ? (uint8_t)x : (uint8_t)(k % 64);
    }
    digest_compute(DIGEST_BLAKE2B, blob_data(b), blob_size(b), ret_digest);
    return b;
}

static inline void
assert_same_bytes(const struct blob *a, const struct blob *b)
{
    assert_int_equal(blob_size(a), blob_size(b));
    assert_memory_equal(blob_data(a), blob_data(b), blob_size(a));
}

#endif
