/* SPDX-License-Identifier: MPL-2.0 */
/* filelock.c - see filelock.h. */
#include "filelock.h"
#include "clock.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

#define RETRY_NS (5 * 1000 * 1000)

int
filelock_take(int fd, int operation, int64_t patience_ms)
{
    static const struct timespec pause = {.tv_nsec = RETRY_NS};
    int64_t deadline = clock_ms() + patience_ms;

    while (flock(fd, operation | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK || clock_ms() >= deadline)
            return -errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}
