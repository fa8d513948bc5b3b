/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_tail.h - the newest rows of content.sqlite, which its index does not have yet: a table
 * in memory that follows the transactions of the file. */
#ifndef XYLEM_STORE_DB_TAIL_H
#define XYLEM_STORE_DB_TAIL_H

#include "digest.h"
#include "map.h"

/* Of the key space; the first byte of a digest tells the partition. */
#define TAIL_PARTS 256

enum tail_state {
    TAIL_NEW,     // put in this transaction
    TAIL_DEAD,    // put and removed in this transaction
    TAIL_WAITING, // in the file, waits for its partition to be merged
    TAIL_MERGED,  // put into the index in this transaction
    TAIL_REMOVED, // removed in this transaction
};

struct tail_row {
    struct digest digest;
    int64_t id; // of the row
    enum tail_state state;
};

struct tail_rows {
    struct tail_row **rows; // owned array
    size_t count;           // in use
    size_t capacity;        // allocated
};

struct tail {
    struct map map;                     // NEW, WAITING and MERGED rows by digest
    struct tail_rows parts[TAIL_PARTS]; // WAITING, MERGED and REMOVED rows; owned
    struct tail_rows changed;           // rows with a state of this transaction; owns NEW and DEAD
};

void tail_init(struct tail *t);
void tail_fini(struct tail *t);
/* Forget all rows.  Not inside a transaction. */
void tail_clear(struct tail *t);

/* NULL when it is not there. */
struct tail_row *tail_get(const struct tail *t, const struct digest *d);
/* d must not be there yet. */
void tail_add(struct tail *t, const struct digest *d, int64_t id);
void tail_remove(struct tail *t, struct tail_row *row);
/* The rows of a partition that are to be put into the index, by digest; they count as merged.
 * *ret: borrowed until the next call of any function. */
size_t tail_merge(struct tail *t, size_t part, struct tail_row *const **ret);

/* What became of the transaction. */
void tail_commit(struct tail *t);
void tail_rollback(struct tail *t);

#endif
