/* SPDX-License-Identifier: MPL-2.0 */
/* tree.h - one namespace's hash tree while transactions are applied to it.
 *
 * Pull-style and pure: the tree asks for directory blobs it has not seen, and hands out the blobs
 * it has made.  Directories that were loaded stay in memory (parsed once, not once per commit).
 *
 *     tree_expect(t1)                        what it expects holds
 *     tree_apply(t1), tree_apply(t2) ...     several transactions merged into one new root
 *     tree_write()                           new directory and value blobs, new root digest
 *     tree_accept() or tree_discard()        they are durable / they could not be stored
 */
#ifndef XYLEM_TREE_H
#define XYLEM_TREE_H

#include "blob.h"
#include "hdir.h"
#include "txn.h"

#define TREE_SYMLINKS_MAX 10 // links followed in one key; more is -ELOOP

struct tree;
typedef void (*tree_emit_fn)(void *arg, const struct digest *d, const struct blob *b);

/* root: digest of a stored dir or hdir object. */
struct tree *tree_new(enum digest_alg alg, const struct digest *root);
void tree_free(struct tree **t);

/* A link that names namespace `ns` is one into this tree.  Without it any link that names a
 * namespace leads elsewhere. */
void tree_set_namespace(struct tree *t, const char *ns);

/* Values longer than `bytes` (at least 1) are cut into several blobs.  Without it none is. */
void tree_set_blob_limit(struct tree *t, size_t bytes);

/* The form of directories that change.  Without it each keeps the one it has. */
void tree_set_form(struct tree *t, const struct hdir_form *form);

/* Apply all operations of txn, or none.
 *  0        applied (not yet written)
 *  1        nothing was changed; blobs are needed first, see tree_needs(); then call again
 * -errno    nothing was changed: -EISDIR append to a directory, -EOPNOTSUPP append to a symlink,
 *           -EPROTO a damaged directory, -ELOOP too many links, -EINVAL link into another namespace, or to what is no key, in
 *           the middle of a key, -ENAMETOOLONG a key longer than KEY_DEPTH_MAX names with its links
 *           followed; text names the key */
int tree_apply(struct tree *t, const struct txn *txn, struct err *err);

/* Does all that txn expects of keys hold now, as tree_apply() would find it?
 *  0        it does, or nothing is expected
 *  1        blobs are needed first, as above
 *  2        that shows when what was applied is written: tree_write(), then call again
 * -EAGAIN   it does not; text names the key; or another error of tree_apply() */
int tree_expect(struct tree *t, const struct txn *txn, struct err *err);
enum { TREE_EXPECT_UNWRITTEN = 2 };

/* Take these parts, which cannot be had, out of the wide directory at `key`, without following links;
 * *ret_entries is what they have held.  What is not there is fine.  Results as of tree_apply(). */
int tree_drop_parts(struct tree *t, const struct key *key, const struct digest *parts, size_t count,
                    uint64_t *ret_entries, struct err *err);

/* Digests of the directories the last tree_apply() missed; borrowed, valid until the next call. */
const struct digest *tree_needs(const struct tree *t, size_t *ret_count);

/* The key that one of them is needed for; borrowed, may be NULL. */
const char *tree_need_key(const struct tree *t, const struct digest *d);

/* Give one.  -EPROTO with text if it is not a directory object.  A blob nobody asked for is
 * ignored. */
int tree_provide(struct tree *t, const struct digest *d, const struct blob *b, struct err *err);

/* Encode what changed; emit() is called once per new blob (borrowed: blob_ref() to keep), values
 * first, then directories, children before parents.  *ret_root is the new root digest. */
void tree_write(struct tree *t, tree_emit_fn emit, void *arg, struct digest *ret_root);

/* The written root is durable: it is what tree_discard() falls back to from now on. */
void tree_accept(struct tree *t);

/* Go back to the last accepted root, forgetting all that came after. */
void tree_discard(struct tree *t);

/* Current written root. */
const struct digest *tree_root(const struct tree *t);

/* Drop loaded, unchanged directories, those not used for longest first, until about max_bytes are
 * held.  Drops nothing between tree_write() and tree_accept(). */
void tree_trim(struct tree *t, size_t max_bytes);
size_t tree_memory(const struct tree *t);

/* The blob and digest of the empty directory: the root of a new namespace. */
struct blob *tree_empty_dir(enum digest_alg alg, struct digest *ret);

#endif
