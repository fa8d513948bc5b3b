/* SPDX-License-Identifier: MPL-2.0 */
/* damagetest.h - wrong pages in the file of a store that is closed. */
#ifndef DAMAGETEST_H
#define DAMAGETEST_H

#include "storetest.h"

#include "elog.h"

#define PAGE 16384

/* The first number that a SELECT finds, -1 for none. */
static inline int64_t
ask_sql(const struct statedir *s, const char *text)
{
    sqlite3_stmt *st;
    sqlite3 *sql;
    int64_t number;

    assert_int_equal(sqlite3_open(s->database, &sql), SQLITE_OK);
    if (sqlite3_prepare_v2(sql, text, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(sql));
    number = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    sqlite3_finalize(st);
    sqlite3_close(sql);
    return number;
}

static inline void
need_dbstat(void)
{
    if (sqlite3_compileoption_used("ENABLE_DBSTAT_VTAB"))
        return;
    print_message("skipped: this SQLite cannot tell which page is what\n");
    skip();
}

static inline void
write_at(const struct statedir *s, int64_t offset, const void *bytes, size_t size)
{
    int fd = open(s->database, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, offset), size);
    close(fd);
}

static inline void
wipe_page(const struct statedir *s, int64_t page)
{
    static const char zeros[PAGE];

    assert_true(page > 1);
    write_at(s, (page - 1) * PAGE, zeros, PAGE);
}

/* A page of a table, from `skipped` on, in the order of its keys: "leaf" or "internal". */
static inline int64_t
page_of(const struct statedir *s, const char *table, const char *type, int skipped)
{
    char text[200];

    snprintf(text, sizeof(text),
             "SELECT pageno FROM dbstat WHERE name = '%s' AND pagetype = '%s' ORDER BY path"
             " LIMIT 1 OFFSET %d",
             table, type, skipped);
    return ask_sql(s, text);
}

/* The chain of pages that the bytes of a large row are in, the first there is, gets lost after its first one. */
static inline void
break_chain(const struct statedir *s)
{
    static const uint8_t nowhere[4] = {0x7f, 0xff, 0xff, 0xff};
    char text[200];
    int64_t page;

    snprintf(text, sizeof(text),
             "SELECT pageno FROM dbstat WHERE name = 'blob' AND pagetype = 'overflow'"
             " ORDER BY path LIMIT 1");
    page = ask_sql(s, text);
    assert_true(page > 1);
    write_at(s, (page - 1) * PAGE, nowhere, sizeof(nowhere));
}

/* --- a store and its blobs --- */

struct rig {
    struct statedir dir;
    struct store_db *db;
};

static inline int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    statedir_init(&r->dir);
    r->db = open_db(&r->dir);
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

static inline void
reopen(struct rig *r)
{
    store_db_close(&r->db);
    r->db = open_db(&r->dir);
}

static inline int
put(struct rig *r, int i, size_t size)
{
    struct digest d;
    AUTO(blob) struct blob *b = make_blob(i, size, true, &d);
    int rc;

    do {
        assert_int_equal(store_db_begin(r->db), 0);
        rc = store_db_put(r->db, &d, b);
    } while (rc == -EUCLEAN);
    return rc < 0 ? rc : store_db_commit(r->db);
}

static inline int
load(struct rig *r, int i, size_t size)
{
    struct digest d;
    AUTO(blob) struct blob *b = make_blob(i, size, true, &d);
    AUTO(blob) struct blob *got = NULL;
    int rc = store_db_load(r->db, &d, &got);

    if (rc == 0)
        assert_same_bytes(got, b);
    return rc;
}

/* As the store does it. */
static inline int
load_in_transaction(struct rig *r, int i, size_t size)
{
    int rc;

    assert_int_equal(store_db_begin_reading(r->db), 0);
    rc = load(r, i, size);
    store_db_end_reading(r->db);
    return rc;
}

/* Also after another start: it is in the file. */
static inline void
assert_loads(struct rig *r, int i, size_t size)
{
    assert_int_equal(load(r, i, size), 0);
    reopen(r);
    assert_int_equal(load(r, i, size), 0);
}

static inline void
put_many(struct rig *r, int count, size_t size)
{
    for (int i = 0; i < count;) {
        assert_int_equal(store_db_begin(r->db), 0);
        for (int k = 0; k < 200 && i < count; k++, i++) {
            struct digest d;
            AUTO(blob) struct blob *b = make_blob(i, size, true, &d);

            assert_int_equal(store_db_put(r->db, &d, b), 0);
        }
        assert_int_equal(store_db_commit(r->db), 0);
    }
}

/* Enough of them that place has pages below its root. */
#define MANY 160000
static inline void
fill_place(struct rig *r)
{
    put_many(r, MANY, 0);
    for (int i = 0; i < 100; i++) // so that each partition has been merged
        assert_int_equal(put(r, MANY + i, 100000), 0);
}

#endif
