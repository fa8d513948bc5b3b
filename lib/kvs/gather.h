/* SPDX-License-Identifier: MPL-2.0 */
/* gather.h - the blobs of a wide directory back into one dir object.
 *
 * Pull-style and pure:  while ((d = gather_next(g))) load d;  give or skip each, in any order;
 * when nothing is left to load: gather_finish().
 */
#ifndef XYLEM_GATHER_H
#define XYLEM_GATHER_H

#include "hdir.h"

struct gather;

/* -EPROTO with text. */
int gather_new(const struct treeobj *hdir, struct gather **ret, struct err *err);
void gather_free(struct gather **g); // NULL is fine

/* One more blob to load now (borrowed until it is given); NULL: none, until one is given or at all. */
const struct digest *gather_next(struct gather *g);
bool gather_has_next(const struct gather *g);

/* Entries below what was asked for. */
uint64_t gather_entries(const struct gather *g, const struct digest *d);

/* What was asked for has come.  -EPROTO with text when it is not what the hdir says; it counts as
 * skipped then. */
int gather_give(struct gather *g, const struct digest *d, const struct treeobj *obj,
                struct err *err);
/* It cannot be had.  Returns how many entries are lost with it. */
uint64_t gather_skip(struct gather *g, const struct digest *d);

bool gather_is_complete(const struct gather *g); // nothing is asked for, and nothing is left to ask

/* The dir, sorted, of what was given.  -EPROTO with text: a name is there twice. */
int gather_finish(struct gather *g, struct treeobj **ret, struct err *err);

static inline void
gather_auto(struct gather **g)
{
    gather_free(g);
}

#endif
