/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_connect.c - the connection to content.sqlite.
 *
 *   who reads or writes   log              connection
 *   a writer              any              as SQLite does it: -wal and -shm beside the file
 *   a reader, a broker    any              the same, with the broker's files
 *     may be at work
 *   a reader at rest      none, or empty   immutable: locks nothing, makes nothing
 *   a reader at rest      left by a crash  the index of the log in memory of its own, no locks
 *
 * At rest means that nobody writes while our lock is held (store_db_lock_share()), so a reader needs
 * none of SQLite's, leaves no file, and works in a folder where it may not write. */
#include "store_db_priv.h"

#include <sys/stat.h>

#define WAL_KEPT_BYTES (64 << 20)
#define CACHE_KIBIBYTES 8192
/* Of a reader: keys in their order are blobs in none, and some hundred are on a page. */
#define READER_CACHE_KIBIBYTES 65536
/* For readers and shells that hold a lock now and then. */
#define BUSY_MS 2000

const char *
store_db_synchronous(enum store_durability durability)
{
    switch (durability) {
    case STORE_MEMORY:
        return "OFF";
    case STORE_COMMIT:
        return "NORMAL"; // the log is synced when it is moved: enough against kill -9
    case STORE_FSYNC:
        break;
    }
    return "FULL";
}

static int
set_pragmas(struct store_db *db, const struct store_conf *conf)
{
    char *text = sqlite3_mprintf("PRAGMA cell_size_check = ON;"
                                 "PRAGMA trusted_schema = OFF;"
                                 "PRAGMA secure_delete = OFF;"
                                 "PRAGMA synchronous = %s;"
                                 "PRAGMA wal_autocheckpoint = 0;" // store_db_wal.c does that
                                 "PRAGMA journal_size_limit = %d;"
                                 "PRAGMA cache_size = -%d;"
                                 /* A mapped file that gets shorter is SIGBUS, not EIO. */
                                 "PRAGMA mmap_size = 0;",
                                 store_db_synchronous(conf->durability), WAL_KEPT_BYTES,
                                 conf->read_only ? READER_CACHE_KIBIBYTES : CACHE_KIBIBYTES);
    int rc = sqlite3_exec(db->sql, text, NULL, NULL, NULL);

    sqlite3_free(text);
    return rc;
}

static bool
has_log(const struct store_db *db)
{
    struct stat st;

    return stat(db->wal_path, &st) == 0 && st.st_size > 0;
}

static int
open_at_rest(struct store_db *db)
{
    int rc;

    if (!has_log(db))
        return store_db_open_immutable(db->path, &db->sql);
    rc = sqlite3_open_v2(db->path, &db->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                         "unix-none");
    /* Before the first look at the file: then it needs no -shm. */
    return rc == SQLITE_OK
               ? sqlite3_exec(db->sql, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL)
               : rc;
}

/* Until the file is accepted, closing does not move the log into it. */
int
store_db_connect(struct store_db *db, const struct store_conf *conf, bool is_at_rest)
{
    int flags = conf->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int rc = is_at_rest ? open_at_rest(db)
                        : sqlite3_open_v2(db->path, &db->sql, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db->sql, BUSY_MS);
    return rc == SQLITE_OK ? set_pragmas(db, conf) : rc;
}
