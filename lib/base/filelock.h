/* SPDX-License-Identifier: MPL-2.0 */
/* filelock.h - flock(2) for those who come right after a process that was killed. */
#ifndef XYLEM_FILELOCK_H
#define XYLEM_FILELOCK_H

#include "base.h"

/* A process that was killed holds its locks until the last of its threads is gone, which takes a while on
 * a busy machine: ms to wait for that. */
#define FILELOCK_DYING_MS 1000

/* operation: LOCK_EX or LOCK_SH.  Tries for patience_ms, at least once.  -EWOULDBLOCK: somebody holds it;
 * else -errno of flock(2). */
int filelock_take(int fd, int operation, int64_t patience_ms);

#endif
