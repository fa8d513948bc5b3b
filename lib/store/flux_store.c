/* SPDX-License-Identifier: MPL-2.0 */
/* flux_store.c - opening a content.sqlite of Flux.
 *
 *   what is there                    how it is read
 *   content.sqlite alone             immutable: no locks, no files beside it
 *   and a write-ahead log            the index of the log in memory of its own, no locks
 *   and a rollback journal in use    refused: the file is half written, and only a writer can undo that
 *
 * SQLite's own locks are not used: they would want to write beside the file.  So one byte of those that a
 * writer must lock as a whole is locked here, before the first look and until the last.
 *
 * A running Flux locks the file for itself alone (locking_mode EXCLUSIVE), but from its first write on;
 * until then, with a write-ahead log, it has the bytes of a reader.  So any lock there means that it is in
 * use.  Locks are those of the open file (F_OFD_SETLK), for others are lost when SQLite closes the file. */
#include "flux_store_priv.h"
#include "store_db_priv.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fields of the header: sqlite.org/fileformat2.html, section 1.3. */
enum { HEADER_SIZE = 72, AT_APPLICATION_ID = 68 };
/* Bytes that SQLite locks: a pending and a reserved one, then those of the readers. */
enum { FIRST_LOCK = 0x40000000, READER_BYTES = 510, OUR_BYTE = FIRST_LOCK + 2 + READER_BYTES - 1 };

/* --- whose is it? --- */

static int
read_header(int fd, const char *path, uint8_t header[HEADER_SIZE], struct err *err)
{
    ssize_t n = pread(fd, header, HEADER_SIZE, 0);

    if (n < 0)
        return err_set(err, -errno, "%s: cannot read: %s", path, err_name(errno));
    if (n < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0)
        return err_set(err, -EILSEQ, "%s: not an SQLite database", path);
    return 0;
}

/* A descriptor, of a file that is one. */
static int
open_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return err_set(err, -errno, "%s: cannot open: %s", path, err_name(errno));
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    return err_set(err, -EILSEQ, "%s: not a file", path);
}

int
flux_store_detect(const char *statedir, struct err *err)
{
    AUTO(free) char *path = xasprintf("%s/content.sqlite", statedir);
    uint8_t header[HEADER_SIZE];
    uint32_t id = 0;
    int fd = open_file(path, err);
    int rc;

    if (fd < 0)
        return fd;
    rc = read_header(fd, path, header, err);
    close(fd);
    for (int i = 0; i < 4; i++)
        id = id << 8 | header[AT_APPLICATION_ID + i];
    return rc < 0 ? rc : id != STORE_DB_APPLICATION_ID;
}

/* --- the lock --- */

static int
set_busy(const char *path, int fd, struct err *err)
{
    struct flock found = {.l_type = F_WRLCK, .l_start = FIRST_LOCK, .l_len = READER_BYTES + 2};

    if (fcntl(fd, F_OFD_GETLK, &found) == 0 && found.l_type != F_UNLCK && found.l_pid > 0)
        return err_set(err, -EBUSY, "%s: in use by process %ld: a running Flux has to be stopped",
                       path, (long)found.l_pid);
    return err_set(err, -EBUSY, "%s: in use: a running Flux has to be stopped", path);
}

/* Other readers of this program have our byte and no other. */
static int
take_lock(const char *path, int fd, struct err *err)
{
    struct flock ours = {.l_type = F_RDLCK, .l_start = OUR_BYTE, .l_len = 1};
    struct flock theirs = {
        .l_type = F_WRLCK, .l_start = FIRST_LOCK, .l_len = OUR_BYTE - FIRST_LOCK};

    if (fcntl(fd, F_OFD_SETLK, &ours) < 0)
        return errno == EAGAIN || errno == EACCES
                   ? set_busy(path, fd, err)
                   : err_set(err, -errno, "%s: cannot lock: %s", path, err_name(errno));
    if (fcntl(fd, F_OFD_GETLK, &theirs) < 0)
        return err_set(err, -errno, "%s: cannot lock: %s", path, err_name(errno));
    return theirs.l_type != F_UNLCK ? set_busy(path, fd, err) : 0;
}

/* --- the connection --- */

int
flux_store_fail(struct flux_store *s, struct err *err)
{
    int primary = sqlite3_errcode(s->sql) & 0xff;
    int rc = primary == SQLITE_NOMEM                                 ? -ENOMEM
             : primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ? -EILSEQ
                                                                     : -EIO;

    return err_set(err, rc, "%s: cannot read: %s", s->path, sqlite3_errmsg(s->sql));
}

static bool
has_log(const char *path)
{
    AUTO(free) char *log = xasprintf("%s-wal", path);
    struct stat st;

    return stat(log, &st) == 0 && st.st_size > 0;
}

