/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_versions.h - the recent roots of every namespace, oldest first: what watches go through one by one,
 * and what a rank that was cut off is told afterwards (xylem-kvs(7), "Versions").  Pure.
 *
 * Bounded over all namespaces together: the oldest version of any is forgotten first.  The newest of a
 * namespace is never forgotten. */
#ifndef XYLEM_KVS_VERSIONS_H
#define XYLEM_KVS_VERSIONS_H

#include "keyset.h"
#include "list.h"
#include "store_db.h"

struct kvs_version {
    struct list node; // on the namespace's list
    struct list age;  // on the list of those to be forgotten, or on none
    struct store_root root;
    double time;         // seconds since 1970; 0 = not known
    struct keyset *keys; // owned; NULL = not known which were named
    bool follows;        // there was one with its sequence minus one, and no other between them
};

/* A place in the history of a namespace. */
struct kvs_place {
    int64_t epoch;
    int64_t sequence;
};

struct kvs_versions;

struct kvs_versions *kvs_versions_new(size_t max_count, size_t max_bytes);
void kvs_versions_free(struct kvs_versions **v);

/* Append.  *keys is consumed (may hold NULL).  follows: see above; false for the first one.
 * The root must be newer than the newest (asserted): see kvs_versions_is_news(). */
const struct kvs_version *kvs_versions_add(struct kvs_versions *v, const struct store_root *root,
                                           double time, struct keyset **keys, bool follows);
/* Forget those of which keep() is false, but for the newest of each namespace. */
void kvs_versions_keep(struct kvs_versions *v,
                       bool (*keep)(void *arg, const struct kvs_version *version), void *arg);
void kvs_versions_drop(struct kvs_versions *v, const char *ns);

/* Newer than all there are of its namespace? */
bool kvs_versions_is_news(const struct kvs_versions *v, const struct store_root *root);

/* Borrowed, until the next add or drop.  NULL: none. */
const struct kvs_version *kvs_versions_newest(const struct kvs_versions *v, const char *ns);
const struct kvs_version *kvs_versions_oldest(const struct kvs_versions *v, const char *ns);
const struct kvs_version *kvs_versions_next(const struct kvs_versions *v,
                                            const struct kvs_version *after);
/* The oldest that is newer than `place`. */
const struct kvs_version *kvs_versions_after(const struct kvs_versions *v, const char *ns,
                                             const struct kvs_place *place);
/* The one with that sequence; the newest if several epochs have one. */
const struct kvs_version *kvs_versions_find(const struct kvs_versions *v, const char *ns,
                                            int64_t sequence);

size_t kvs_versions_count(const struct kvs_versions *v);
size_t kvs_versions_memory(const struct kvs_versions *v); // bytes

#endif
