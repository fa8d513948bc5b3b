/* SPDX-License-Identifier: MPL-2.0 */
/* connector_output.c - what is queued for local clients.
 *
 * While more than OUTPUT_TOTAL_MAX bytes are queued for all together, large answers wait (they are parked
 * by the router), and are let go one by one in the order of their clients, each with a grant: bytes that
 * count as if they were queued, until they are or GRANT_MS are over.  Who does not read meanwhile is cut off
 * in the end.
 *
 * Events cannot wait, and none may be missing: a client for which as many bytes of events are queued as
 * of output may be is cut off, at
 * the end of the turn.  Bytes of events count until all is written that was queued at the next mark, which is
 * set when the last one is reached: so no list of them is needed. */
#include "connector_priv.h"
#include "xmem.h"

#include <errno.h>

#define OUTPUT_MAX ((size_t)4 << 20)        // bytes queued for a client that does not read
#define OUTPUT_TOTAL_MAX ((size_t)16 << 20) // for all of them; beyond it OUTPUT_MAX shrinks
#define OUTPUT_MIN ((size_t)256 << 10)      // to this
#define OUTPUT_LARGE ((size_t)64 << 10)     // bytes of an answer that waits while there is more
#define GRANT_MS 1000                       // what is not used in this time is given to others

/* NULL: it is gone.  Requests come in batches, and so does what they ask of their connection. */
struct conn *
connector_find(struct connector *owner, uint64_t id)
{
    if (!owner->found || owner->found->id != id)
        owner->found = map_get(&owner->by_id, &id);
    return owner->found;
}

size_t
connector_output_limit(const struct connector *owner)
{
    return owner->stats.output_bytes > OUTPUT_TOTAL_MAX ? OUTPUT_MIN : OUTPUT_MAX;
}

/* What is queued for the client has changed. */
static void
count_output(struct conn *c)
{
    size_t now = msg_writer_pending(c->writer);

    c->owner->stats.output_bytes += now - c->queued; // unsigned arithmetic wraps as wanted
    c->queued = now;
}

void
connector_take_grant(struct conn *c)
{
    c->owner->granted -= c->granted;
    c->granted = 0;
}

/* What could be answered again may be answered now. */
static void
tell_drained(struct conn *c)
{
    struct connector *owner = c->owner;

    if (!c->was_full || c->state == CONN_CLOSED || c->queued > connector_output_limit(owner) / 2)
        return;
    c->was_full = false;
    owner->ops->drained(owner->arg, c->id);
}

/* Whoever reads is likely to ask again, or to read on.  But with requests under way it is other threads
 * or ranks that need the processor. */
static void
expect_more(struct connector *owner)
{
    if (credit_stats(owner->credit)->messages == 0)
        loop_expect(owner->loop);
}

/* why: follows "does not read". */
static void
cut_off(struct conn *c, const char *why)
{
    elog_limited(&c->owner->cuts, ELOG_WARN, "a local client of uid %u does not read, %s: closed",
                 c->uid, why);
    c->owner->stats.cut_off++;
    connector_close_conn(c);
}

void
connector_write_out(struct conn *c)
{
    size_t before = c->queued;
    int rc = msg_writer_flush(c->writer, c->fd);
    bool full = rc == -EAGAIN;

    if (c->lost_events) {
        cut_off(c, "and events must not be missing");
        return;
    }
    if (rc < 0 && !full) {
        connector_close_conn(c);
        return;
    }
    count_output(c);
    c->owner->stats.bytes_out += before - c->queued;
    c->written += before - c->queued;
    if (c->queued < before) {
        c->moved_at = loop_now(c->owner->loop);
        expect_more(c->owner);
    }
    if (full != c->waits_for_room) {
        c->waits_for_room = full;
        connector_set_events(c);
    }
    connector_regulate(c);
    tell_drained(c);
    connector_decode_input(c); // what was left undecoded while it was held
}

/* --- room --- */

bool
connector_is_full(struct connector *owner, uint64_t id)
{
    struct conn *c = connector_find(owner, id);

    if (!c || c->queued <= connector_output_limit(owner))
        return false;
    c->was_full = true;
    return true;
}

