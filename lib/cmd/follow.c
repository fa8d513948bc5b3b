/* SPDX-License-Identifier: MPL-2.0 */
/* follow.c - see follow.h. */
#include "follow.h"
#include "clock.h"
#include "cmd.h"
#include "cmd_kvs_util.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct stream *s = arg;
    struct follow *f = s->follow;

    if (reply->rc != 0) {
        s->is_open = false;
        f->open--;
    }
    if (f->status != FOLLOW_ON) // others came in the same turn
        return;
    follow_stop(f, f->fn(s, reply));
    if (fflush(stdout) != 0)
        follow_stop(f, CMD_FAILED); // main() says why
}

void
follow_stop(struct follow *f, int status)
{
    if (f->status == FOLLOW_ON)
        f->status = status;
}

int
follow_again(struct stream *s, int flags)
{
    struct follow *f = s->follow;

    if (xylem_lookup_async(f->x, kvs_ns, s->key, NULL, flags, on_answer, s, &s->tag) < 0)
        return cmd_fail_x(f->prog, f->x, s->key);
    s->is_open = true;
    f->open++;
    return FOLLOW_ON;
}

int
follow_end(const struct stream *s, const struct xylem_reply *reply)
{
    if (reply->rc == -ENODATA)
        return FOLLOW_ON;
    return cmd_fail_about(s->follow->prog, s->key, reply->error);
}

/* ms until the deadline; -1 = none. */
static int
time_left(const struct follow *f, int64_t start)
{
    if (f->timeout_ms < 0)
        return -1;
    return (int)MIN(MAX(start + f->timeout_ms - clock_ms(), 0), INT32_MAX);
}

static int
run(struct follow *f)
{
    int64_t start = clock_ms();

    while (f->status == FOLLOW_ON && f->open > 0) {
        int left = time_left(f, start);

        xylem_dispatch(f->x, left); // when it fails, so have all streams
        if (left == 0 && f->status == FOLLOW_ON && f->open > 0)
            return FOLLOW_TIMEOUT;
    }
    return f->status == FOLLOW_ON ? CMD_OK : f->status;
}

int
follow_keys(struct follow *f, int count, char **keys, void (*free_state)(void *state))
{
    AUTO(free) struct stream *streams = xcalloc((size_t)count, sizeof(*streams));
    int status;

    f->open = 0;
    f->status = FOLLOW_ON;
    for (int i = 0; i < count && f->status == FOLLOW_ON; i++) {
        streams[i] = (struct stream){.follow = f, .key = keys[i]};
        f->status = follow_again(&streams[i], f->flags);
    }
    status = run(f);
    for (int i = 0; i < count; i++) {
        if (streams[i].is_open)
            xylem_cancel(f->x, streams[i].tag);
        if (streams[i].state)
            free_state(streams[i].state);
    }
    return status;
}
