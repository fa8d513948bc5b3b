/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_roots.h - the namespaces a rank knows and the newest root of each.  Pure.
 * Roots only move forward: an older sequence that arrives late changes nothing (I7).  Only a new run of
 * rank 0 (epoch) may begin at a lower one: it had nothing durable to continue from. */
#ifndef XYLEM_KVS_ROOTS_H
#define XYLEM_KVS_ROOTS_H

#include "store_db.h"

struct kvs_roots;

struct kvs_roots *kvs_roots_new(void);
void kvs_roots_free(struct kvs_roots **r);

/* Borrowed; NULL when the namespace is not known (yet). */
const struct store_root *kvs_roots_get(const struct kvs_roots *r, const char *name);

/* true: the namespace is new, or its root moved forward. */
bool kvs_roots_set(struct kvs_roots *r, const struct store_root *root);

/* Unknown names are fine. */
void kvs_roots_remove(struct kvs_roots *r, const char *name);

size_t kvs_roots_count(const struct kvs_roots *r);
const struct store_root *kvs_roots_at(const struct kvs_roots *r, size_t i); // borrowed

#endif
