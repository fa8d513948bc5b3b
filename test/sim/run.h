/* SPDX-License-Identifier: MPL-2.0 */
/* run.h - one run of a scenario: a tree boots, is troubled, and heals.  All of it follows from the seed. */
#ifndef XYLEM_SIM_RUN_H
#define XYLEM_SIM_RUN_H

#include "base.h"

#define RUN_RANKS_MAX 4096

struct run_conf {
    uint64_t seed;
    const char *scenario;
    uint32_t ranks; // 0: by chance, from 2 to 24
    bool verbose;
};

struct run_result {
    const char *complaint; // NULL: all was well; valid until the next run
    uint64_t digest;
    uint64_t steps;
    int64_t healed_ms;  // after the last fault
    int64_t slowest_ms; // of the requests that had to succeed
    int64_t virtual_ms;
    uint64_t asked, failed; // requests
    uint64_t faults;        // done
};

void run_once(const struct run_conf *conf, struct run_result *ret);

/* The scenarios; NULL ends them. */
const char *run_scenario(size_t i);
bool run_knows(const char *scenario);

#endif
