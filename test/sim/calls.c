/* SPDX-License-Identifier: MPL-2.0 */
/* calls.c - the clients of the ranks of cluster.h, and what they are owed: one answer to each request,
 * and a good one if it is fair to ask for it.  Has what a router needs of connector.h.
 *
 * request         may fail
 * ECHO, SLOW      when there was trouble with either rank, or rank 0, meanwhile
 * ONCE            when there was trouble with any rank meanwhile, or paths are cut: one that is lost for those
 *                 it was below may be found elsewhere only by asking again
 * ADD             never
 * A rank that is gone has no clients, and its answers are nobody's. */
#include "agenda.h"
#include "cluster.h"
#include "trace.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct call {
    struct list node;
    struct member *member;
    uint64_t id;
    uint32_t tag;
    enum call_kind kind;
    uint32_t target;
    int must;
    int64_t began; // us
};

static const struct kind {
    const char *topic;
    unsigned percent; // of the requests
} kinds[] = {
    [CALL_ECHO] = {"sim.echo", 50},
    [CALL_SLOW] = {"sim.slow", 10},
    [CALL_ONCE] = {"shutdown.once", 10},
    [CALL_ADD] = {"kvs.commit.add", 30},
};

static uint64_t last_id;
static size_t pending;
static size_t pending_musts;
static int64_t calm_at = INT64_MAX; // us: since then there was no trouble with any rank

/* --- asking --- */

static void
make_request(const struct call *c, struct msg *ret)
{
    struct blob *payload = blob_new(&c->id, sizeof(c->id));

    msg_init(ret, MSG_REQUEST);
    msg_set_topic(ret, kinds[c->kind].topic);
    msg_set_payload(ret, &payload);
    ret->matchtag = c->tag;
    ret->rolemask = MSG_ROLE_OWNER;
    if (c->kind != CALL_ADD)
        ret->nodeid = c->target;
}

void
calls_ask(struct member *m, enum call_kind kind, uint32_t target, int must)
{
    struct credit_charge charge = {0};
    struct call *c = xcalloc(1, sizeof(*c));
    struct msg request;

    *c = (struct call){.member = m,
                       .id = ++last_id,
                       .tag = ++m->next_tag,
                       .kind = kind,
                       .target = kind == CALL_ADD ? 0 : target,
                       .must = must,
                       .began = agenda_now()};
    list_init(&c->node);
    list_push_back(&m->calls, &c->node);
    pending++;
    pending_musts += must >= 0;
    cluster_counts.asked++;
    trace_note(c->id);
    make_request(c, &request);
    router_from_conn(m->router, 1, &request, &charge);
    msg_fini(&request);
}

static enum call_kind
draw_kind(void)
{
    unsigned n = draw_below(100);
    unsigned kind = 0;

    while (n >= kinds[kind].percent)
        n -= kinds[kind++].percent;
    return (enum call_kind)kind;
}

static void
ask_something(void *arg)
{
    struct member *m = arg;

    calls_set_clients(m, true);
    calls_ask(m, draw_kind(), draw_below(cluster_topo()->size), -1);
}

/* --- being answered --- */

static bool
is_fair(const struct call *c)
{
    if (c->kind == CALL_ADD)
        return true;
    if (c->kind == CALL_ONCE && (c->began <= calm_at || cluster_conf()->troubles == TROUBLES_CUTS))
        return false;
    return c->began > c->member->trouble_until && c->began > cluster_member(0)->trouble_until &&
           c->began > cluster_member(c->target)->trouble_until;
}

static void
judge(const struct call *c, const struct msg *response)
{
    int errnum = (int)response->errnum;
    int64_t us = agenda_now() - c->began;
    bool is_wrong = c->must >= 0 ? errnum != c->must : errnum != 0 && is_fair(c);

    cluster_counts.answered++;
    cluster_counts.failed += errnum != 0;
    if (is_fair(c))
        cluster_counts.slowest_us = MAX(cluster_counts.slowest_us, us);
    if (is_wrong)
        complain("request %llu, %s of rank %u to rank %u, is answered with %s (%s) after %lld ms",
                 (unsigned long long)c->id, kinds[c->kind].topic, c->member->rank, c->target,
                 errnum ? strerrorname_np(errnum) : "success",
                 msg_text(response) && errnum ? msg_text(response) : "-", (long long)us / 1000);
    else if (errnum != 0 && errnum != EHOSTUNREACH)
        complain("request %llu is answered with %s", (unsigned long long)c->id,
                 strerrorname_np(errnum));
    else if (errnum == 0 && memcmp(msg_data(response), &c->id, sizeof(c->id)) != 0)
        complain("request %llu has the answer of another", (unsigned long long)c->id);
}

static struct call *
find_call(struct member *m, uint32_t tag)
{
    LIST_FOR_EACH (node, &m->calls) {
        struct call *c = list_entry(node, struct call, node);

        if (c->tag == tag)
            return c;
    }
    return NULL;
}

static void
free_call(struct call *c)
{
    list_remove(&c->node);
    pending--;
    pending_musts -= c->must >= 0;
    free(c);
}

void
connector_send(struct connector *connector, uint64_t conn UNUSED, struct msg *m)
{
    struct call *c = find_call(connector->member, m->matchtag);

    if (!connector->member->is_going) {
        trace_note((uint64_t)m->matchtag << 8 | m->errnum);
        if (c)
            judge(c, m);
        else
            complain("rank %u: an answer that nobody waits for, or the second one",
                     connector->member->rank);
        if (c)
            free_call(c);
    }
    msg_fini(m);
}

bool
connector_is_full(struct connector *connector UNUSED, uint64_t conn UNUSED)
{
    return false;
}

bool
connector_must_wait(struct connector *connector UNUSED, uint64_t conn UNUSED, size_t bytes UNUSED)
{
    return false;
}

size_t
calls_pending_musts(void)
{
    return pending_musts;
}

/* --- life --- */

void
calls_init(struct member *m)
{
    loop_timer_init(&m->client, ask_something, m);
}

void
calls_drop(struct member *m)
{
    loop_timer_stop(&m->client);
    while (!list_is_empty(&m->calls))
        free_call(list_entry(m->calls.next, struct call, node));
}

void
calls_set_clients(struct member *m, bool on)
{
    int64_t think_ms = cluster_conf()->think_ms;

    if (on)
        loop_timer_start(m->loop, &m->client, draw_between(think_ms / 2, think_ms * 3 / 2));
    else
        loop_timer_stop(&m->client);
}

size_t
calls_pending(void)
{
    return pending;
}

void
calls_begin(void)
{
    last_id = 0;
    pending = pending_musts = 0;
    calm_at = INT64_MAX;
}

void
calls_set_calm(int64_t at)
{
    calm_at = at;
}
