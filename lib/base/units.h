/* SPDX-License-Identifier: MPL-2.0 */
/* units.h - sizes ("64M"), durations ("250ms"), counts: text to number and back.
 * The forms are those of the command line: k M G are powers of 1024; ms s m h. */
#ifndef XYLEM_UNITS_H
#define XYLEM_UNITS_H

#include "base.h"

/* 0, -EINVAL for anything but a whole number with an optional unit, -ERANGE. */
int units_parse_size(const char *text, uint64_t *ret_bytes);
int units_parse_duration(const char *text,
                         int64_t *ret_ms); // bare number = seconds; fractions allowed
int units_parse_long(const char *text, long min, long max, long *ret_value);

#endif
