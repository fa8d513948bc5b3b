/* SPDX-License-Identifier: MPL-2.0 */
/* trace.c - see trace.h.  Has all of elog.h too: the log of the ranks is part of the trace. */
#include "trace.h"

#include "agenda.h"
#include "elog.h"
#include "sim_loop.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_wanted;
static uint64_t digest;

void
trace_begin(bool wanted)
{
    is_wanted = wanted;
    digest = 0;
}

bool
trace_is_wanted(void)
{
    return is_wanted;
}

uint64_t
trace_digest(void)
{
    return digest;
}

void
trace_note(uint64_t what)
{
    digest = (digest ^ what ^ (uint64_t)agenda_now()) * UINT64_C(0x9e3779b97f4a7c15);
    digest ^= digest >> 29;
}

static void put_line(uint32_t rank, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* The format is enough: what is in it has been noted elsewhere. */
static void
put_line(uint32_t rank, const char *fmt, va_list ap)
{
    int64_t ms = agenda_now() / 1000;

    for (const char *p = fmt; *p; p++)
        trace_note((uint8_t)*p);
    if (!is_wanted)
        return;
    printf("%6lld.%03lld ", (long long)ms / 1000, (long long)ms % 1000);
    if (rank == SIM_NOBODY)
        printf("-------- ");
    else
        printf("rank %-3u ", rank);
    vprintf(fmt, ap);
    putchar('\n');
}

void
trace(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_line(SIM_NOBODY, fmt, ap);
    va_end(ap);
}

/* --- elog.h --- */

void
elog(enum elog_level level, const char *fmt, ...)
{
    va_list ap;

    trace_note((uint64_t)level);
    va_start(ap, fmt);
    put_line(sim_loop_running(), fmt, ap);
    va_end(ap);
}

void
elog_limited(struct elog_limit *limit UNUSED, enum elog_level level, const char *fmt, ...)
{
    va_list ap;

    trace_note((uint64_t)level);
    va_start(ap, fmt);
    put_line(sim_loop_running(), fmt, ap);
    va_end(ap);
}

void
elog_limit_tell(struct elog_limit *limit UNUSED)
{
}

int
elog_level_parse(const char *name UNUSED, enum elog_level *ret)
{
    *ret = ELOG_INFO;
    return 0;
}

void
elog_set_level(enum elog_level level UNUSED)
{
}

int
elog_open(const char *path UNUSED, struct err *err UNUSED)
{
    return 0;
}

void
elog_set_name(const char *name UNUSED)
{
}

void
elog_dump_on_abort(void)
{
}
