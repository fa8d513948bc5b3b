/* SPDX-License-Identifier: MPL-2.0 */
/* build.h - make a KVS tree out of names that arrive in any order.
 *
 * Pure: names and tree objects go in, encoded directories and the root digest come out.
 *
 * Paths inside are names joined by BUILD_SEPARATOR, which no name can contain and which sorts
 * before all that names can contain: sorted paths are the tree in order, children behind parents.
 */
#ifndef XYLEM_BUILD_H
#define XYLEM_BUILD_H

#include "exact.h"
#include "hdir.h"
#include "key.h"
#include "treeobj.h"

#define BUILD_SEPARATOR '\x01'

struct build;

/* What build_finish() tells on its way. */
struct build_ops {
    /* One encoded directory, or one part of a wide one, the last of which is the directory itself;
     * children come before parents, the root ("") last.  A negative return ends build_finish() with
     * it. */
    int (*emit)(void *arg, const char *path, const void *data, size_t size);
    /* A hard link whose target is not in the tree is left out. */
    void (*skip)(void *arg, const char *path, const char *target);
    /* May be NULL.  After that, the directory as one dir object, also a wide one. */
    int (*whole)(void *arg, const char *path, const void *data, size_t size);
};

struct build_result {
    struct digest root; // of the new root directory
    uint64_t keys;      // values and symlinks in the tree
    uint64_t bytes;     // of all values
};

struct build *build_new(enum digest_alg alg);
/* With the form of directories that this many entries in one blob make; 0: none is a wide one. */
struct build *build_new_laid_out(enum digest_alg alg, uint64_t maxdirent);
void build_free(struct build **b);

/* The form of directories.  Without it none is a wide one. */
void build_set_form(struct build *b, const struct hdir_form *form);

/* Reserve a place for a value or symlink; returns its number.  The object follows with
 * build_set(); a place without one is left out.  Of equal keys the last one wins. */
size_t build_add(struct build *b, const struct key *key);
void build_set(struct build *b, size_t place, struct treeobj **obj, uint64_t size);

/* A directory that is to exist even if nothing is in it.  The root always does. */
void build_add_dir(struct build *b, const struct key *key);

/* How a directory is stored, if it exists; AS_LAID_OUT: as if nothing had been said. */
void build_set_dir_form(struct build *b, const struct key *key, enum exact_form form);

/* What was added before is no more: a value or link; or (is_dir) a directory for which nothing speaks but
 * build_add_dir(). */
void build_add_removed(struct build *b, const struct key *key, bool is_dir);

/* The same content as `target`, which may be added later. */
void build_add_hardlink(struct build *b, const struct key *key, const struct key *target);

/* All that is added from now on is a base: older than all that was added before.  No place may be set any
 * more. */
void build_start_base(struct build *b);

/* Part of the base as it is: a value, a link, or a directory with all that is in it if there are no notes at or
 * below it.  Not counted in the result.  Consumes *obj. */
void build_add_base(struct build *b, const struct key *key, struct treeobj **obj);

/* Was anything said, before the base was started, of this key, and of keys below it? */
enum build_where { BUILD_NOWHERE = 0, BUILD_AT = 1, BUILD_BELOW = 2, BUILD_BOTH = 3 };
enum build_where build_find_notes(const struct build *b, const struct key *key);

/* Bytes that the notes hold, about. */
size_t build_memory(const struct build *b);

/* Bytes of the largest entry that a value or link noted is in its directory, at most. */
size_t build_largest_entry(const struct build *b);

/* Is what was noted only about itself?  Hard links and forms of directories are about other notes. */
bool build_is_plain(const struct build *b);

/* Make the tree.  Once.  -EEXIST with text naming both: a key is a value and also has keys below
 * it.  Else what emit() returned. */
int build_finish(struct build *b, const struct build_ops *ops, void *arg, struct build_result *ret,
                 struct err *err);

/* A path as given to the ops -> key text, appended. */
void build_format_key(const char *path, struct buf *out);

#endif
