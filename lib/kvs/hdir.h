/* SPDX-License-Identifier: MPL-2.0 */
/* hdir.h - the form of a wide directory: a trie of small ones (normative: xylem-kvs(7), "Wide
 * directories").
 *
 * The form depends on the names alone, so the same entries are the same blobs, however they came
 * about: a directory of at most `max` entries is a dir.  A larger one is an hdir, and an entry is in
 * the slot that the hash of its name says: its first four bits at level 0, the next four at level 1
 * and so on.  What is below an hdir is a dir if it has at most `bucket` entries, or if no bits of the
 * hash are left.
 */
#ifndef XYLEM_HDIR_H
#define XYLEM_HDIR_H

#include "blob.h"
#include "treeobj.h"

#define HDIR_MAXDIRENT 1024 // entries of a dir, unless it is said otherwise
#define HDIR_BUCKET 256     // entries of a dir below an hdir
#define HDIR_LEVELS 16      // hdirs below one another; each takes four of 64 bits
#define HDIR_AS_FOUND 0     // as `max`: what is there keeps its form, what is new is a dir

typedef uint64_t (*hdir_hash_fn)(enum digest_alg alg, const char *name);

struct hdir_form {
    enum digest_alg alg; // of the instance
    uint64_t max;        // entries of a dir; UINT64_MAX: never an hdir
    uint64_t bucket;     // entries of a dir below an hdir
    hdir_hash_fn hash;   // of names
};

/* maxdirent 0: never an hdir. */
struct hdir_form hdir_form(enum digest_alg alg, uint64_t maxdirent);

/* The first eight bytes of the digest of the name. */
uint64_t hdir_hash(enum digest_alg alg, const char *name);
unsigned hdir_slot(uint64_t hash, unsigned level);
/* The bits that all names in that slot begin with, from those of the hdir, and whether these do. */
uint64_t hdir_extend(uint64_t prefix, unsigned level, unsigned slot);
bool hdir_has_prefix(uint64_t hash, uint64_t prefix, unsigned level);

/* Entries of a dir at this level; level 0 is the directory itself. */
uint64_t hdir_limit(const struct hdir_form *form, unsigned level);

/* Entries of a directory that is a dir or an hdir. */
uint64_t hdir_entries(const struct treeobj *dir);

/* Does `child`, which an hdir refers to, have that many entries?  -EPROTO with text. */
int hdir_check_count(uint64_t entries, const struct treeobj *child, struct err *err);

/* Is `child` all that a part of that many entries must be?  level, prefix: of the part.  -EPROTO with
 * text. */
int hdir_check_part(const struct hdir_form *form, uint64_t entries, const struct treeobj *child,
                    unsigned level, uint64_t prefix, struct err *err);

/* A directory as encoded entries, sorted by name. */
struct hdir_entry {
    const char *name; // borrowed
    const char *text; // borrowed: its name and object, as in a dir
    size_t size;      // bytes of text
};

/* One blob, children before parents; a negative return ends hdir_write() with it. */
typedef int (*hdir_emit_fn)(void *arg, const void *data, size_t size);

/* Encode a directory in its form.  0 and the digest of the last blob, or what emit() returned. */
int hdir_write(const struct hdir_form *form, const struct hdir_entry *entries, size_t count,
               hdir_emit_fn emit, void *arg, struct digest *ret);

#endif
