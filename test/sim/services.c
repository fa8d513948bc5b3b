/* SPDX-License-Identifier: MPL-2.0 */
/* services.c - what the ranks of cluster.h serve. */
#include "agenda.h"
#include "cluster.h"
#include "trace.h"
#include "xmem.h"

#include <string.h>

#define TICK_MS 500
#define ADD_MAX_MS 20
#define SLOW_MAX_MS 400

/* A request that is being served. */
struct slow {
    struct list node;
    struct member *member;
    struct request *request; // owned
    struct loop_timer timer;
    bool adds;
};

/* What rank 0 keeps when it is killed: one byte for each id, whether it was added. */
static uint8_t *added;
static size_t added_size;
static uint64_t tick;

static void
answer(struct member *m, struct request *req)
{
    struct blob *payload = blob_ref(req->msg.payload);

    router_respond(m->router, req, &payload);
}

static void
on_echo(void *arg, struct request *req)
{
    answer(arg, req);
}

/* --- after a while --- */

static void
add(const struct request *req)
{
    uint64_t id;

    memcpy(&id, msg_data(&req->msg), sizeof(id));
    if (id >= added_size) {
        size_t size = MAX(2 * added_size, (size_t)id + 64);

        added = xrealloc(added, size);
        memset(added + added_size, 0, size - added_size);
        added_size = size;
    }
    cluster_counts.added += !added[id];
    cluster_counts.doubled += added[id];
    added[id] = 1;
}

static void
free_slow(struct slow *s)
{
    loop_timer_stop(&s->timer);
    list_remove(&s->node);
    request_free(&s->request);
    free(s);
}

static void
on_time(void *arg)
{
    struct slow *s = arg;

    if (s->adds)
        add(s->request);
    answer(s->member, s->request);
    free_slow(s);
}

static void
serve_in(struct member *m, struct request *req, int64_t max_ms, bool adds)
{
    struct slow *s = xcalloc(1, sizeof(*s));

    s->member = m;
    s->adds = adds;
    s->request = request_keep(req);
    list_init(&s->node);
    list_push_back(&m->slow, &s->node);
    loop_timer_init(&s->timer, on_time, s);
    loop_timer_start(m->loop, &s->timer, draw_between(0, max_ms));
}

static void
on_slow(void *arg, struct request *req)
{
    serve_in(arg, req, SLOW_MAX_MS, false);
}

static void
on_add(void *arg, struct request *req)
{
    struct member *m = arg;

    if (m->rank == 0)
        serve_in(m, req, ADD_MAX_MS, true);
    else
        router_pass_on(m->router, req,
                       &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
}

/* --- events --- */

static void
send_tick(void *arg)
{
    struct member *m = arg;
    struct blob *payload;
    struct msg event;

    cluster_counts.ticks = ++tick;
    payload = blob_new(&tick, sizeof(tick));
    msg_init(&event, MSG_EVENT);
    msg_set_topic(&event, "sim.tick");
    msg_set_payload(&event, &payload);
    router_send_down(m->router, &event);
    msg_fini(&event);
    loop_timer_start(m->loop, &m->ticker, TICK_MS);
}

static void
on_tick(void *arg, const struct msg *event)
{
    struct member *m = arg;
    uint64_t number;

    memcpy(&number, msg_data(event), sizeof(number));
    if (number <= m->heard)
        complain("rank %u hears event %llu after %llu", m->rank, (unsigned long long)number,
                 (unsigned long long)m->heard);
    cluster_counts.missed += m->heard > 0 && number > m->heard + 1;
    m->heard = MAX(number, m->heard);
}

/* --- life --- */

static const struct service readers[] = {{"sim.echo", on_echo}, {"sim.slow", on_slow}};
static const struct service others[] = {{"shutdown.once", on_echo}, {"kvs.commit.add", on_add}};

void
services_add(struct member *m)
{
    service_table_add_readers(m->services, readers, ARRAY_SIZE(readers), m);
    service_table_add(m->services, others, ARRAY_SIZE(others), m);
    router_set_event_listener(m->router, on_tick, m);
    loop_timer_init(&m->ticker, send_tick, m);
    if (m->rank == 0)
        loop_timer_start(m->loop, &m->ticker, TICK_MS);
}

void
services_drop(struct member *m)
{
    loop_timer_stop(&m->ticker);
    while (!list_is_empty(&m->slow))
        free_slow(list_entry(m->slow.next, struct slow, node));
}

void
services_begin(void)
{
    free(TAKE(added));
    added_size = 0;
    tick = 0;
}
