/* SPDX-License-Identifier: MPL-2.0 */
/* dircache.h - directories parsed lately, by digest: a look-up parses each one once.  Pure. */
#ifndef XYLEM_DIRCACHE_H
#define XYLEM_DIRCACHE_H

#include "digest.h"
#include "treeobj.h"

struct dircache;

/* Least recently used directories go above max_bytes (estimated by treeobj_memory). */
struct dircache *dircache_new(size_t max_bytes);
void dircache_free(struct dircache **c);

/* Borrowed; NULL when absent. */
const struct treeobj *dircache_get(struct dircache *c, const struct digest *d);
/* Takes a reference of its own.  A digest that is there already is fine. */
void dircache_put(struct dircache *c, const struct digest *d, const struct treeobj *dir);

size_t dircache_memory(const struct dircache *c);

#endif
