/* SPDX-License-Identifier: MPL-2.0 */
/* clock.h - the only place that asks the system for the time. */
#ifndef XYLEM_CLOCK_H
#define XYLEM_CLOCK_H

#include "base.h"

int64_t clock_ms(void);  // monotonic
int64_t clock_us(void);  // monotonic
double clock_wall(void); // seconds since the epoch

#endif
