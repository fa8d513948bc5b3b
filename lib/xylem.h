/* SPDX-License-Identifier: MPL-2.0 */
/* xylem.h - client library of Xylem, a content-addressed distributed cache for clusters.
 *
 * A handle is one connection to one rank.  It is used by one thread at a time; any number of
 * handles may exist.  Every operation has a synchronous form, for scripts and tools, and an
 * asynchronous one (..._async) that completes in xylem_dispatch(), for servers with an event loop
 * of their own: wait until xylem_fd() is readable, then dispatch.  A synchronous call dispatches
 * too while it waits, so completions of asynchronous ones may run inside of it.  Completions may
 * call everything but xylem_close().
 *
 * Functions return 0 (or a count) or a negative errno; xylem_error() then has a sentence about it.
 * Keys are text as described in xylem-kvs(7); blobs are named by blobrefs, "blake2b-" and hex.
 */
#ifndef XYLEM_H
#define XYLEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XYLEM_API __attribute__((visibility("default")))

#define XYLEM_BLOBREF_MAX 80       /* bytes for a blobref and its NUL */
#define XYLEM_ERROR_MAX 512        /* bytes for an error text and its NUL */
#define XYLEM_RANK_ANY 0xffffffffu /* whichever rank answers first: the one connected to */

typedef struct xylem xylem_t;
typedef struct xylem_txn xylem_txn_t;

/* ---- connection ---- */

/* Connect.  uri: "local:///path/of/socket", "ipc:///path", "tcp://host:port"; NULL: $XYLEM_URI.
 * cert: CURVE certificate file (xylem-keygen(1)) for ipc:// and tcp://; NULL: $XYLEM_CERT, or none.  Beyond
 * this host tcp:// needs one.  With one, nobody is talked to who does not prove to have the server's key.
 * errors: where to put a sentence when this fails (XYLEM_ERROR_MAX bytes), or NULL.
 * -EINVAL malformed or no URI, or a malformed certificate; -ENOENT / -ECONNREFUSED nobody listens there, or
 * no such certificate; -EPERM refused, or others may read the certificate, or it is needed; -ETIMEDOUT no
 * answer within 10 s. */
XYLEM_API int xylem_open(xylem_t **ret, const char *uri, const char *cert, char *errors);

/* Close; what is pending completes with -ECANCELED first.  NULL is fine. */
XYLEM_API void xylem_close(xylem_t *x);

/* Sentence about the last failure on this handle; "" if there was none.  Valid until the next
 * call. */
XYLEM_API const char *xylem_error(const xylem_t *x);

/* Readable when xylem_dispatch() has something to do.  The same for the life of the handle. */
XYLEM_API int xylem_fd(const xylem_t *x);

/* Send what is queued and complete what has arrived; wait up to timeout_ms for the first completion
 * (0: do not wait, -1: for ever), but not when nothing is pending.  Returns how many ran.
 * -ECONNRESET: the rank is gone; everything pending has been completed with that error and the
 * handle is only good for closing. */
XYLEM_API int xylem_dispatch(xylem_t *x, int timeout_ms);

/* Number of asynchronous operations not completed yet. */
XYLEM_API size_t xylem_pending(const xylem_t *x);

/* ---- asynchronous results ---- */

/* What a completion is given; valid only during the call. */
struct xylem_reply {
    int rc;            /* 0 or negative errno */
    const char *error; /* sentence when rc != 0, else "" */
    const void *data;  /* bytes of the answer; never NULL */
    size_t size;
};

typedef void (*xylem_fn)(void *arg, const struct xylem_reply *reply);

/* Any request: topic and payload as in xylem-message(7).  rank: XYLEM_RANK_ANY or a rank.
 * flags: XYLEM_STREAMING (fn is called for each response until one has rc != 0; -ENODATA is the
 * orderly end), XYLEM_TEXT (payload is text of `size` characters: a NUL is sent behind it, as JSON
 * payloads need; the answer is text too, whose NUL counts in its size, or empty).
 * *ret_tag (may be NULL) names it for xylem_cancel().
 * Every ..._async function: -ECONNRESET the rank is gone, -ENOBUFS 524288 are pending,
 * -ENOMEM no memory for a copy of the payload. */
enum { XYLEM_STREAMING = 1, XYLEM_TEXT = 2 };
XYLEM_API int xylem_rpc_async(xylem_t *x, const char *topic, uint32_t rank, const void *payload,
                              size_t size, int flags, xylem_fn fn, void *arg, uint32_t *ret_tag);

/* Forget one: its completion is not called.  The rank is told if it is a stream, or waits. */
XYLEM_API void xylem_cancel(xylem_t *x, uint32_t tag);

