/* SPDX-License-Identifier: MPL-2.0 */
/* store_db.c - open and close STATEDIR/content.sqlite (xylem-content(7), "Backing store").
 *
 * Opening is: take the lock, look at the file without touching it, create it if there is none,
 * open it for real, look at what only an open database shows.  Any refusal leaves the directory
 * with the bytes it had: until the file is accepted, closing does not move the write-ahead log into
 * it, and files that SQLite has made beside it are removed again.
 *
 * I1  The lock is held from before the first look until after the last byte is written.
 * I2  A file is never converted: another algorithm, application or version is refused.
 *
 * The statements are in store_db_sql.c.  Thread: one at a time; store_db_wal.c has one of its own. */
#include "store_db_priv.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Seconds; see store_db_set_grace(). */
#define GRACE 600

int
store_db_errno(int sqlite_rc)
{
    switch (sqlite_rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_TOOBIG:
        return -EFBIG;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return -EACCES;
    default:
        return -EIO;
    }
}

/* At open, a file that cannot be understood is damaged; later that is an I/O error. */
static int
open_errno(int sqlite_rc)
{
    int primary = sqlite_rc & 0xff;

    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_ERROR)
        return -EILSEQ;
    return store_db_errno(sqlite_rc);
}

static int
set_error(struct store_db *db, int sqlite_rc, struct err *err)
{
    return err_set(err, open_errno(sqlite_rc), "%s: cannot open: %s", db->path,
                   db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(sqlite_rc));
}

static int
read_id(struct store_db *db, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int rc;

    rc = sqlite3_prepare_v2(db->sql, "SELECT value FROM meta WHERE name = 'id'", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) == SQLITE_TEXT)
        snprintf(db->id, sizeof(db->id), "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return set_error(db, rc, err);
    if (!db->id[0])
        return err_set(err, -EILSEQ, "%s: damaged (no id recorded)", db->path);
    return 0;
}

static void
disconnect(struct store_db *db)
{
    int rc;

    store_db_finalize(db);
    rc = sqlite3_close(db->sql);
    assert(rc == SQLITE_OK); // no statement is left
    db->sql = NULL;
}

static void
begin_to_write(struct store_db *db, const struct store_conf *conf)
{
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    wal_start(&db->wal, db->sql, db->path, store_db_synchronous(conf->durability));
    if (!db->is_hurt)
        store_db_settle_history(db);
    if (!db->is_hurt && conf->layout.blob_size > 0)
        store_db_record_layout(db, &conf->layout);
}

int
store_db_attach(struct store_db *db, const struct store_conf *conf, bool is_at_rest,
                struct err *err)
{
    AUTO(free) char *shm_path = xasprintf("%s-shm", db->path);
    bool had_wal = access(db->wal_path, F_OK) == 0;
    bool had_shm = access(shm_path, F_OK) == 0;
    int rc = store_db_connect(db, conf, is_at_rest);

    rc = rc == SQLITE_OK ? 0 : set_error(db, rc, err);
    if (rc == 0)
        rc = read_id(db, err);
    if (rc == 0)
        rc = store_db_prepare(db, err);
    if (rc == 0)
        rc = store_db_open_index(db, err);
    if (rc == 0 && !conf->for_repair)
        rc = store_db_check_roots(db, err);
    if (rc == 0 && !conf->read_only)
        rc = store_db_add_pieces(db, err);
    if (rc == 0)
        rc = store_db_open_history(db, !conf->read_only, err);
    if (rc == 0) {
        if (!conf->read_only)
            begin_to_write(db, conf);
        db->newest_at_open = db->now.newest;
        return 0;
    }
    disconnect(db);
    if (!had_wal && !conf->read_only)
        unlink(db->wal_path);
    if (!had_shm && !conf->read_only)
        unlink(shm_path);
    return rc;
}

void
store_db_detach(struct store_db *db)
{
    if (!db->sql)
        return;
    store_db_rollback(db);
    wal_stop(&db->wal);
    disconnect(db);
}

static int
check_writable(const char *path, struct err *err)
{
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0)
        return err_set(err, -errno, "%s: not writable: %s", path, err_name(errno));
    return 0;
}

static int
open_file(struct store_db *db, const struct store_conf *conf, bool is_at_rest, struct err *err)
{
    bool is_new = access(db->path, F_OK) < 0 && errno == ENOENT;
    int rc = 0;

    if (is_new && conf->read_only)
        return err_set(err, -ENOENT, "%s: no such file", db->path);
    if (is_new && access(db->wal_path, F_OK) == 0)
        return err_set(err, -EILSEQ, "%s: missing, but its write-ahead log is there", db->path);
    if (is_new)
        rc = store_db_create(db->path, conf->alg, err);
    if (rc == 0)
        rc = store_db_check_file(db->path, db->wal_path, conf->alg, err);
    if (rc == 0 && !conf->read_only)
        rc = check_writable(db->path, err);
    if (rc == 0)
        rc = store_db_attach(db, conf, is_at_rest, err);
    return rc;
}

static struct store_db *
new_db(const struct store_conf *conf)
{
    struct store_db *db = xcalloc(1, sizeof(*db));

    db->path = xasprintf("%s/content.sqlite", conf->statedir);
    db->wal_path = xasprintf("%s-wal", db->path);
    db->alg = conf->alg;
    db->max_checkpoints = MAX(1, conf->max_checkpoints);
    db->lock.fd = -1;
    db->is_follower = conf->read_only;
    db->for_repair = conf->for_repair;
    db->piece_size = STORE_DB_PIECE_SIZE;
    db->wall = clock_wall;
    db->grace = GRACE;
    tail_init(&db->tail);
    rowset_init(&db->good);
    map_init(&db->damaged, offsetof(struct store_db_damage, digest), sizeof(struct digest));
    return db;
}

static void
free_db(struct store_db *db)
{
    tail_fini(&db->tail);
    store_db_free_damages(db);
    free(db->path);
    free(db->wal_path);
    store_db_free_packer(db);
    free(db);
}

int
store_db_open(struct store_db **ret, const struct store_conf *conf, struct err *err)
{
    struct store_db *db = new_db(conf);
    bool is_at_rest = false;
    int rc = 0;

    if (conf->read_only)
        is_at_rest = store_db_lock_share(&db->lock, conf->statedir);
    else
        rc = store_db_lock_take(&db->lock, conf->statedir, err);
    if (rc == 0)
        rc = open_file(db, conf, is_at_rest, err);
    if (rc < 0) {
        store_db_lock_drop(&db->lock);
        free_db(db);
        return rc;
    }
    if (!conf->read_only)
        store_db_lock_keep(&db->lock); /* I1 */
    db->age.stored = db->wall();
    db->age.stored_id = db->now.newest;
    *ret = db;
    return 0;
}

void
store_db_close(struct store_db **db_p)
{
    struct store_db *db = TAKE(*db_p);

    if (!db)
        return;
    store_db_detach(db);
    store_db_lock_drop(&db->lock); /* I1 */
    free_db(db);
}

const char *
store_db_id(const struct store_db *db)
{
    return db->id;
}

static int64_t
size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int
store_db_stats(struct store_db *db, struct store_db_stats *ret)
{
    ret->blobs = db->now.blobs;
    ret->file_bytes = size_of(db->path);
    ret->wal_bytes = size_of(db->wal_path);
    return 0;
}
