/* SPDX-License-Identifier: MPL-2.0 */
/* lookup.h - walk a key from a root to its value (xylem-kvs(7), "Lookups").
 *
 * Pull-style and pure:  loop { switch (lookup_step(l)) ... give what it wants ... }
 *
 * state      wants                                    given by
 * ROOT       the root of lookup_namespace()           lookup_give_root
 * DIR        the directory lookup_wanted()[0]         lookup_give_dir
 * BUCKETS    directories, all in lookup_wanted()      lookup_give_bucket, each once, any order
 * BLOBS      the value blobs lookup_wanted()          lookup_give_blob, each once, any order
 * DONE       nothing; lookup_result()                 -
 * Anything may be answered with lookup_fail() instead, which leads to DONE.
 */
#ifndef XYLEM_LOOKUP_H
#define XYLEM_LOOKUP_H

#include "blob.h"
#include "treeobj.h"

enum {
    LOOKUP_READDIR = 1,
    LOOKUP_READLINK = 2,
    LOOKUP_WATCH = 4,
    LOOKUP_WAITCREATE = 8,
    LOOKUP_TREEOBJ = 16,
    LOOKUP_WATCH_FULL = 64, // the rest is for watches, see watch.h
    LOOKUP_WATCH_UNIQ = 128,
    LOOKUP_WATCH_APPEND = 256,
    LOOKUP_STREAM = 512,
    LOOKUP_INITIAL_SENTINEL = 1024,
    /* Ours, never on the wire.  UNJOINED: a valref is the result as it is.  COMPARE: with READDIR a directory's
     * reference is the result; a lost blob is no missing key (EIO, not ENOENT). */
    LOOKUP_UNJOINED = 1 << 16,
    LOOKUP_COMPARE = 1 << 17,
    LOOKUP_SYMLINKS_MAX = 10, // links followed in one look-up; more is ELOOP
};

enum lookup_want {
    LOOKUP_WANT_ROOT,
    LOOKUP_WANT_DIR,
    LOOKUP_WANT_BUCKETS,
    LOOKUP_WANT_BLOBS,
    LOOKUP_DONE,
};

struct lookup;

/* key: text.  root: start there (--at), or NULL to ask for ns's root first.  flags: READDIR,
 * READLINK, TREEOBJ, UNJOINED, COMPARE; others are ignored.  A bad key shows up as the result. */
struct lookup *lookup_new(enum digest_alg alg, const char *ns, const struct digest *root,
                          const char *key, int flags);
void lookup_free(struct lookup **l);

enum lookup_want lookup_step(struct lookup *l);
const char *lookup_namespace(const struct lookup *l); // the one whose root is wanted
const struct digest *lookup_wanted(const struct lookup *l, size_t *ret_count);

void lookup_give_root(struct lookup *l, const struct digest *root);
/* -EPROTO results if it is not a dir or hdir. */
void lookup_give_dir(struct lookup *l, const struct treeobj *dir);
/* After the last of those wanted come others, or the next state. */
void lookup_give_bucket(struct lookup *l, const struct digest *d, const struct treeobj *dir);
void lookup_give_blob(struct lookup *l, const struct digest *d, const struct blob *b);
void lookup_fail(struct lookup *l, int errnum, const char *text);
/* The same for one of those wanted, which cannot be had or is damaged: the text names it. */
void lookup_fail_blob(struct lookup *l, const struct digest *d, int errnum, const char *why);

/* After DONE.  0 and *ret (new reference): a val (values are joined), dir (READDIR), symlink
 * (READLINK), or the object as stored (TREEOBJ).  Or -errno with text, which names the key: the table in flux-compatible
 * lookups: ENOENT missing or a path through a value, EISDIR, ENOTDIR, EINVAL (READLINK of a
 * non-link, bad key), ELOOP, EPROTO damaged object, EOVERFLOW joined value above LOOKUP_VALUE_MAX. */
int lookup_result(const struct lookup *l, struct treeobj **ret, struct err *err);

#endif