/* Of all. */
bool
connector_has_room(const struct connector *owner)
{
    return owner->stats.output_bytes + owner->granted <= OUTPUT_TOTAL_MAX;
}

void
connector_serve_waiting(void *arg)
{
    struct connector *owner = arg;

    while (!list_is_empty(&owner->waiting) && connector_has_room(owner)) {
        struct conn *c = list_entry(list_pop_front(&owner->waiting), struct conn, waiting);

        c->granted = c->wanted;
        c->granted_at = loop_now(owner->loop);
        owner->granted += c->granted;
        owner->ops->drained(owner->arg, c->id);
    }
}

bool
connector_must_wait(struct connector *owner, uint64_t id, size_t bytes)
{
    struct conn *c = connector_find(owner, id);

    if (connector_is_full(owner, id))
        return true;
    if (!c || bytes <= OUTPUT_LARGE || c->granted > 0)
        return false;
    if (list_is_empty(&owner->waiting)) {
        if (connector_has_room(owner))
            return false;
        owner->short_since = loop_now(owner->loop);
        if (!loop_timer_is_running(&owner->unread))
            loop_timer_start(owner->loop, &owner->unread, owner->unread_ms / 4);
    }
    if (!list_is_linked(&c->waiting)) {
        c->wanted = bytes;
        list_push_back(&owner->waiting, &c->waiting);
    }
    return true;
}

static void
cut_if_unread(struct conn *c, int64_t now)
{
    if (c->queued == 0 || now - MAX(c->moved_at, c->owner->short_since) < c->owner->unread_ms)
        return;
    cut_off(c, "and others need the room");
}

/* Some wait for room that others take up. */
void
connector_look_for_unread(void *arg)
{
    struct connector *owner = arg;
    int64_t now = loop_now(owner->loop);
    size_t count = 0;
    size_t pos = 0;
    struct conn **all = xmalloc((owner->by_id.count + 1) * sizeof(struct conn *));
    struct conn *c;

    while ((c = map_next(&owner->by_id, &pos)))
        all[count++] = c;
    for (size_t i = 0; i < count; i++) { // what is closed stays until the end of the turn
        if (all[i]->granted > 0 && now - all[i]->granted_at > GRANT_MS)
            connector_take_grant(all[i]);
        if (all[i]->state != CONN_CLOSED)
            cut_if_unread(all[i], now);
    }
    free(all);
    if (!list_is_empty(&owner->waiting) || owner->granted > 0)
        loop_timer_start(owner->loop, &owner->unread, owner->unread_ms / 4);
    elog_limit_tell(&owner->cuts);
}

/* --- sending --- */

static void
push(struct conn *c, struct msg *m)
{
    struct connector *owner = c->owner;

    owner->stats.messages_out++;
    if (c->queued == 0)
        c->moved_at = loop_now(owner->loop);
    msg_writer_push(c->writer, m);
    count_output(c);
    if (!list_is_linked(&c->output))
        list_push_back(&owner->output, &c->output);
}

void
connector_send(struct connector *owner, uint64_t id, struct msg *m)
{
    struct conn *c = connector_find(owner, id);

    if (!c || c->lost_events) {
        msg_fini(m);
        return;
    }
    if (msg_size(m) > OUTPUT_LARGE)
        connector_take_grant(c);
    push(c, m);
}

static size_t
queued_events(struct conn *c)
{
    struct event_bytes *e = &c->events;

    if (c->queued == 0)
        *e = (struct event_bytes){0};
    if (c->written >= e->mark)
        *e = (struct event_bytes){.mark = c->written + c->queued, .before = e->behind};
    return e->before + e->behind;
}

void
connector_send_event(struct connector *owner, uint64_t id, struct msg *m)
{
    struct conn *c = connector_find(owner, id);
    size_t before;

    if (!c || c->lost_events) {
        msg_fini(m);
        return;
    }
    before = c->queued;
    if (queued_events(c) > connector_output_limit(owner)) {
        c->lost_events = true;
        msg_fini(m);
        if (!list_is_linked(&c->output))
            list_push_back(&owner->output, &c->output);
        return;
    }
    push(c, m);
    c->events.behind += c->queued - before;
}
