/* SPDX-License-Identifier: MPL-2.0 */
/* pmi_client.h - a process's side of PMI-1: one question, one answer.
 *
 * Every call waits for its answer, until the time is over, or until a signal is to be served: then it
 * fails, and so does every later call.  Not thread-safe; may be handed from one thread to another. */
#ifndef XYLEM_PMI_CLIENT_H
#define XYLEM_PMI_CLIENT_H

#include "base.h"
#include "xerr.h"

struct pmi_client;

/* How to reach the process manager.  -errno with text when it is not what it should be. */
struct pmi_fds {
    int in;  // to be read
    int out; // to be written; may be the same
};
/* $PMI_FD. */
int pmi_fds_from_environment(struct pmi_fds *ret, struct err *err);
/* Standard input and output are taken for it, and replaced: what is printed goes to standard error. */
int pmi_fds_from_stdio(struct pmi_fds *ret, struct err *err);

/* Open the conversation.  fds are taken in any case.  stop: readable when a signal has come (-1: none);
 * timeout_ms: for each answer.  Errors, here and below, all with text: -ETIMEDOUT, -EPIPE the other side
 * is gone, -EPROTO what it says is not PMI-1, -EINTR stop, -EREMOTEIO it refuses. */
int pmi_client_new(struct pmi_client **ret, const struct pmi_fds *fds, int stop, int64_t timeout_ms,
                   struct err *err);
void pmi_client_free(struct pmi_client **c);

/* Name of the job: the same in all its processes. */
const char *pmi_client_job(const struct pmi_client *c);

/* Also -EMSGSIZE, -EINVAL: key or value are not what the process manager takes. */
int pmi_client_put(struct pmi_client *c, const char *key, const char *value, struct err *err);

/* *ret: the caller's to free().  Also -ENOENT: there is no such key. */
int pmi_client_get(struct pmi_client *c, const char *key, char **ret, struct err *err);

/* Until all processes have begun it.  To be waited for in pieces: -EAGAIN (without text) when it was not
 * over within ms. */
int pmi_client_barrier_begin(struct pmi_client *c, struct err *err);
int pmi_client_barrier_wait(struct pmi_client *c, int64_t ms, struct err *err);

/* This process ends in order.  One that ends without it ends the whole job. */
int pmi_client_finalize(struct pmi_client *c, struct err *err);

/* Between calls: becomes readable when the other side has gone. */
int pmi_client_fd(const struct pmi_client *c);
/* To be called then: has it?  What it says unasked is dropped. */
bool pmi_client_is_gone(struct pmi_client *c);

#endif