/* Its first byte is zero once what it protects is complete. */
static int
check_journal(const char *path, struct err *err)
{
    AUTO(free) char *journal = xasprintf("%s-journal", path);
    int fd = open(journal, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char first = 0;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %s", journal, err_name(errno));
    n = read(fd, &first, 1);
    close(fd);
    if (n <= 0 || !first)
        return 0;
    return err_set(
        err, -EILSEQ,
        "%s: left in the middle of a write, see %s-journal: let Flux, or sqlite3(1) on a "
        "copy of both, open it once",
        path, path);
}

static int
connect_file(struct flux_store *s)
{
    int rc;

    if (!has_log(s->path))
        return store_db_open_immutable(s->path, &s->sql);
    rc = sqlite3_open_v2(s->path, &s->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, "unix-none");
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* Before the first look at the file: then the log needs no index in a file. */
    return rc == SQLITE_OK
               ? sqlite3_exec(s->sql, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL)
               : rc;
}

static int
connect(struct flux_store *s, struct err *err)
{
    static const char pragmas[] = "PRAGMA cell_size_check = ON;"
                                  "PRAGMA trusted_schema = OFF;"
                                  "PRAGMA query_only = ON;"
                                  "PRAGMA cache_size = -65536;"
                                  "PRAGMA mmap_size = 0;";
    int rc = connect_file(s);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->sql, pragmas, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : flux_store_fail(s, err);
}

/* --- what is in it? --- */

/* A real one: no view, and none that code makes up.  1, 0, or -errno with text. */
static int
has_table(struct flux_store *s, const char *name, struct err *err)
{
    static const char text[] =
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ?1";
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->sql, text, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        flux_store_fail(s, err);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -EILSEQ;
}

/* Flux has a digest as text; who writes such a file by hand may have it as a blob. */
static int
check_tables(struct flux_store *s, struct err *err)
{
    static const char load[] = "SELECT size, object FROM objects WHERE hash IN (?1, ?2)";
    int has_objects = has_table(s, "objects", err);
    int has_new = has_objects < 0 ? -EILSEQ : has_table(s, "checkpt_v2", err);
    int has_old = has_new < 0 ? -EILSEQ : has_table(s, "checkpt", err);

    if (has_old < 0)
        return -EILSEQ;
    s->has_checkpoints = has_new > 0;
    s->has_old = has_old > 0;
    if (has_objects == 0 || sqlite3_prepare_v2(s->sql, load, -1, &s->load, NULL) != SQLITE_OK)
        return err_set(err, -EILSEQ, "%s: neither a store of Xylem nor one of Flux", s->path);
    return 0;
}

/* 1: a digest tells the algorithm by its length; 0: there are none. */
static int
read_digest_alg(struct flux_store *s, enum digest_alg *ret, struct err *err)
{
    static const char text[] = "SELECT length(CAST(hash AS BLOB)) FROM objects LIMIT 100";
    sqlite3_stmt *st = NULL;
    int step = sqlite3_prepare_v2(s->sql, text, -1, &st, NULL);
    int rows = 0, rc = 0;

    while (rc == 0 && (step == SQLITE_OK || step == SQLITE_ROW) &&
           (step = sqlite3_step(st)) == SQLITE_ROW) {
        int size = sqlite3_column_int(st, 0);

        rows++;
        *ret = size == 20 ? DIGEST_SHA1 : DIGEST_SHA256;
        rc = size == 20 || size == 32;
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = flux_store_fail(s, err);
    else if (rc == 0 && rows > 0)
        rc = err_set(err, -EILSEQ, "%s: damaged (no digest is one of sha1 or sha256)", s->path);
    sqlite3_finalize(st);
    return rc;
}

static int
find_alg(struct flux_store *s, struct err *err)
{
    int rc = flux_store_checkpoint_alg(s, &s->alg, err);

    if (rc == 0)
        rc = read_digest_alg(s, &s->alg, err);
    if (rc == 0)
        s->alg = DIGEST_SHA1;
    return MIN(rc, 0);
}

/* --- all --- */

int
flux_store_open(struct flux_store **ret, const char *statedir, struct err *err)
{
    struct flux_store *s = xcalloc(1, sizeof(*s));
    uint8_t header[HEADER_SIZE];
    int rc;

    s->path = xasprintf("%s/content.sqlite", statedir);
    s->lock = rc = open_file(s->path, err);
    if (rc >= 0)
        rc = take_lock(s->path, s->lock, err);
    if (rc == 0)
        rc = read_header(s->lock, s->path, header, err);
    if (rc == 0)
        rc = check_journal(s->path, err);
    if (rc == 0)
        rc = connect(s, err);
    if (rc == 0)
        rc = check_tables(s, err);
    if (rc == 0)
        rc = find_alg(s, err);
    if (rc < 0)
        flux_store_close(&s);
    else
        *ret = s;
    return rc;
}

void
flux_store_close(struct flux_store **s_p)
{
    struct flux_store *s = TAKE(*s_p);
    int rc;

    if (!s)
        return;
    sqlite3_finalize(s->load);
    rc = sqlite3_close(s->sql);
    assert(rc == SQLITE_OK); // no statement is left
    if (s->lock >= 0)
        close(s->lock);
    free(s->path);
    free(s);
}

enum digest_alg
flux_store_alg(const struct flux_store *s)
{
    return s->alg;
}
