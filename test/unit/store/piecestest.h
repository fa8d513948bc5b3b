/* SPDX-License-Identifier: MPL-2.0 */
/* piecestest.h - a store with a small size of a piece, for the tests of blobs that are cut. */
#ifndef PIECESTEST_H
#define PIECESTEST_H

#include "storetest.h"

#include "store_db_priv.h"

#define PIECE 1000

struct rig {
    struct statedir dir;
    struct store_db *db;
    struct store_db_row rows[16]; // as listed
    size_t count;                 // of them
};

static inline void
start(struct rig *r)
{
    r->db = open_db(&r->dir);
    r->db->piece_size = PIECE;
}

static inline void
restart(struct rig *r)
{
    store_db_close(&r->db);
    start(r);
}

static inline int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    statedir_init(&r->dir);
    start(r);
    *state = r;
    return 0;
}

static inline int
teardown(void **state)
{
    struct rig *r = *state;

    store_db_close(&r->db);
    statedir_fini(&r->dir);
    free(r);
    return 0;
}

/* Of `total` bytes. */
static inline struct blob *
make(int i, size_t total, bool noise, struct digest *ret)
{
    return make_blob(i, total - sizeof(i), noise, ret);
}

static inline struct digest
put(struct rig *r, int i, size_t total, bool noise)
{
    struct digest d;
    AUTO(blob) struct blob *b = make(i, total, noise, &d);

    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &d, b), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    return d;
}

static inline void
assert_loads(struct store_db *db, int i, size_t total, bool noise)
{
    struct digest d;
    AUTO(blob) struct blob *expected = make(i, total, noise, &d);
    AUTO(blob) struct blob *b = NULL;
    int64_t size = 0;

    assert_int_equal(store_db_load(db, &d, &b), 0);
    assert_same_bytes(b, expected);
    assert_int_equal(store_db_check(db, &d, &size), 0);
    assert_int_equal(size, total);
}

static inline int
try_load(struct rig *r, const struct digest *d)
{
    AUTO(blob) struct blob *b = NULL;

    return store_db_load(r->db, d, &b);
}

static inline int
try_check(struct rig *r, const struct digest *d)
{
    int64_t size;

    return store_db_check(r->db, d, &size);
}

static inline int64_t
ask(struct rig *r, const char *text)
{
    sqlite3_stmt *st;
    int64_t n;

    assert_int_equal(sqlite3_prepare_v2(r->db->sql, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static inline int64_t
count_pieces(struct rig *r)
{
    return ask(r, "SELECT count(*) FROM piece");
}

static inline void
take_row(void *arg, const struct store_db_row *row)
{
    struct rig *r = arg;

    assert_true(r->count < ARRAY_SIZE(r->rows));
    r->rows[r->count++] = *row;
}

static inline void
verify(struct rig *r)
{
    int64_t last;

    r->count = 0;
    assert_int_equal(store_db_verify(r->db, 0, 100, 100, SIZE_MAX, take_row, r, &last), 0);
}

#endif
