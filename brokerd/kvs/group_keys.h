/* SPDX-License-Identifier: MPL-2.0 */
/* group_keys.h - the keys that the commits of a group write, as JSON text {"a.b":null,...} for whoever
 * watches them (xylem-kvs(7), "Announcements").  Pure. */
#ifndef XYLEM_GROUP_KEYS_H
#define XYLEM_GROUP_KEYS_H

#include "buf.h"
#include "txn.h"

#define GROUP_KEYS_MAX 65536 // bytes of the text

/* All zeros: no keys. */
struct group_keys {
    struct buf text;    // without the end; empty: no keys
    struct buf scratch; // key text being made
    uint32_t *slots;    // owned: open addressing, where a key begins in `text`; 0 = free
    size_t capacity;    // slots; power of two, or 0
    size_t count;       // keys
    bool is_full;       // there were more than fit
};

void group_keys_fini(struct group_keys *g);

/* Those of the operations. */
void group_keys_add(struct group_keys *g, const struct txn *txn);

/* malloc()ed text of all since the last time, each once; NULL: it would be too long. */
char *group_keys_take(struct group_keys *g);

#endif
