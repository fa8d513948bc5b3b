/* SPDX-License-Identifier: MPL-2.0 */
/* fake_handle.h - a xylem_t without a rank: stores and loads go to a memstore and complete in
 * seeded random order.  Linked into a test, its functions take the place of libxylem's. */
#ifndef XYLEM_TEST_FAKE_HANDLE_H
#define XYLEM_TEST_FAKE_HANDLE_H

#include "memstore.h"
#include "xylem.h"

struct fake_call;

struct xylem {
    struct memstore store;
    unsigned seed;           // of the order of completions
    struct fake_call *calls; // owned array of calls not completed yet
    size_t count, capacity;  // of calls
    size_t most;             // highest count seen
    size_t stores, loads;    // asked for so far
    size_t fail_store;       // the store of this number (1 = first) fails with -ENOSPC; 0 = none
    bool is_lost;            // the rank has gone away: dispatch fails
    int last_flags;          // of the last store or load
};

void fake_handle_init(xylem_t *x, unsigned seed);
void fake_handle_fini(xylem_t *x);

#endif
