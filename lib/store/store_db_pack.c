/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_pack.c - the columns size and data of blob and piece: so many bytes, and these bytes or
 * one block of LZ4 if that is shorter.
 *
 * Data that cannot be compressed is the costly case, and a large blob is mostly of one kind.  So of
 * those two samples are tried first. */
#include "store_db_priv.h"
#include "xmem.h"

#include <errno.h>
#include <lz4.h>

/* Below this the codec's own bytes eat what it gains. */
#define COMPRESS_MIN 256
/* LZ4 cannot shrink by more than this factor: a row that claims to is damaged. */
#define LZ4_RATIO_MAX 256
/* Larger blobs are sampled. */
#define SAMPLE_FROM 16384
#define SAMPLE_SIZE 4096

void
store_db_free_packer(struct store_db *db)
{
    free(db->scratch);
    LZ4_freeStream(db->lz4);
}

static bool
make_scratch(struct store_db *db, size_t size)
{
    if (db->scratch_size >= size)
        return true;
    free(db->scratch);
    db->scratch = xmem_try(size);
    db->scratch_size = db->scratch ? size : 0;
    return db->scratch != NULL;
}

/* The compressed size in db->scratch when it saves at least an eighth, else 0. */
static size_t
compress(struct store_db *db, const char *data, size_t size)
{
    size_t max = size - size / 8;
    int n;

    if (!make_scratch(db, max))
        return 0;
    if (!db->lz4 && !(db->lz4 = LZ4_createStream()))
        return 0;
    LZ4_resetStream_fast(db->lz4); // clearing its 16 KiB takes as long as compressing a small blob
    n = LZ4_compress_fast_continue(db->lz4, data, db->scratch, (int)size, (int)max, 1);
    if (n <= 0)
        LZ4_initStream(db->lz4, sizeof(*db->lz4)); // after a failure the fast reset does not do
    return n > 0 ? (size_t)n : 0;
}

/* The samples: a head may be that of a container, the middle is what is in it. */
static bool
seems_compressible(struct store_db *db, const char *data, size_t size)
{
    if (size < SAMPLE_FROM)
        return true;
    return compress(db, data, SAMPLE_SIZE) > 0 || compress(db, data + size / 2, SAMPLE_SIZE) > 0;
}

size_t
store_db_pack(struct store_db *db, const void *data, size_t size, const void **ret_data)
{
    size_t packed = 0;

    if (size >= COMPRESS_MIN && size <= LZ4_MAX_INPUT_SIZE && seems_compressible(db, data, size))
        packed = compress(db, data, size);
    *ret_data = packed > 0 ? db->scratch : data;
    return packed > 0 ? packed : size;
}

/* --- unpacking --- */

int
store_db_unpacked_size(sqlite3_stmt *st, int size_at, size_t *ret)
{
    int64_t size = sqlite3_column_int64(st, size_at);
    int64_t length = sqlite3_column_bytes(st, size_at + 1);

    if (size < length || size > (length + 1) * LZ4_RATIO_MAX || size > LZ4_MAX_INPUT_SIZE)
        return -EIO;
    *ret = (size_t)size;
    return 0;
}

int
store_db_unpack_to(sqlite3_stmt *st, int size_at, size_t size, void *out)
{
    const char *data = sqlite3_column_blob(st, size_at + 1);
    size_t length = (size_t)sqlite3_column_bytes(st, size_at + 1);

    if (!data)
        return length == 0 ? -EIO : -ENOMEM;
    if (size == length)
        memcpy(out, data, size);
    else if (LZ4_decompress_safe(data, out, (int)length, (int)size) != (int)size)
        return -EIO;
    return 0;
}

int
store_db_unpack_scratch(struct store_db *db, sqlite3_stmt *st, int size_at, size_t size,
                        const void **ret)
{
    if (size == (size_t)sqlite3_column_bytes(st, size_at + 1)) {
        *ret = sqlite3_column_blob(st, size_at + 1);
        return *ret ? 0 : -ENOMEM;
    }
    if (!make_scratch(db, size))
        return -ENOMEM;
    *ret = db->scratch;
    return store_db_unpack_to(st, size_at, size, db->scratch);
}

int
store_db_unpack(sqlite3_stmt *st, int size_at, struct blob **ret)
{
    AUTO(blob) struct blob *b = NULL;
    size_t size;
    uint8_t *out;
    int rc = store_db_unpacked_size(st, size_at, &size);

    if (rc < 0)
        return rc;
    if (size == 0) {
        *ret = blob_empty();
        return 0;
    }
    b = blob_alloc(size, &out);
    if (!b)
        return -ENOMEM;
    rc = store_db_unpack_to(st, size_at, size, out);
    if (rc == 0)
        *ret = TAKE(b);
    return rc;
}
