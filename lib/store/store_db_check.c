/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_check.c - is this content.sqlite ours, of our algorithm, and whole?
 *
 * A refusal must not change one byte, and SQLite creates files beside the database as soon as it
 * reads one in WAL mode.  So the fixed part is checked from the outside:
 *   1. the 100-byte header, with pread();
 *   2. meta, through a connection that believes the file immutable.  It sees the file without its
 *      write-ahead log, which is enough: the schema and what meta says of the algorithm are complete
 *      before the file gets its name (store_db_create.c) and are not written again.
 * What lives in the log (roots) is checked by store_db_check_roots() after the real open.
 *
 * All checks cost the same whatever the size of the file.  Damage inside blobs is found by the
 * digest when they are loaded. */
#include "store_db_priv.h"
#include "blobref.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Big-endian fields of the database header: sqlite.org/fileformat2.html, section 1.3. */
enum {
    HEADER_SIZE = 100,
    AT_PAGE_SIZE = 16,
    AT_CHANGES = 24,
    AT_PAGES = 28,
    AT_USER_VERSION = 60,
    AT_APPLICATION_ID = 68,
    AT_VALID_FOR = 92,
};
/* The write-ahead log: a header, then frames of a header and a page. */
enum { WAL_HEADER_SIZE = 32, WAL_FRAME_HEADER_SIZE = 24 };

static uint32_t
get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t
get_page_size(const uint8_t *header)
{
    int64_t size = header[AT_PAGE_SIZE] << 8 | header[AT_PAGE_SIZE + 1];

    return size == 1 ? 65536 : size;
}

static int64_t
file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* 0 and the header; the size of the file. */
static int
read_header(const char *path, uint8_t header[HEADER_SIZE], int64_t *ret_size, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? pread(fd, header, HEADER_SIZE, 0) : -1;
    int errnum = n < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    if (errnum)
        return err_set(err, -errnum, "%s: cannot read: %s", path, err_name(errnum));
    if (n < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0)
        return err_set(err, -EILSEQ, "%s: not an SQLite database", path);
    *ret_size = file_size(path);
    return 0;
}

static int
check_ownership(const char *path, const uint8_t *header, struct err *err)
{
    uint32_t application = get_u32(header + AT_APPLICATION_ID);
    uint32_t version = get_u32(header + AT_USER_VERSION);

    if (application != STORE_DB_APPLICATION_ID)
        return err_set(err, -EILSEQ, "%s: not a Xylem store (application id 0x%08x)", path,
                       application);
    if (version > STORE_DB_VERSION)
        return err_set(err, -EILSEQ, "%s: written by a newer Xylem (version %u, this one reads %d)",
                       path, version, STORE_DB_VERSION);
    if (version == 0)
        return err_set(err, -EILSEQ, "%s: damaged (version 0)", path);
    if (version < STORE_DB_VERSION)
        return err_set(err, -EILSEQ,
                       "%s: written by an older Xylem (version %u, this one reads %d)", path,
                       version, STORE_DB_VERSION);
    return 0;
}

/* A checkpoint that was interrupted may have written the new header before the last pages; they
 * are then still in the log. */
static int
check_length(const char *path, const char *wal_path, const uint8_t *header, int64_t size,
             struct err *err)
{
    int64_t page_size = get_page_size(header);
    int64_t pages = get_u32(header + AT_PAGES);
    int64_t logged = MAX(0, file_size(wal_path) - WAL_HEADER_SIZE);

    if (page_size < 512 || (page_size & (page_size - 1)) != 0)
        return err_set(err, -EILSEQ, "%s: damaged (page size %lld)", path, (long long)page_size);
    if (get_u32(header + AT_CHANGES) != get_u32(header + AT_VALID_FOR))
        return 0; // the count is not maintained
    if (size / page_size + logged / (page_size + WAL_FRAME_HEADER_SIZE) < pages)
        return err_set(err, -EILSEQ, "%s: truncated: %lld bytes, should have %lld", path,
                       (long long)size, (long long)(pages * page_size));
    return 0;
}

/* Percent-encode a path for a file: URI. */
static void
add_uri_path(struct buf *out, const char *path)
{
    for (; *path; path++) {
        if (strchr("%?#", *path))
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*path);
        else
            buf_add_char(out, *path);
    }
}

int
store_db_open_immutable(const char *path, sqlite3 **ret)
{
    AUTO(buf) struct buf uri = BUF_INIT;

    buf_add_str(&uri, "file:");
    add_uri_path(&uri, path);
    buf_add_str(&uri, "?immutable=1");
    return sqlite3_open_v2(buf_str(&uri), ret,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
}

/* An interrupted checkpoint leaves a header that counts pages which are in the log only.  SQLite
 * calls that corrupt, except to a connection that is there for repairs. */
static int
open_for_look(const char *path, sqlite3 **ret)
{
    int rc = store_db_open_immutable(path, ret);

    return rc == SQLITE_OK ? sqlite3_db_config(*ret, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL) : rc;
}

/* malloc()ed name of the hash algorithm; NULL: there is none. */
static char *
read_hash_name(const char *path)
{
    sqlite3 *sql = NULL;
    sqlite3_stmt *st = NULL;
    char *name = NULL;

    if (open_for_look(path, &sql) == SQLITE_OK &&
        sqlite3_prepare_v2(sql, "SELECT value FROM meta WHERE name = 'hash'", -1, &st, NULL) ==
            SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) == SQLITE_TEXT)
        name = xstrdup((const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(sql);
    return name;
}

static int
check_hash(const char *path, enum digest_alg alg, struct err *err)
{
    AUTO(free) char *name = read_hash_name(path);
    enum digest_alg found;

    if (!name)
        return err_set(err, -EILSEQ, "%s: damaged (no hash algorithm recorded)", path);
    if (digest_alg_parse(name, &found) < 0)
        return err_set(err, -EINVAL, "%s: uses the hash algorithm '%s', which this Xylem lacks",
                       path, name);
    if (found != alg)
        return err_set(err, -EINVAL, "%s: uses the hash algorithm %s, not %s", path, name,
                       digest_name(alg));
    return 0;
}

int
store_db_check_file(const char *path, const char *wal_path, enum digest_alg alg, struct err *err)
{
    uint8_t header[HEADER_SIZE];
    int64_t size = 0;
    int rc;

    rc = read_header(path, header, &size, err);
    if (rc == 0)
        rc = check_ownership(path, header, err);
    if (rc == 0)
        rc = check_length(path, wal_path, header, size, err);
    if (rc == 0)
        rc = check_hash(path, alg, err);
    return rc;
}

int
store_db_check_roots(struct store_db *db, struct err *err)
{
    AUTO(free) struct store_root *roots = NULL;
    char ref[BLOBREF_MAX];
    size_t count;
    int rc;

    rc = store_db_roots(db, &roots, &count);
    if (rc < 0)
        return err_set(err, -EILSEQ, "%s: damaged (cannot read the roots)", db->path);
    for (size_t i = 0; i < count; i++) {
        rc = store_db_exists(db, &roots[i].root);
        if (rc < 0)
            return err_set(err, -EILSEQ,
                           "%s: damaged: root %s of namespace %s %s: see xylem fsck --repair",
                           db->path, blobref_format(db->alg, &roots[i].root, ref), roots[i].name,
                           rc == -ENOENT ? "is missing" : "cannot be read");
    }
    return 0;
}