/* JSON in, JSON out, synchronous.  request may be NULL (no payload); *ret: malloc()ed text, "" when
 * the answer is empty; ret may be NULL. */
XYLEM_API int xylem_rpc(xylem_t *x, const char *topic, uint32_t rank, const char *request,
                        char **ret);

/* ---- content (RFC 10) ---- */

enum { XYLEM_BYPASS = 1 }; /* talk to rank 0, not to the caches below it */

/* Store bytes; blobref gets XYLEM_BLOBREF_MAX bytes.  -EFBIG above the blob size limit,
 * -ENOSPC the store is full, -EIO it is damaged. */
XYLEM_API int xylem_store(xylem_t *x, const void *data, size_t size, int flags, char *blobref);
/* Completion's data: the blobref as text with its NUL.  data is copied, or sent, before return. */
XYLEM_API int xylem_store_async(xylem_t *x, const void *data, size_t size, int flags, xylem_fn fn,
                                void *arg);

/* Load a blob.  *ret_data: malloc()ed, to be freed by the caller, never NULL on success.
 * -EINVAL malformed blobref or another hash algorithm than the instance's, -ENOENT unknown,
 * -EIO stored bytes are damaged. */
XYLEM_API int xylem_load(xylem_t *x, const char *blobref, int flags, void **ret_data,
                         size_t *ret_size);
XYLEM_API int xylem_load_async(xylem_t *x, const char *blobref, int flags, xylem_fn fn, void *arg);

/* Is the blob in the backing store, whole?  -ENOENT, -EIO. */
XYLEM_API int xylem_validate(xylem_t *x, const char *blobref);
/* Wait until this rank has nothing dirty.  rank: XYLEM_RANK_ANY = the one connected to. */
XYLEM_API int xylem_flush(xylem_t *x, uint32_t rank);
/* Make this rank forget its clean blobs. */
XYLEM_API int xylem_dropcache(xylem_t *x);

/* Name of the instance's hash algorithm: "blake2b", "sha256", "sha1".  NULL on failure. */
XYLEM_API const char *xylem_hash(xylem_t *x);

/* ---- key-value store (RFC 11) ---- */

/* namespace: NULL = $XYLEM_NAMESPACE, else "primary". */

struct xylem_root {
    int64_t sequence;
    uint32_t owner; /* uid */
    char rootref[XYLEM_BLOBREF_MAX];
};

XYLEM_API int xylem_getroot(xylem_t *x, const char *ns, struct xylem_root *ret);

/* Transactions: operations in order, all or nothing.  -EINVAL, -ENAMETOOLONG: bad key (the text is
 * in xylem_txn_error()). */
XYLEM_API xylem_txn_t *xylem_txn_new(void);
XYLEM_API void xylem_txn_free(xylem_txn_t *t);
XYLEM_API const char *xylem_txn_error(const xylem_txn_t *t);
XYLEM_API int xylem_txn_put(xylem_txn_t *t, const char *key, const void *data, size_t size);
XYLEM_API int xylem_txn_append(xylem_txn_t *t, const char *key, const void *data, size_t size);
/* treeobj: JSON text of a tree object.  hash: xylem_hash(). */
XYLEM_API int xylem_txn_put_treeobj(xylem_txn_t *t, const char *key, const char *treeobj,
                                    const char *hash);
XYLEM_API int xylem_txn_unlink(xylem_txn_t *t, const char *key);
XYLEM_API int xylem_txn_mkdir(xylem_txn_t *t, const char *key);
/* target_ns may be NULL. */
XYLEM_API int xylem_txn_symlink(xylem_txn_t *t, const char *key, const char *target_ns,
                                const char *target);

/* Compare and swap: the commit is applied only if, right before it, the root has this sequence number; or
 * if xylem_lookup() of the key with XYLEM_TREEOBJ would give this (NULL: -ENOENT).  "." is the root.  Any
 * number of keys.  Else it fails with -EAGAIN, the text says which does not hold, and nothing is done. */
XYLEM_API int xylem_txn_expect_version(xylem_txn_t *t, int64_t version);
XYLEM_API int xylem_txn_expect(xylem_txn_t *t, const char *key, const char *treeobj,
                               const char *hash);
/* An id for the commit: 1 to XYLEM_ID_MAX - 1 letters, digits, - and _, used for no other commit.  One that
 * was applied is not applied again: whoever does not know whether it was, for the connection was lost, sends
 * it again with the same id, and gets the result that the first had. */
#define XYLEM_ID_MAX 64
XYLEM_API int xylem_txn_set_id(xylem_txn_t *t, const char *id);

enum { XYLEM_NO_MERGE = 1, XYLEM_SYNC = 4 };

