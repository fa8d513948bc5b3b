/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_create.c - a new content.sqlite.
 *
 * It is made under another name, in one transaction without a journal, synced, and renamed: so a
 * file with the real name always has its schema, its id and its hash algorithm, and those pages
 * never are in a write-ahead log only (store_db_check.c relies on it). */
#include "store_db_priv.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

/* Rows are in a B+-tree by id, where they are appended, not WITHOUT ROWID: large rows in an index tree
 * waste most of their pages.  place has the index (store_db_index.c), age and touched are those of
 * store_db_age.c.  data comes last, so that the other columns are found without reading it.  data is
 * LZ4 iff it is shorter than size; if it is empty and size is not, it is in piece
 * (store_db_pieces.c).  history is that of store_db_history.c. */
static const char schema[] =
    "PRAGMA page_size = %d;"
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = OFF;"
    "PRAGMA synchronous = FULL;"
    "BEGIN;"
    "PRAGMA application_id = %d;"
    "PRAGMA user_version = %d;"
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value NOT NULL);"
    "CREATE TABLE blob (id INTEGER PRIMARY KEY, digest BLOB NOT NULL,"
    " size INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE place (prefix INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (prefix, id))"
    " WITHOUT ROWID;"
    "CREATE TABLE age (id INTEGER PRIMARY KEY, time REAL NOT NULL);"
    "CREATE TABLE touched (time INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (time, id))"
    " WITHOUT ROWID;"
    "CREATE TABLE root (name TEXT PRIMARY KEY NOT NULL, owner INTEGER NOT NULL,"
    " sequence INTEGER NOT NULL, digest BLOB NOT NULL);"
    "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY AUTOINCREMENT, sequence INTEGER NOT NULL,"
    " timestamp REAL NOT NULL, digest BLOB NOT NULL);" STORE_DB_PIECE_TABLE STORE_DB_HISTORY_TABLE
    "INSERT INTO meta VALUES ('hash', %Q), ('id', %Q), ('created', %f),"
    " ('indexed', 0), ('indexed_blobs', 0), ('newest', 0);"
    "COMMIT;"
    "PRAGMA journal_mode = WAL;";

static void
make_id(char out[STORE_DB_ID_MAX])
{
    uint8_t bytes[16];
    ssize_t n = getrandom(bytes, sizeof(bytes), 0);

    assert(n == (ssize_t)sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int
write_schema(const char *path, enum digest_alg alg, struct err *err)
{
    char id[STORE_DB_ID_MAX];
    sqlite3 *sql = NULL;
    char *text;
    int rc;

    make_id(id);
    text = sqlite3_mprintf(schema, STORE_DB_PAGE_SIZE, STORE_DB_APPLICATION_ID, STORE_DB_VERSION,
                           digest_name(alg), id, clock_wall());
    rc = sqlite3_open_v2(path, &sql,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(sql, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        err_set(err, store_db_errno(rc), "%s: cannot create: %s", path, sqlite3_errmsg(sql));
    sqlite3_free(text);
    sqlite3_close(sql);
    return store_db_errno(rc);
}

void
store_db_unlink(const char *path)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        AUTO(free) char *name = xasprintf("%s%s", path, suffixes[i]);

        unlink(name);
    }
}

int
store_db_publish(const char *from, const char *to, struct err *err)
{
    AUTO(free) char *dir = xstrndup(to, (size_t)(strrchr(to, '/') - to + 1));
    int fd;

    if (rename(from, to) < 0)
        return err_set(err, -errno, "%s: cannot create: %s", to, err_name(errno));
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return 0;
}

int
store_db_create(const char *path, enum digest_alg alg, struct err *err)
{
    AUTO(free) char *draft = xasprintf("%s.new", path);
    int rc;

    store_db_unlink(draft);
    rc = write_schema(draft, alg, err);
    if (rc == 0)
        rc = store_db_publish(draft, path, err);
    if (rc < 0)
        store_db_unlink(draft);
    return rc;
}
