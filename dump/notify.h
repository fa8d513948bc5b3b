/* SPDX-License-Identifier: MPL-2.0 */
/* notify.h - tell the service manager how far a long job has come (--sd-notify), so that it is patient: through
 * a rank, or, when there is none, at the socket in $NOTIFY_SOCKET.  A rank or a service manager that does not
 * want to know is no error.
 *
 * The connection to the rank is one of its own: nobody has to wait, or to be in the middle of something, for an
 * answer to come in.
 */
#ifndef XYLEM_NOTIFY_H
#define XYLEM_NOTIFY_H

#include "xylem.h"

#include <stdbool.h>

struct notify {
    xylem_t *x;      // owned; NULL: there is no rank
    bool is_out;     // a message has not been answered yet
    int64_t sent_ms; // when the last one was sent, monotonic; 0 = never
};

/* Through this rank from now on; uri as for xylem_open().  *n must stay where it is until notify_last(). */
void notify_open(struct notify *n, const char *uri);

/* Is it time for another message?  One a second is enough, and none is sent while one is unanswered. */
bool notify_is_due(struct notify *n, int64_t now_ms);

/* status: text without quotes, backslashes and control characters. */
void notify_status(struct notify *n, const char *status, int64_t now_ms);

/* The last one: returns when the rank has it. */
void notify_last(struct notify *n, const char *status);

#endif