/* Commit.  On success all of it is durable (unless the instance runs with --durability=memory).
 * -EAGAIN: what is expected does not hold; over a remote connection with no text: there was no room.
 * ret (may be NULL): the new root.  The transaction is left as it is, to be freed by the caller. */
XYLEM_API int xylem_commit(xylem_t *x, const char *ns, const xylem_txn_t *t, int flags,
                           struct xylem_root *ret);
/* Completion's data: JSON {"rootref":...,"rootseq":N} with its NUL. */
XYLEM_API int xylem_commit_async(xylem_t *x, const char *ns, const xylem_txn_t *t, int flags,
                                 xylem_fn fn, void *arg);

enum {
    XYLEM_READDIR = 1,             /* the entries of a directory */
    XYLEM_READLINK = 2,            /* a symbolic link itself */
    XYLEM_TREEOBJ = 16,            /* what is stored */
    XYLEM_WATCH = 4,               /* a stream: an answer now, and one for each change */
    XYLEM_WAITCREATE = 8,          /* wait for what is not there: the key, or the namespace */
    XYLEM_WATCH_FULL = 64,         /* with WATCH: look the key up in each new root */
    XYLEM_WATCH_UNIQ = 128,        /* with WATCH: no answer that is as the one before */
    XYLEM_WATCH_APPEND = 256,      /* with WATCH: only what was appended since */
    XYLEM_STREAM = 512,            /* a stream: the value blob by blob, and then -ENODATA */
    XYLEM_INITIAL_SENTINEL = 1024, /* with WATCH: {"val":null} after the first object */
};

/* Look a key up; *ret: malloc()ed JSON text of the tree object: a val (flags 0), a dir (READDIR), a
 * symlink (READLINK), or what is stored (TREEOBJ).  at: root blobref to start from, or NULL = now.
 * With WAITCREATE this may take for ever; WATCH and STREAM are for xylem_lookup_async().
 * -ENOENT, -EISDIR, -ENOTDIR, -EINVAL, -ELOOP, -ENOTSUP unknown namespace, -EPROTO damaged,
 * -EOVERFLOW a value of more than 256 MiB. */
XYLEM_API int xylem_lookup(xylem_t *x, const char *ns, const char *key, const char *at, int flags,
                           char **ret);
/* Completion's data: JSON {"val":TREEOBJ} with its NUL; with WATCH or STREAM it is called for each
 * answer until one has rc != 0, see xylem-kvs(7), "Watches".  ret_tag (may be NULL) names it for
 * xylem_cancel().  Without WATCH, WAITCREATE or STREAM there must be no WATCH_... (-EINVAL).  A
 * stream that its rank ends in order ends with -ENODATA; with -ENOENT the key is gone, with -ENOTSUP
 * the namespace. */
XYLEM_API int xylem_lookup_async(xylem_t *x, const char *ns, const char *key, const char *at,
                                 int flags, xylem_fn fn, void *arg, uint32_t *ret_tag);
/* For a completion of xylem_lookup_async(): the tree object in its answer, malloc()ed JSON text. */
XYLEM_API int xylem_lookup_object(xylem_t *x, const struct xylem_reply *reply, char **ret);
/* The same, for the bytes of a val.  *ret_data: malloc()ed, never NULL on success.  -EPROTO it is no
 * val. */
XYLEM_API int xylem_lookup_value(xylem_t *x, const struct xylem_reply *reply, void **ret_data,
                                 size_t *ret_size);

/* The bytes of a value, of at most 256 MiB.  *ret_data: malloc()ed, never NULL on success. */
XYLEM_API int xylem_get(xylem_t *x, const char *ns, const char *key, void **ret_data,
                        size_t *ret_size);

/* A value of any length: fn is given its bytes in order, in as many pieces as it has blobs; it is
 * not called for an empty value.  The pieces are borrowed for the call.  So many are loaded at a time as
 * make 16 MiB when they are like the largest so far: 1 to 64.  fn returns 0, or what xylem_read() shall
 * return at once; it may call everything but xylem_close().  All bytes are of one state of the namespace; at: as above.
 * Errors of xylem_lookup() and xylem_load(). */
typedef int (*xylem_read_fn)(void *arg, const void *data, size_t size);
XYLEM_API int xylem_read(xylem_t *x, const char *ns, const char *key, const char *at,
                         xylem_read_fn fn, void *arg);

/* One put, committed. */
XYLEM_API int xylem_put(xylem_t *x, const char *ns, const char *key, const void *data, size_t size);

/* ---- instance ---- */

/* *ret: malloc()ed text.  -ENOENT unknown attribute. */
XYLEM_API int xylem_getattr(xylem_t *x, const char *name, char **ret);

#ifdef __cplusplus
}
#endif

#endif
