/* SPDX-License-Identifier: MPL-2.0 */
/* bench_run.h - do an operation n times, some in flight at a time, and measure.
 *
 * The operations are numbered; each client, a thread with a handle of its own, does a range of
 * them.  What they are is the job's business. */
#ifndef XYLEM_BENCH_RUN_H
#define XYLEM_BENCH_RUN_H

#include "base.h"
#include "hist.h"
#include "xylem.h"

struct bench_client {
    xylem_t *x;    // owned; used by one thread at a time
    uint8_t *blob; // owned; what it stores next: the job's scratch
};

struct bench_job {
    /* Ask for operation i with one call of xylem.h, whose result is returned. */
    int (*send)(void *arg, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg);
    /* Is this, whose rc is 0, the answer to operation i?  May be NULL: it is. */
    bool (*take)(void *arg, uint64_t i, const struct xylem_reply *reply);
    void *arg;     // borrowed; of both, from several threads at a time
    uint64_t n;    // operations, of all clients together
    size_t window; // in flight for each client; >= 1
};

struct bench_outcome {
    uint64_t done;               // operations that went well; done + failed == n
    uint64_t failed;             // operations that did not
    char error[XYLEM_ERROR_MAX]; // of one that failed: why; "" if there is none
    double seconds;              // from the first request to the last answer
    struct hist latency;         // of those that went well, from request to answer
};

/* Run a job with `count` clients, each with an open handle without pending requests. */
void bench_run(const struct bench_job *job, struct bench_client *clients, size_t count,
               struct bench_outcome *ret);

#endif
