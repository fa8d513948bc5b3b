/* SPDX-License-Identifier: MPL-2.0 */
/* trace.h - what happens in a run: a digest of it, and lines for people when they are wanted. */
#ifndef XYLEM_SIM_TRACE_H
#define XYLEM_SIM_TRACE_H

#include "base.h"

void trace_begin(bool is_wanted);
bool trace_is_wanted(void);
/* Everything that was noted since, in order; the same for the same run. */
uint64_t trace_digest(void);

void trace_note(uint64_t what);
/* A line, with the time; noted as well. */
void trace(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
