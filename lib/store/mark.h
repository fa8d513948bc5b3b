/* SPDX-License-Identifier: MPL-2.0 */
/* mark.h - which rows of content.sqlite are reachable: from the roots of all namespaces and from the
 * checkpoints, through tree objects, to values.
 *
 * Goes on in steps of bounded work, and can be given new roots at any time: only what was not seen
 * yet is walked then.  Nothing here writes.  One thread.
 */
#ifndef XYLEM_MARK_H
#define XYLEM_MARK_H

#include "store_db.h"

struct mark;

struct mark *mark_new(enum digest_alg alg); // of the database
void mark_free(struct mark **m);

/* Read the roots and checkpoints as they are now, and have those walked that were not seen yet.
 * -errno of the database; then none of them is. */
int mark_add_roots(struct mark *m, struct store_db *db);
/* Mark a row that no root may reach, and if it is a tree object, have what it reaches marked as well.
 * What is found missing or damaged on this way is nobody's loss and not counted. */
void mark_add_row(struct mark *m, const struct store_db_row *row);
/* Mark what is reachable from a root that is none any more, likewise. */
void mark_add_pin(struct mark *m, const struct digest *root);
/* Roots and checkpoints that were there at the last reading. */
size_t mark_root_count(const struct mark *m);

/* Follow about max_objects references; a large tree object counts as several.
 * 1: there is more to do; 0: everything reachable is marked, but for what damaged tree objects hide;
 * -errno: the database cannot be read at the moment, nothing is lost, call again. */
int mark_step(struct mark *m, struct store_db *db, size_t max_objects);
bool mark_is_complete(const struct mark *m); // nothing is waiting to be walked

/* Is the row reachable, as far as is known? */
bool mark_has(const struct mark *m, int64_t id);

struct mark_stats {
    uint64_t trees;          // tree objects read
    uint64_t missing_values; // references to values that are not there
    uint64_t damaged;        // references to tree objects that are missing or damaged
    size_t memory;           // bytes held
};
void mark_stats(const struct mark *m, struct mark_stats *ret);

/* The first damaged tree object, for people: 0 there is none, or the -errno with which reading it
 * failed: -ENOENT missing, -EIO damaged, -EPROTO no tree object. */
int mark_first_damage(const struct mark *m, struct digest *ret);

#endif
