/* SPDX-License-Identifier: MPL-2.0 */
/* rank_events.c - what the parts of a rank have to tell, and whom. */
#include "elog.h"
#include "rank_priv.h"
#include "waiter.h"

/* --- the overlay --- */

/* Clients must not make more of what is to be flushed. */
static bool
is_leaving(const struct rank *r)
{
    return r->state == RANK_FLUSHING || shutdown_is_under_way(r->shutdown);
}

static void
on_message(void *arg, const struct overlay_from *from, struct msg *m)
{
    struct rank *r = arg;
    struct origin client = {.kind = ORIGIN_CLIENT, .peer = from->peer};

    if (from->kind == OVERLAY_CLIENT && is_leaving(r) &&
        shutdown_turn_away(r->shutdown, &client, m))
        return;
    router_from_overlay(r->router, from, m);
}

static void
on_parent_online(void *arg, uint64_t joined UNUSED)
{
    struct rank *r = arg;

    router_parent_online(r->router);
    content_distrust_all(r->content);
    if (r->kvs)
        kvs_parent_online(r->kvs);
    rank_report_if_complete(r);
}

static void
on_parent_gone(void *arg, uint64_t joined)
{
    router_parent_gone(((struct rank *)arg)->router, joined);
}

static void
on_noticed(void *arg, enum overlay_event what, uint32_t rank)
{
    struct rank *r = arg;

    if (r->members) // else it is being taken down
        members_noticed(r->members, what, rank);
}

static void
on_child_gone(void *arg, uint32_t rank)
{
    struct rank *r = arg;

    struct origin child = {.kind = ORIGIN_CHILD, .rank = rank};

    router_child_gone(r->router, rank);
    health_forget(r->health, &child);
    if (r->members)
        members_forget(r->members, &child);
    shutdown_child_gone(r->shutdown);
}

static void
on_status_changed(void *arg, enum subtree_status status)
{
    struct rank *r = arg;

    health_status_changed(r->health, status);
    rank_report_if_complete(r);
}

static void
on_refused(void *arg, const char *text)
{
    struct rank *r = arg;

    elog(ELOG_ERR, "the parent refused this rank: %s", text);
    rank_report(r, RANK_REFUSED, text);
}

static void
on_drained(void *arg, const struct overlay_from *from)
{
    struct rank *r = arg;

    router_neighbour_drained(r->router, from);
}

/* A client of either kind is gone; its answers under way are dropped by who sends them. */
static void
forget_client(struct rank *r, const struct origin *client)
{
    router_client_gone(r->router, client);
    health_forget(r->health, client);
    members_forget(r->members, client);
    checker_forget(r->checker, client);
    collector_forget(r->collector, client);
    events_forget(r->events, client);
    if (r->kvs)
        kvs_forget(r->kvs, client);
}

static void
on_remote_gone(void *arg, const struct msg_zmq_peer *peer)
{
    forget_client(arg, &(struct origin){.kind = ORIGIN_CLIENT, .peer = *peer});
}

const struct overlay_ops rank_overlay_ops = {
    .received = on_message,
    .parent_online = on_parent_online,
    .parent_gone = on_parent_gone,
    .noticed = on_noticed,
    .child_gone = on_child_gone,
    .status_changed = on_status_changed,
    .refused = on_refused,
    .drained = on_drained,
    .client_gone = on_remote_gone,
};

/* --- the connector --- */

static void
on_client_message(void *arg, uint64_t conn, struct msg *m, struct credit_charge *charge)
{
    struct rank *r = arg;
    struct origin client = {.kind = ORIGIN_CONN, .conn = conn};

    if (is_leaving(r) && shutdown_turn_away(r->shutdown, &client, m))
        return;
    router_from_conn(r->router, conn, m, charge);
}

static void
on_client_drained(void *arg, uint64_t conn)
{
    struct rank *r = arg;

    router_conn_drained(r->router, conn);
}

static void
on_client_closed(void *arg, uint64_t conn)
{
    forget_client(arg, &(struct origin){.kind = ORIGIN_CONN, .conn = conn});
}

const struct connector_ops rank_connector_ops = {on_client_message, on_client_drained,
                                                 on_client_closed};

/* --- services --- */

bool
rank_on_event(void *arg, const struct msg *event)
{
    struct rank *r = arg;

    if (shutdown_on_event(r->shutdown, event) || content_on_event(r->content, event))
        return true;
    return !r->kvs || kvs_on_event(r->kvs, event);
}

void
rank_on_drop_cache(void *arg)
{
    struct rank *r = arg;

    if (r->kvs)
        kvs_drop_cache(r->kvs);
}

void
rank_on_damaged(void *arg, const struct digest *d)
{
    struct rank *r = arg;

    content_heal(r->content, d);
}

void
rank_on_shutdown_ready(void *arg)
{
    rank_report(arg, RANK_SHUTDOWN, "");
}

/* --- the store --- */

/* The content service of a rank that was killed asks no more of the store: who waits is cancelled soon. */

static void
on_loaded(void *arg, uint32_t tag, int rc, const struct blob *b)
{
    struct rank *r = arg;

    if (r->state != RANK_KILLED)
        content_store_loaded(r->content, tag, rc, b);
}

static void
on_stored(void *arg, uint32_t tag, int rc)
{
    struct rank *r = arg;

    if (r->state != RANK_KILLED)
        content_store_stored(r->content, tag, rc);
}

static void
on_changed(void *arg, void *cookie, int rc, struct store_change **change)
{
    struct change_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc, change);
}

static void
on_checkpoints(void *arg, void *cookie, int rc, const struct checkpoint *list, size_t count)
{
    struct checkpoints_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc, list, count);
}

static void
on_validated(void *arg, void *cookie, int rc)
{
    struct validate_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc);
}

static void
on_ran(void *arg, void *cookie, int rc)
{
    struct task_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc);
}

const struct store_ops rank_store_ops = {on_loaded,      on_stored,    on_changed,
                                         on_checkpoints, on_validated, on_ran};
