/* SPDX-License-Identifier: MPL-2.0 */
/* job.h - what a launcher gives to the processes it has started: a rank, a size, and a place where each
 * publishes one value and reads those of others.  job_pmi.c speaks PMI-1, job_pmix.c calls libpmix. */
#ifndef XYLEM_JOB_H
#define XYLEM_JOB_H

#include "base.h"
#include "xerr.h"

/* Every call may wait, and fails with text: -EINTR a signal has come, -ETIMEDOUT, -EPIPE the launcher is
 * gone, others. */
struct job_ops {
    int (*publish)(void *arg, const char *value, struct err *err);
    /* *ret: the caller's to free().  -ENOENT: that rank has published nothing. */
    int (*lookup)(void *arg, uint32_t rank, char **ret, struct err *err);
    /* Until all have published.  wait(): -EAGAIN without text when it was not over within ms. */
    int (*fence_begin)(void *arg, struct err *err);
    int (*fence_wait)(void *arg, int64_t ms, struct err *err);
    /* Does it share our host?  false also when it is not known. */
    bool (*is_near)(void *arg, uint32_t rank);
    /* Facts of the launcher's, and facts for it.  NULL: it knows none. */
    int (*ask)(void *arg, const char *key, char **ret, struct err *err);
    int (*tell)(void *arg, const char *key, const char *value, struct err *err);
    /* The end: this process leaves in order, or all of the job is to end. */
    int (*finalize)(void *arg, struct err *err);
    void (*abort)(void *arg);
    /* Becomes readable when the launcher is gone, perhaps; -1: that is not noticed. */
    int (*fd)(void *arg);
    bool (*is_gone)(void *arg);
    void (*free)(void *arg);
};

struct job {
    const struct job_ops *ops;
    void *arg; // owned, freed with ops->free
    uint32_t rank;
    uint32_t size;
    bool knows_nodes; // is_near() means what it says
    bool is_one_host; // all ranks share one
    char *name;       // owned; the same on all ranks
};

/* What is known before. */
struct job_conf {
    long rank; // -1: the launcher tells
    long size; // likewise
    bool use_stdio;
    int stop;           // readable: give up; -1: none
    int64_t timeout_ms; // for answers, and for the fence
};

/* -errno with text. */
int job_open_pmi(struct job *ret, const struct job_conf *conf, struct err *err);
int job_open_pmix(struct job *ret, const struct job_conf *conf, struct err *err);

/* Without a call of finalize() the launcher takes it for a failure. */
void job_close(struct job *j);

#endif
