/* SPDX-License-Identifier: MPL-2.0 */
/* rundir.h - one process for a rank and run directory: binding an ipc:// or UNIX socket would otherwise
 * take it away from a living one. */
#ifndef XYLEM_RUNDIR_H
#define XYLEM_RUNDIR_H

#include "xerr.h"

/* *ret_fd: the lock, held while it is open.  patience_ms: for the lock of one that is about to go.  -EBUSY with
 * text: another broker has it; else -errno. */
int rundir_lock(int *ret_fd, const char *rundir, uint32_t rank, int64_t patience_ms,
                struct err *err);
/* *fd becomes -1; nothing if it is already. */
void rundir_unlock(int *fd, const char *rundir, uint32_t rank);

#endif
