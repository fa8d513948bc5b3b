/* SPDX-License-Identifier: MPL-2.0 */
/* notify.h - tell the rank how far a long job has come (--sd-notify), so that it can tell systemd
 * to be patient.  A rank without that service is no error. */
#ifndef XYLEM_NOTIFY_H
#define XYLEM_NOTIFY_H

#include "xylem.h"

#include <stdbool.h>

struct notify {
    xylem_t *x;      // borrowed
    bool is_out;     // a message has not been answered yet
    int64_t sent_ms; // when the last one was sent, monotonic; 0 = never
};

/* Sends at most one message a second, and none while one is unanswered.  *n must live as long as
 * the handle. */
void notify_progress(struct notify *n, const char *program, const char *verb, uint64_t count,
                     int64_t now_ms);

#endif
