/* SPDX-License-Identifier: MPL-2.0 */
/* stop_gc.h - garbage collection as the last thing rank 0 does (xylem shutdown --gc). */
#ifndef XYLEM_STOP_GC_H
#define XYLEM_STOP_GC_H

#include "content.h"

struct stop_gc;

/* Queue it behind everything this rank has been given to store; store_stop() sees it through.  The
 * outcome is logged.  All borrowed, until the store has stopped and content is cancelled. */
struct stop_gc *stop_gc_start(enum digest_alg alg, struct content *content, struct store *store);
/* After that.  NULL is fine. */
void stop_gc_free(struct stop_gc **g);

#endif
