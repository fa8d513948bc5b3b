/* SPDX-License-Identifier: MPL-2.0 */
/* fake_depot.h - a depot in memory: stores and loads go to a memstore and complete in seeded random
 * order. */
#ifndef XYLEM_TEST_FAKE_DEPOT_H
#define XYLEM_TEST_FAKE_DEPOT_H

#include "depot.h"
#include "memstore.h"

struct fake_call;

struct fake_depot {
    struct depot base;
    struct memstore store;
    unsigned seed;           // of the order of completions
    struct fake_call *calls; // owned array of calls not completed yet
    size_t count, capacity;  // of calls
    size_t most;             // highest count seen
    size_t stores, loads;    // asked for so far
    size_t fail_store;       // the store of this number (1 = first) fails with -ENOSPC; 0 = none
    bool is_lost;            // the rank has gone away: dispatch fails
};

void fake_depot_init(struct fake_depot *f, unsigned seed);
void fake_depot_fini(struct fake_depot *f);

#endif
