/* SPDX-License-Identifier: MPL-2.0 */
/* lookup_join.h - gather the blobs of a valref and join them to one value. */
#ifndef XYLEM_LOOKUP_JOIN_H
#define XYLEM_LOOKUP_JOIN_H

#include "blob.h"
#include "treeobj.h"

/* Bytes of a joined value: joining and encoding it is one piece of work, in which a rank must not be silent for
 * so long that others believe it lost.  Longer values come in pieces. */
#define LOOKUP_VALUE_MAX ((size_t)256 << 20)

struct lookup_join;

struct lookup_join *lookup_join_new(const struct treeobj *valref);
void lookup_join_free(struct lookup_join **j); // NULL is fine

/* The different blobs of the value, each once; borrowed, the same until the end. */
const struct digest *lookup_join_wanted(const struct lookup_join *j, size_t *ret_count);

/* A blob nobody asked for, or that is there already, is ignored. */
void lookup_join_give(struct lookup_join *j, const struct digest *d, const struct blob *b);
bool lookup_join_is_complete(const struct lookup_join *j);

/* When complete: the val (new reference).  -EOVERFLOW above LOOKUP_VALUE_MAX, -ENOMEM; text. */
int lookup_join_value(const struct lookup_join *j, struct treeobj **ret, struct err *err);

#endif
