/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_salvage.c - a new content.sqlite of what can be read of a damaged one (store_db_mend.h).
 *
 * The copy is made beside it, without a journal; it is synced before it gets the name.  The old file has
 * two names by then, so there is a file with the real name at any moment.
 *
 * I1  The log of the old file is empty before the name changes hands: it would be taken for that of the
 *     new one.
 * I2  Roots are not left out: without them a namespace would be gone silently. */
#include "store_db_mend.h"
#include "store_db_skip.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ids tried behind the last row that was found, at least. */
#define TRIES 65536
#define NAMES_MAX 1000

struct copy {
    struct store_db *db; // the old one, borrowed
    sqlite3 *out;        // the new one, owned
    const char *path;    // of the new one, borrowed
    struct err *err;
};

/* Parts of tables that are copied: rows by a number, with gaps if need be. */
struct part {
    const char *probe; // the numbers alone
    const char *read;  // the number first
    const char *write; // of the same columns
    bool is_needed;    // I2
};

static const struct part parts[] = {
    {"SELECT rowid FROM meta NOT INDEXED WHERE rowid >= ?1 AND rowid <= ?2",
     "SELECT rowid, name, value FROM meta NOT INDEXED WHERE rowid >= ?1 AND rowid <= ?2"
     " AND name IN ('id', 'created')",
     "UPDATE meta SET value = ?3 WHERE name = ?2 AND ?1", false},
    {"SELECT rowid FROM root NOT INDEXED WHERE rowid >= ?1 AND rowid <= ?2",
     "SELECT rowid, name, owner, sequence, digest FROM root NOT INDEXED"
     " WHERE rowid >= ?1 AND rowid <= ?2",
     "INSERT INTO root (rowid, name, owner, sequence, digest) VALUES (?1, ?2, ?3, ?4, ?5)", true},
    {"SELECT id FROM checkpoint WHERE id >= ?1 AND id <= ?2",
     "SELECT id, sequence, timestamp, digest FROM checkpoint WHERE id >= ?1 AND id <= ?2",
     "INSERT INTO checkpoint (id, sequence, timestamp, digest) VALUES (?1, ?2, ?3, ?4)", false},
    {"SELECT id FROM history WHERE id >= ?1 AND id <= ?2",
     "SELECT id, name, owner, sequence, digest, time, collected, count, size, ids FROM history"
     " WHERE id >= ?1 AND id <= ?2",
     "INSERT INTO history (id, name, owner, sequence, digest, time, collected, count, size, ids)"
     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
     false},
    {"SELECT id FROM age WHERE id >= ?1 AND id <= ?2",
     "SELECT id, time FROM age WHERE id >= ?1 AND id <= ?2",
     "INSERT INTO age (id, time) VALUES (?1, ?2)", false},
    {"SELECT id FROM blob WHERE id >= ?1 AND id <= ?2",
     "SELECT id, digest, size, data FROM blob WHERE id >= ?1 AND id <= ?2",
     "INSERT INTO blob (id, digest, size, data) VALUES (?1, ?2, ?3, ?4)", false},
    {"SELECT rowid FROM piece NOT INDEXED WHERE rowid >= ?1 AND rowid <= ?2",
     "SELECT rowid, blob, number, size, data FROM piece NOT INDEXED"
     " WHERE rowid >= ?1 AND rowid <= ?2",
     "INSERT OR IGNORE INTO piece (rowid, blob, number, size, data) VALUES (?1, ?2, ?3, ?4, ?5)",
     false},
};

/* touched is by time, and good for some minutes: what cannot be read of it is left. */
static const char read_touches[] = "SELECT time, id FROM touched";
static const char write_touches[] = "INSERT OR IGNORE INTO touched (time, id) VALUES (?1, ?2)";

static const char begin_text[] = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN";
static const char end_text[] =
    "INSERT OR IGNORE INTO place SELECT xylem_prefix(digest), id FROM blob"
    " WHERE length(digest) = %d ORDER BY 1, 2;"
    "INSERT OR REPLACE INTO meta"
    " SELECT 'indexed', max(%lld, ifnull(max(id), 0)) FROM blob UNION ALL"
    " SELECT 'newest', max(%lld, ifnull(max(id), 0)) FROM blob UNION ALL"
    " SELECT 'indexed_blobs', count(*) FROM blob;"
    "COMMIT; PRAGMA journal_mode = WAL";

