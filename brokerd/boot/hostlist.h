/* SPDX-License-Identifier: MPL-2.0 */
/* hostlist.h - names of many hosts in few words: "node[0-127,130],login", as Slurm and Flux write them.
 * Pure. */
#ifndef XYLEM_HOSTLIST_H
#define XYLEM_HOSTLIST_H

#include "base.h"
#include "xerr.h"

#define HOSTLIST_NAME_MAX 253 // bytes of a name

struct hostlist {
    char **names; // owned array of owned strings
    size_t count;
};

#define HOSTLIST_INIT \
    { \
        NULL, 0 \
    }

/* Append what `text` names: names with commas between them.  In a name one pair of brackets may hold
 * numbers and ranges; zeros in front are kept: "n[08-10]" is n08, n09, n10.  -EINVAL with text, -E2BIG:
 * more than max in all. */
int hostlist_add(struct hostlist *l, const char *text, size_t max, struct err *err);

void hostlist_fini(struct hostlist *l);

static inline void
hostlist_auto(struct hostlist *l)
{
    hostlist_fini(l);
}

/* Which of them is this host?  Its name as a whole, or else the part before the first dot, must be the
 * same; letters of either case.  -ENOENT: none; -EEXIST: more than one. */
int hostlist_find(const struct hostlist *l, const char *host, size_t *ret_index);

#endif
