/* SPDX-License-Identifier: MPL-2.0 */
/* bench_tests.h - the tests of xylem-bench: a table, and how one is run. */
#ifndef XYLEM_BENCH_TESTS_H
#define XYLEM_BENCH_TESTS_H

#include "bench_data.h"
#include "bench_run.h"
#include "xerr.h"

/* One test in the course of being run.  The first block is what the user asked for. */
struct bench {
    uint64_t n;                   // operations
    size_t size;                  // bytes of a blob or value
    size_t window;                // requests in flight for each client
    struct bench_client *clients; // borrowed
    size_t client_count;          // >= 1
    xylem_t *from;                // borrowed; where blobs to be loaded are stored
    uint64_t entries;             // of the directory of put-dir

    struct bench_data data; // what the test stores and asks for
};

struct bench_test {
    const char *name;
    size_t size;                                      // bytes unless the user says how many
    uint64_t (*count)(const struct bench *b);         // blobs or keys it works with
    int (*prepare)(struct bench *b, struct err *err); // before the clock; may be NULL
    int (*send)(void *bench, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg);
    bool (*take)(void *bench, uint64_t i, const struct xylem_reply *reply); // may be NULL
    int (*clean)(struct bench *b, struct err *err); // afterwards; may be NULL
    bool is_extra;                                  // not one of "all"
};

/* All of them, in the order in which they are run by default. */
extern const struct bench_test bench_tests[];
extern const size_t bench_tests_count;

/* NULL: there is none of this name (`size` bytes, not terminated). */
const struct bench_test *bench_tests_find(const char *name, size_t size);

/* Prepare, measure, clean up.  0 and the result, in which operations may have failed; or -errno: it
 * was not possible to prepare, or to clean up. */
int bench_tests_run(const struct bench_test *test, struct bench *b, struct bench_outcome *ret,
                    struct err *err);

#endif