/* --- errors --- */

static int
fail(const struct copy *c, int sqlite_rc)
{
    return err_set(c->err, store_db_errno(sqlite_rc), "%s: cannot write: %s", c->path,
                   sqlite3_errmsg(c->out));
}

static int
run(const struct copy *c, const char *text)
{
    int rc = sqlite3_exec(c->out, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fail(c, rc);
}

/* --- copying --- */

static int
write_row(const struct copy *c, sqlite3_stmt *from, sqlite3_stmt *to)
{
    int rc;

    for (int i = 0; i < sqlite3_column_count(from); i++)
        sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
    rc = sqlite3_step(to);
    store_db_release(to);
    if (rc == SQLITE_CONSTRAINT) // what no store writes
        return 0;
    return rc == SQLITE_DONE ? 0 : fail(c, rc);
}

/* Rows from *last on, until one cannot be read.  1: there may be more behind it; 0; -errno. */
static int
copy_stretch(const struct copy *c, sqlite3_stmt *from, sqlite3_stmt *to, int64_t *last)
{
    int step, rc = 0;

    sqlite3_bind_int64(from, 1, *last + 1);
    sqlite3_bind_int64(from, 2, INT64_MAX);
    while (rc == 0 && (step = sqlite3_step(from)) == SQLITE_ROW) {
        *last = sqlite3_column_int64(from, 0);
        rc = write_row(c, from, to);
    }
    store_db_release(from);
    if (rc < 0 || step == SQLITE_DONE)
        return rc;
    if ((step & 0xff) == SQLITE_CORRUPT)
        return 1;
    return err_set(c->err, store_db_errno(step), "%s: cannot read: %s", c->db->path,
                   sqlite3_errstr(step));
}

/* To before the next row that is there, or behind it if it is the one that could not be read. */
static int
skip_gap(const struct copy *c, sqlite3_stmt *probe, int64_t *last)
{
    uint64_t failures = 0;
    int64_t after = *last;
    int64_t known = c->db->now.newest;
    int rc;

    do {
        rc = store_db_probe(probe, &after, INT64_MAX, &failures, TRIES);
    } while (rc == -EAGAIN && after < known);
    if (rc == 1 && failures == 0)
        after = sqlite3_column_int64(probe, 0);
    store_db_release(probe);
    *last = after;
    return rc == -EAGAIN ? 0 : rc;
}

static int
copy_rows(const struct copy *c, const struct part *p, sqlite3_stmt *probe, sqlite3_stmt *from,
          sqlite3_stmt *to)
{
    int64_t last = 0;
    int rc;

    while ((rc = copy_stretch(c, from, to, &last)) == 1) {
        if (p->is_needed)
            return err_set(c->err, -EIO, "%s: damaged (cannot read the roots)", c->db->path);
        rc = skip_gap(c, probe, &last);
        if (rc <= 0)
            return rc;
    }
    return rc;
}

static int
prepare(const struct copy *c, sqlite3 *sql, const char *text, sqlite3_stmt **ret)
{
    int rc = sqlite3_prepare_v2(sql, text, -1, ret, NULL);

    if (rc == SQLITE_OK)
        return 0;
    return err_set(c->err, store_db_errno(rc), "%s: %s", c->db->path, sqlite3_errmsg(sql));
}

static int
copy_part(const struct copy *c, const struct part *p)
{
    sqlite3_stmt *probe = NULL, *from = NULL, *to = NULL;
    int rc = prepare(c, c->db->sql, p->probe, &probe);

    if (rc == 0)
        rc = prepare(c, c->db->sql, p->read, &from);
    if (rc == 0)
        rc = prepare(c, c->out, p->write, &to);
    if (rc == 0)
        rc = copy_rows(c, p, probe, from, to);
    sqlite3_finalize(probe);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return rc;
}

static int
copy_touches(const struct copy *c)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    int rc = prepare(c, c->db->sql, read_touches, &from);

    if (rc == 0)
        rc = prepare(c, c->out, write_touches, &to);
    while (rc == 0 && sqlite3_step(from) == SQLITE_ROW)
        rc = write_row(c, from, to);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return rc;
}

