/* SPDX-License-Identifier: MPL-2.0 */
/* commit_ids.h - rank 0's memory of recent commits by id, so that one that is sent again is
 * answered, not applied twice (xylem-kvs(7), "Ids").  Pure. */
#ifndef XYLEM_COMMIT_IDS_H
#define XYLEM_COMMIT_IDS_H

#include "request.h"
#include "store_db.h"

#define COMMIT_IDS_NAME_MAX (STORE_COMMIT_ID_MAX - 1) // characters of an id

struct commit_ids;
struct commit_id;

struct commit_ids *commit_ids_new(void);
void commit_ids_free(struct commit_ids **c);

/* What came of the commit with that id; NULL: it is not known, or not finished.  Borrowed. */
const struct store_root *commit_ids_find(const struct commit_ids *c, const char *id);

/* The record of that id: the one there is, or a new one.  "" or an overlong id is always new, and
 * forgotten when it is finished. */
struct commit_id *commit_ids_get(struct commit_ids *c, const char *id);

const char *commit_ids_name(const struct commit_id *id); // "": it has none
bool commit_ids_is_finished(const struct commit_id *id);
/* Of a finished one; borrowed. */
const struct store_root *commit_ids_result(const struct commit_id *id);

/* Keep a request (moved out of *req) to be answered.  true: the commit is being applied already;
 * false: this is the first, apply it. */
bool commit_ids_add_waiter(struct commit_id *id, struct request *req);
/* The payload of the first request; borrowed. */
const struct blob *commit_ids_payload(const struct commit_id *id);
/* Take the waiters, first come first; NULL when there are no more. */
struct request *commit_ids_next_waiter(struct commit_id *id);

/* One of an earlier run, which has succeeded.  The epoch of its root is 0, or -1 if the
 * namespace was removed since. */
void commit_ids_add_recorded(struct commit_ids *c, const struct store_commit *commit);

/* May a client or a rank name a commit so?  1 to COMMIT_IDS_NAME_MAX letters, digits, - and _ */
bool commit_ids_is_name(const char *name);

/* Record the result; the oldest finished ones are forgotten.  root NULL: it has failed, so nothing was applied;
 * it is forgotten, and tried anew when it is sent again: there may be room on the disk then. */
void commit_ids_finish(struct commit_ids *c, struct commit_id *id, const struct store_root *root);

#endif
