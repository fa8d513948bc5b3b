/* SPDX-License-Identifier: MPL-2.0 */
/* latency.h - how long requests take, from their arrival to their last answer, by what they are.  Pure. */
#ifndef XYLEM_LATENCY_H
#define XYLEM_LATENCY_H

#include "metric.h"
#include "msg.h"

/* The histogram a topic belongs to.  waited: it was not answered from memory at once.  METRIC_COUNT:
 * none, because it waits for an event, however long that takes. */
enum metric latency_class(const char *topic, bool waited);

/* A request has had its only answer, `us` after it came.  Streams are not counted, nor is what wants no
 * answer. */
void latency_observe(struct metrics *m, const struct msg *request, bool waited, int64_t us);

#endif
