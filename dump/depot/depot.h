/* SPDX-License-Identifier: MPL-2.0 */
/* depot.h - where blobs and roots are kept: a rank of a running instance, the state directory of one that is
 * not running, or a content.sqlite of Flux.
 *
 * Blobs are loaded and stored many at a time: a request is started, and completes inside depot_dispatch() (or
 * depot_close(), with -ECANCELED) and nowhere else.  All else waits for its answer.  One thread.
 */
#ifndef XYLEM_DEPOT_H
#define XYLEM_DEPOT_H

#include "checkpoint.h"
#include "layout.h"
#include "treeobj.h"
#include "xerr.h"

#define DEPOT_NAMESPACE_MAX 64 // bytes for the name of a namespace and its NUL

/* What a completion is given; valid only during the call. */
struct depot_reply {
    int rc;               // 0 or negative errno
    const char *error;    // sentence when rc < 0, else ""
    const void *data;     // of a load: the bytes; never NULL
    size_t size;          // bytes of data
    struct digest digest; // of a store: what the blob is called
};

typedef void (*depot_fn)(void *arg, const struct depot_reply *reply);

/* The current root of a namespace. */
struct depot_root {
    char ns[DEPOT_NAMESPACE_MAX];
    uint32_t owner; // uid
    int64_t sequence;
    struct digest root;
};

/* A directory of which the object is larger than a blob may be: only a key-value store can store it. */
struct depot_wide {
    char *key;  // owned; key text below the tree, "" = the tree itself
    char *json; // owned; the object
};

/* A tree that becomes visible, in one step. */
struct depot_change {
    const char *ns;     // borrowed; of the key
    const char *key;    // borrowed; key text; "." = the whole root
    struct digest tree; // its root directory; all blobs but the wide ones are stored
    const void *dir;    // borrowed; the root directory as one dir object
    size_t dir_size;    // bytes of dir
    const struct digest
        *expected; // borrowed; the root directory that has to be there until then; NULL: any
    const struct depot_wide *wide; // borrowed array, children before their parents
    size_t nwide;
};

struct depot;

struct depot_ops {
    int (*load)(struct depot *d, const struct digest *digest, depot_fn fn, void *arg,
                struct err *err);
    int (*store)(struct depot *d, const void *data, size_t size, depot_fn fn, void *arg,
                 struct err *err);
    int (*dispatch)(struct depot *d, struct err *err);
    void (*keep)(struct depot *d, const struct digest *root);
    int (*root)(struct depot *d, const char *ns, struct depot_root *ret, struct err *err);
    int (*roots)(struct depot *d, struct depot_root **ret, size_t *ret_count, struct err *err);
    int (*checkpoints)(struct depot *d, struct checkpoint **ret, size_t *ret_count,
                       struct err *err);
    int (*change)(struct depot *d, const struct depot_change *change, struct depot_root *ret,
                  struct err *err);
    int (*create)(struct depot *d, const struct depot_root *root, struct err *err);
    int (*put_checkpoint)(struct depot *d, const struct checkpoint *c, struct err *err);
    int (*flush)(struct depot *d, struct err *err);
    void (*close)(struct depot *d);
};

/* What all kinds begin with. */
struct depot {
    const struct depot_ops
        *ops;             // what only writes is NULL where nothing can be written; keep may be
    struct layout layout; // of its trees
    bool is_live;         // others change it at the same time
};

/* A rank.  uri: NULL = $XYLEM_URI.  no_cache: talk to rank 0, not to the caches below it.  The -errno of
 * xylem_open() with text. */
int depot_open_rank(struct depot **ret, const char *uri, bool no_cache, struct err *err);

/* The state directory of an instance that is not running, or, only to be read, of a Flux.  layout: NULL = only
 * read, and nothing is changed; else written to, and a directory that has no content.sqlite gets one, with that
 * layout.  Whoever else uses it is kept away until it is closed.  What is written is visible after
 * depot_flush() and not before.  -EBUSY: in use; -ENOENT; -EILSEQ damaged, or of neither; -EROFS; with text. */
int depot_open_statedir(struct depot **ret, const char *statedir, const struct layout *layout,
                        struct err *err);

/* Completes what is under way.  NULL is fine. */
void depot_close(struct depot **d);

/* fn is called exactly once if this returns 0.  -errno with text: it was not started. */
int depot_load_async(struct depot *d, const struct digest *digest, depot_fn fn, void *arg,
                     struct err *err);
/* data is copied, or sent, before return. */
int depot_store_async(struct depot *d, const void *data, size_t size, depot_fn fn, void *arg,
                      struct err *err);
/* Wait for the first completion; something is under way.  -errno with text: nothing works any more; all
 * that was under way has been completed with that error. */
int depot_dispatch(struct depot *d, struct err *err);

/* Verified bytes.  *ret_data: malloc()ed, never NULL on success.  -ENOENT, -EIO with text. */
int depot_load(struct depot *d, const struct digest *digest, void **ret_data, size_t *ret_size,
               struct err *err);
/* The tree object that a blob is; the text names the blob. */
int depot_load_object(struct depot *d, const struct digest *digest, struct treeobj **ret,
                      struct err *err);
/* The directory that a blob is; of a wide one all parts, as one dir object. */
int depot_load_dir(struct depot *d, const struct digest *digest, struct treeobj **ret,
                   struct err *err);

/* While the depot is open and used: garbage is not collected in the tree of this root, also when it is no
 * longer current.  As far as the depot can see to that. */
void depot_keep(struct depot *d, const struct digest *root);

/* -ENOTSUP: there is no such namespace; -ENOSYS: no key-value store is running. */
int depot_root(struct depot *d, const char *ns, struct depot_root *ret, struct err *err);
/* All namespaces, by name.  *ret: malloc()ed array. */
int depot_roots(struct depot *d, struct depot_root **ret, size_t *ret_count, struct err *err);
/* The newest first.  *ret: malloc()ed array, may be NULL when there are none.  -ENOSYS: nothing keeps
 * them. */
int depot_checkpoints(struct depot *d, struct checkpoint **ret, size_t *ret_count, struct err *err);

/* Make a tree visible.  *ret: the root of the namespace after that.  -EAGAIN with text: what is expected is
 * not there; -EROFS: nothing can be written. */
int depot_change(struct depot *d, const struct depot_change *change, struct depot_root *ret,
                 struct err *err);
/* Make a namespace; its sequence is up to the depot.  -EEXIST. */
int depot_create(struct depot *d, const struct depot_root *root, struct err *err);
/* While no key-value store runs: it will start from there.  -EEXIST: one runs. */
int depot_put_checkpoint(struct depot *d, const struct checkpoint *c, struct err *err);
/* Wait until all that was written is on the disk, where there is one.  In a state directory nothing of it is
 * visible before. */
int depot_flush(struct depot *d, struct err *err);

#endif