static int
copy_all(const struct copy *c)
{
    char *text;
    int rc = run(c, begin_text);

    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(parts); i++)
        rc = copy_part(c, &parts[i]);
    if (rc == 0)
        rc = copy_touches(c);
    if (rc < 0)
        return rc;
    text = sqlite3_mprintf(end_text, (int)digest_size(c->db->alg), (long long)c->db->now.indexed,
                           (long long)c->db->now.newest);
    rc = run(c, text);
    sqlite3_free(text);
    return rc;
}

static void
prefix_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    const uint8_t *bytes = sqlite3_value_blob(values[0]);
    int size = sqlite3_value_bytes(values[0]);
    struct digest d = {{0}};

    assert(count == 1);
    if (bytes)
        memcpy(d.bytes, bytes, MIN((size_t)size, sizeof(d.bytes)));
    sqlite3_result_int64(context, store_db_prefix(&d));
}

static int
sync_file(const struct copy *c)
{
    int fd = open(c->path, O_RDONLY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : -errno;

    if (fd >= 0)
        close(fd);
    return rc < 0 ? err_set(c->err, rc, "%s: %s", c->path, err_name(rc)) : 0;
}

static int
make_copy(struct store_db *db, const char *path, struct err *err)
{
    struct copy c = {.db = db, .path = path, .err = err};
    int rc = store_db_create(path, db->alg, err);

    if (rc < 0)
        return rc;
    rc = sqlite3_open_v2(path, &c.out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(c.out, "xylem_prefix", 1, SQLITE_UTF8, NULL, prefix_function,
                                     NULL, NULL);
    rc = rc == SQLITE_OK ? copy_all(&c) : fail(&c, rc);
    sqlite3_close(c.out);
    return rc == 0 ? sync_file(&c) : rc;
}

/* --- changing places --- */

/* A second name for the old file.  *ret: malloc()ed. */
static int
keep_old(const char *path, char **ret, struct err *err)
{
    for (int i = 1; i <= NAMES_MAX; i++) {
        char suffix[16] = "";
        char *name;
        int rc;

        if (i > 1)
            snprintf(suffix, sizeof(suffix), "-%d", i);
        name = xasprintf("%s.damaged%s", path, suffix);
        if (link(path, name) == 0) {
            *ret = name;
            return 0;
        }
        rc = errno == EEXIST ? 0
                             : err_set(err, -errno, "%s: cannot create: %s", name, err_name(errno));
        free(name);
        if (rc < 0)
            return rc;
    }
    return err_set(err, -EEXIST, "%s.damaged: there are too many of them", path);
}

/* I1 */
static int
check_log(const struct store_db *db, struct err *err)
{
    struct stat st;

    if (stat(db->wal_path, &st) == 0 && st.st_size > 0)
        return err_set(err, -EBUSY, "%s: the write-ahead log cannot be emptied: is it being read?",
                       db->path);
    return 0;
}

static int
change_places(struct store_db *db, const char *path, char **ret_old, struct err *err)
{
    AUTO(free) char *shm_path = xasprintf("%s-shm", db->path);
    int rc = check_log(db, err);

    if (rc == 0)
        rc = keep_old(db->path, ret_old, err);
    if (rc < 0)
        return rc;
    unlink(db->wal_path);
    unlink(shm_path);
    rc = store_db_publish(path, db->path, err);
    if (rc < 0)
        unlink(*ret_old);
    if (rc < 0)
        free(TAKE(*ret_old));
    return rc;
}

int
store_db_salvage(struct store_db **db_p, const struct store_conf *conf, char **ret_old,
                 struct err *err)
{
    struct store_db *db = *db_p;
    AUTO(free) char *path = xasprintf("%s.mended", db->path);
    int rc, again;

    assert(conf->for_repair && !conf->read_only && !db->in_transaction);
    store_db_unlink(path);
    rc = make_copy(db, path, err);
    if (rc == 0) {
        store_db_detach(db);
        rc = change_places(db, path, ret_old, err);
        db->is_hurt = false;
        again = store_db_attach(db, conf, false, rc == 0 ? err : NULL);
        if (again < 0)
            store_db_close(db_p);
        rc = rc == 0 ? again : rc;
    }
    store_db_unlink(path);
    return rc;
}
