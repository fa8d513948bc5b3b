/* SPDX-License-Identifier: MPL-2.0 */
/* rollcall.h - which ranks of a job are on this host, while a launcher's barrier tells nothing.
 *
 * A rank that is there holds a socket with an abstract name made of job and rank, which leaves no file
 * and goes with the process.  It is for the text of complaints only: anybody may take such a name. */
#ifndef XYLEM_ROLLCALL_H
#define XYLEM_ROLLCALL_H

#include "base.h"

/* I am here, until it is closed.  -1: that cannot be said. */
int rollcall_answer(const char *job, uint32_t rank);

bool rollcall_is_here(const char *job, uint32_t rank);

#endif
