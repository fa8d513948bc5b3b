/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_history.c - the table `history`: a row for each root that was recorded, with the ids of the
 * commits in it.
 *
 * A row is appended with each root, so it costs next to nothing: numbers grow by one, nothing is
 * indexed, and old rows and ids go many at a time.
 *
 *   row            listed   ids of its commits
 *   newest 16384   yes      if they are among the last 16384 of all, at least
 *   collected      no       likewise: its root is no longer kept, or was undone
 *   older          gone     gone
 *
 * collected is 0, 1, or ENDED: the namespace was removed, and another one may have the name.
 *
 * I1  Row numbers grow, so that a range of them is a range of time.
 * I2  Of a namespace no two listed rows have the same sequence: those behind its present root (it was
 *     set back, or removed) are collected when the file is opened, or the namespace is removed.
 * I3  What is wrong with a row loses that row only: nothing that is kept depends on it. */
#include "store_db_priv.h"
#include "elog.h"
#include "xmem.h"

#include <stdio.h>

/* Rows and ids beyond what is promised, so that they go many at a time. */
#define SURPLUS_ROWS 1024

enum { ENDED = 2 };
enum { AT_NAME, AT_OWNER, AT_SEQUENCE, AT_DIGEST, AT_TIME };
enum { AT_SIZE = AT_DIGEST + 1, AT_IDS, AT_COLLECTED };

/* --- the table --- */

static int
add_table(struct store_db *db, struct err *err)
{
    int rc = sqlite3_exec(db->sql, STORE_DB_HISTORY_TABLE, NULL, NULL, NULL);

    if (rc != SQLITE_OK)
        return err_set(err, store_db_errno(rc), "%s: cannot add the table of the history: %s",
                       db->path, sqlite3_errmsg(db->sql));
    return store_db_prepare_history(db, err);
}

/* From the newest row down, until there are as many ids as are kept: those below need not be. */
static int
read_counts(struct store_db *db)
{
    sqlite3_stmt *st = db->statements[STMT_HISTORY_COUNTS];
    struct store_db_history *h = &db->now.history;
    int step;

    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(st, 0);

        h->newest = MAX(h->newest, id);
        h->oldest = id;
        if (h->ids >= STORE_DB_IDS_KEPT)
            continue;
        h->ids += (uint64_t)MAX(0, sqlite3_column_int64(st, 1));
        if (h->ids >= STORE_DB_IDS_KEPT)
            h->mark = id - 1;
    }
    store_db_release(st);
    return store_db_errno(step);
}

int
store_db_open_history(struct store_db *db, bool is_writer, struct err *err)
{
    int rc;

    db->now.history = (struct store_db_history){.oldest = 1};
    if (!db->has_history && !is_writer)
        return 0;
    if (!db->has_history)
        return add_table(db, err);
    rc = read_counts(db);
    if (rc == 0)
        return 0;
    if (db->for_repair) {
        db->is_hurt = true;
        return 0;
    }
    return err_set(err, -EILSEQ, "%s: damaged (cannot read the history): see xylem fsck --repair",
                   db->path);
}

/* I2.  On a full disk it is for the next time. */
void
store_db_settle_history(struct store_db *db)
{
    store_db_run(db, STMT_SETTLE_HISTORY, "bring the history in line with the roots");
}

/* --- writing --- */

static int
prune_rows(struct store_db *db)
{
    struct store_db_history *h = &db->now.history;

    if (h->newest - h->oldest < STORE_DB_HISTORY_KEPT + SURPLUS_ROWS)
        return 0;
    h->oldest = h->newest - STORE_DB_HISTORY_KEPT + 1;
    sqlite3_bind_int64(db->statements[STMT_PRUNE_HISTORY], 1, h->oldest - 1);
    return store_db_run(db, STMT_PRUNE_HISTORY, "forget old roots");
}

/* Once there are enough ids above the mark, those up to it go, and the mark comes here. */
static int
prune_ids(struct store_db *db)
{
    struct store_db_history *h = &db->now.history;
    sqlite3_stmt *st = db->statements[STMT_CLEAR_IDS];
    int64_t after = h->cleared, upto = h->mark;

    if (h->ids < STORE_DB_IDS_KEPT)
        return 0;
    h->cleared = upto;
    h->mark = h->newest;
    h->ids = 0;
    sqlite3_bind_int64(st, 1, after);
    sqlite3_bind_int64(st, 2, upto);
    return store_db_run(db, STMT_CLEAR_IDS, "forget the ids of old commits");
}

static size_t
count_ids(const char *ids)
{
    size_t count = ids ? 1 : 0;

    for (; ids && *ids; ids++)
        count += *ids == ' ' ? 1 : 0;
    return count;
}

