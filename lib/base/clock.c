/* SPDX-License-Identifier: MPL-2.0 */
/* clock.c - time.  Deadlines use the monotonic clock; the wall clock is only for people. */
#include "clock.h"

#include <time.h>

static struct timespec
read_clock(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);

    assert(rc == 0);
    return now;
}

int64_t
clock_us(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);

    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_ms(void)
{
    return clock_us() / 1000;
}

double
clock_wall(void)
{
    struct timespec now = read_clock(CLOCK_REALTIME);

    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
