/* SPDX-License-Identifier: MPL-2.0 */
/* eventlog_text.h - events for people.
 *
 *     raw     {"timestamp":42.0,"name":"start","context":{"rank":3}}     as stored
 *     plain   42.000000 start rank=3
 *     human   [Nov21 18:30] start rank=3       the first event of a minute, local time
 *             [  +1.250000] stop               seconds after that
 */
#ifndef XYLEM_EVENTLOG_TEXT_H
#define XYLEM_EVENTLOG_TEXT_H

#include "eventlog.h"

#include <time.h>

enum eventlog_form { EVENTLOG_RAW, EVENTLOG_PLAIN, EVENTLOG_HUMAN };

struct eventlog_style {
    enum eventlog_form form;
    bool color; // escape sequences of terminals; not for EVENTLOG_RAW
    /* its own, of EVENTLOG_HUMAN */
    struct tm minute; // of the event that was printed with the date last
    double since;     // its timestamp
};

/* Append the event and a newline.  What a terminal could take for something else becomes '?', but in
 * the raw form. */
void eventlog_format(struct eventlog_style *s, const struct eventlog_entry *e, struct buf *out);

#endif
