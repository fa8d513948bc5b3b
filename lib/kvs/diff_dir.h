/* SPDX-License-Identifier: MPL-2.0 */
/* diff_dir.h - two directories side by side: the entries that are not the same in both.
 *
 * Pull-style and pure:  while ((p = diff_dir_next(d))) load diff_part_digest(p);  give each, in any
 * order;  when all have come: diff_dir_finish(), then diff_dir_step() until it returns false.
 * Parts of wide directories that both have are never asked for.
 */
#ifndef XYLEM_DIFF_DIR_H
#define XYLEM_DIFF_DIR_H

#include "treeobj.h"

enum diff_side { DIFF_OLD, DIFF_NEW, DIFF_SIDES };

struct diff_dir;
struct diff_part; // a blob of one side

/* How a directory is stored. */
struct diff_form {
    bool is_there;    // else the rest tells nothing
    bool is_inline;   // in the directory above it, no blob of its own
    bool is_wide;     // an hdir
    uint64_t entries; // in it
};

/* Each a dirref or a dir, or NULL: not on that side.  References are taken. */
struct diff_dir *diff_dir_new(struct treeobj *const sides[DIFF_SIDES]);
void diff_dir_free(struct diff_dir **d); // NULL is fine

/* One more blob to load now (borrowed, as long as *d is there); NULL: none, until one is given or at all. */
struct diff_part *diff_dir_next(struct diff_dir *d);
bool diff_dir_has_next(const struct diff_dir *d);
const struct digest *diff_part_digest(const struct diff_part *p);

/* What was asked for has come.  -EPROTO with text when it, or *ret_bad, which has come before, is not what it
 * should be; *d is only good for freeing then. */
int diff_dir_give(struct diff_dir *d, struct diff_part *p, struct treeobj *obj,
                  struct digest *ret_bad, struct err *err);
bool diff_dir_is_complete(
    const struct diff_dir *d); // nothing is asked for, and nothing is left to ask

/* After the last one.  -EPROTO with text: a name is twice on *ret_side. */
int diff_dir_finish(struct diff_dir *d, enum diff_side *ret_side, struct err *err);

/* Is there a directory on that side, and nothing in it?  Has it entries that are looked at? */
bool diff_dir_is_empty(const struct diff_dir *d, enum diff_side side);
bool diff_dir_has_entries(const struct diff_dir *d, enum diff_side side);

/* When it has come. */
struct diff_form diff_dir_form(const struct diff_dir *d, enum diff_side side);

/* Is it a directory: what has entries below it?  entry: not NULL. */
bool diff_is_dir(const struct treeobj *entry);

/* The next entry that is not the same on both sides, borrowed; NULL where it is not there.  Both are
 * directories, or none is.  In the order of paths: a directory "a" is where "a/" belongs.  (Directories that
 * are not stored in the same way may still hold the same.)  false at the end. */
bool diff_dir_step(struct diff_dir *d, const char **ret_name, struct treeobj *ret[DIFF_SIDES]);

#endif
