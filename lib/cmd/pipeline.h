/* SPDX-License-Identifier: MPL-2.0 */
/* pipeline.h - many asynchronous requests in flight, their answers taken in the order asked. */
#ifndef XYLEM_PIPELINE_H
#define XYLEM_PIPELINE_H

#include "base.h"
#include "xylem.h"

#define PIPELINE_WINDOW 64 // requests in flight

struct pipeline_slot {
    bool done;
    int rc;     // 0 or -errno
    char *what; // owned; what it was about, for error texts; may be NULL
    char *data; // owned; the answer
    size_t size;
    char error[XYLEM_ERROR_MAX]; // rc != 0: why
};

/* Called for each answer in order.  0, or what pipeline_... shall return: it ends there. */
typedef int (*pipeline_fn)(void *arg, const struct pipeline_slot *slot);

struct pipeline {
    xylem_t *x; // borrowed
    pipeline_fn fn;
    void *arg;    // borrowed, for fn
    size_t first; // oldest slot in use
    size_t count; // slots in use
    struct pipeline_slot slots[PIPELINE_WINDOW];
};

/* On the heap: slots are arguments of completions.  x must be closed before it is freed. */
struct pipeline *pipeline_new(xylem_t *x, pipeline_fn fn, void *arg);
void pipeline_free(struct pipeline **p);

/* Wait until there is room.  0 and *ret_slot: pass it, with pipeline_complete, to a function of
 * xylem.h; if that fails call pipeline_undo().  Else what fn returned, or -errno of the
 * connection. */
int pipeline_begin(struct pipeline *p, const char *what, struct pipeline_slot **ret_slot);
void pipeline_undo(struct pipeline *p);
void pipeline_complete(void *arg, const struct xylem_reply *reply); // a xylem_fn; arg: the slot

/* Take answers until at most `keep` requests are in flight / none is.  As pipeline_begin(). */
int pipeline_drain(struct pipeline *p, size_t keep);
int pipeline_finish(struct pipeline *p);

#endif