int
store_db_put_history(struct store_db *db, const struct store_root *root, double time,
                     const char *ids)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_HISTORY];
    size_t size = ids ? strlen(ids) : 0;
    size_t count = count_ids(ids);
    const void *data = NULL;
    size_t length = ids ? store_db_pack(db, ids, size, &data) : 0;
    int rc;

    assert(db->in_transaction && db->has_history);
    sqlite3_bind_int64(st, 1, ++db->now.history.newest);
    sqlite3_bind_text(st, 2, root->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 3, root->owner);
    sqlite3_bind_int64(st, 4, root->sequence);
    store_db_bind_digest(db, st, 5, &root->root);
    sqlite3_bind_double(st, 6, time > 0 ? time : db->wall());
    sqlite3_bind_int64(st, 7, (int64_t)count);
    sqlite3_bind_int64(st, 8, (int64_t)size);
    if (data)
        sqlite3_bind_blob64(st, 9, data, length, SQLITE_STATIC);
    rc = store_db_run(db, STMT_PUT_HISTORY, "record a root in the history");
    db->now.history.ids += rc == 0 ? count : 0;
    if (rc == 0)
        rc = prune_rows(db);
    return rc == 0 ? prune_ids(db) : rc;
}

int
store_db_collect_history(struct store_db *db)
{
    assert(db->in_transaction);
    return db->has_history ? store_db_run(db, STMT_COLLECT_HISTORY, "mark collected roots") : 0;
}

int
store_db_end_history(struct store_db *db, const char *name)
{
    if (!db->has_history)
        return 0;
    sqlite3_bind_text(db->statements[STMT_END_HISTORY], 1, name, -1, SQLITE_STATIC);
    return store_db_run(db, STMT_END_HISTORY, "end the history of a namespace");
}

/* --- reading --- */

static int
read_version(struct store_db *db, sqlite3_stmt *st, void *ret)
{
    struct store_history *h = ret;

    h->time = sqlite3_column_double(st, AT_TIME);
    return store_db_read_root(db, st, &h->root) < 0 ? 1 : 0; /* I3 */
}

int
store_db_history(struct store_db *db, struct store_history **ret, size_t *ret_count)
{
    void *rows = NULL;
    int rc;

    *ret = NULL;
    *ret_count = 0;
    if (!db->has_history)
        return 0;
    sqlite3_bind_int64(db->statements[STMT_HISTORY], 1,
                       db->now.history.newest - STORE_DB_HISTORY_KEPT);
    rc = store_db_read_rows(db, STMT_HISTORY, sizeof(**ret), read_version, &rows, ret_count);
    *ret = rows;
    return rc;
}

/* Commits, the newest first. */
struct commits {
    struct store_commit *list; // owned array
    size_t count;
};

static void
add_commit(struct commits *c, const struct store_root *root, const char *id, size_t size)
{
    struct store_commit *commit = &c->list[c->count];

    if (c->count == STORE_DB_IDS_KEPT || size == 0 || size >= sizeof(commit->id))
        return;
    *commit = (struct store_commit){.root = *root};
    memcpy(commit->id, id, size);
    c->count++;
}

/* The last one of the text was committed last. */
static void
add_commits(struct commits *c, const struct store_root *root, const char *text, size_t size)
{
    size_t end = size;

    for (size_t i = size; i-- > 0;) {
        if (text[i] != ' ')
            continue;
        add_commit(c, root, text + i + 1, end - i - 1);
        end = i;
    }
    add_commit(c, root, text, end);
}

static void
take_row(struct store_db *db, sqlite3_stmt *st, struct commits *c)
{
    AUTO(blob) struct blob *ids = NULL;
    struct store_root root = {.owner = 0};

    if (store_db_read_root(db, st, &root) == 0 && store_db_unpack(st, AT_SIZE, &ids) == 0) {
        root.epoch = sqlite3_column_int(st, AT_COLLECTED) == ENDED ? -1 : 0;
        add_commits(c, &root, blob_data(ids), blob_size(ids));
    } else {
        elog(ELOG_WARN, "%s: the ids of some commits cannot be read", db->path);
    }
}

static void
reverse(struct commits *c)
{
    for (size_t i = 0; i < c->count / 2; i++) {
        struct store_commit first = c->list[i];

        c->list[i] = c->list[c->count - 1 - i];
        c->list[c->count - 1 - i] = first;
    }
}

int
store_db_commits(struct store_db *db, struct store_commit **ret, size_t *ret_count)
{
    sqlite3_stmt *st = db->statements[STMT_COMMITS];
    struct commits c = {NULL, 0};
    int step = SQLITE_DONE;

    if (db->has_history) {
        c.list = xcalloc(STORE_DB_IDS_KEPT, sizeof(*c.list));
        while (c.count < STORE_DB_IDS_KEPT && (step = sqlite3_step(st)) == SQLITE_ROW)
            take_row(db, st, &c);
        store_db_release(st);
    }
    if (step != SQLITE_ROW && store_db_errno(step) < 0) {
        free(c.list);
        return store_db_errno(step);
    }
    reverse(&c);
    *ret = c.list;
    *ret_count = c.count;
    return 0;
}
