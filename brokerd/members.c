/* SPDX-License-Identifier: MPL-2.0 */
/* members.c - see members.h.
 *
 * News go up hop by hop: each rank gathers what it has noticed itself and what its children report, and
 * tells its parent one batch at a time.  Rank 0 numbers them, announces them as one event for each
 * batch, and keeps the last HISTORY_MAX.
 *
 * queue       something new         timer                                    timer, no way up (or full)
 * empty       timer, at once if     -                                        -
 *             the last batch is old
 * not empty   waits too             the oldest MEMBER_NEWS_MAX go;           kept; timer, RETRY_MS
 *                                   timer, BATCH_MS, if more are left
 *
 * So what a storm costs is bounded: a link carries a batch each BATCH_MS, however many ranks are lost at
 * once.  A queue that is full loses its oldest, and counts them.  News on their way to a parent that is lost
 * are lost with it: they are for people, and overlay.health tells how things are. */
#include "members.h"
#include "clock.h"
#include "json_reply.h"
#include "member_news.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BATCH_MS 50
#define RETRY_MS 100
#define QUEUE_MAX 2048 // news that wait
#define HISTORY_MAX 256

/* A client that waits for news. */
struct waiter {
    struct list node;
    struct request *request; // owned
};

struct members {
    struct members_conf conf;
    struct loop *loop;             // borrowed
    struct router *router;         // borrowed
    const struct overlay *overlay; // borrowed; NULL before it exists
    struct member_news *queue;     // owned array; the oldest first
    size_t queued;
    size_t capacity; // of queue
    uint64_t dropped;
    struct loop_timer due;
    int64_t sent_at;             // ms: when the last batch went
    struct member_news *history; // owned ring of HISTORY_MAX, by sequence; rank 0
    uint64_t last;               // sequence of the newest; 0: none
    json_int_t run;              // of rank 0: when it began, ms
    struct list waiters;
};

/* --- the queue --- */

static void
schedule(struct members *m)
{
    int64_t wait = m->sent_at + BATCH_MS - loop_now(m->loop);

    if (!loop_timer_is_running(&m->due))
        loop_timer_start(m->loop, &m->due, MAX(wait, 0));
}

static void
drop_oldest(struct members *m, size_t count)
{
    m->queued -= count;
    memmove(m->queue, m->queue + count, m->queued * sizeof(*m->queue));
}

static void
enqueue(struct members *m, const struct member_news *news)
{
    if (m->queued == QUEUE_MAX) {
        drop_oldest(m, MEMBER_NEWS_MAX);
        m->dropped += MEMBER_NEWS_MAX;
    }
    if (m->queued == m->capacity) {
        m->capacity = MAX(2 * m->capacity, 16);
        m->queue = xrealloc(m->queue, m->capacity * sizeof(*m->queue));
    }
    m->queue[m->queued++] = *news;
    schedule(m);
}

/* --- what this rank notices --- */

static void
copy_hostname(const struct members *m, uint32_t rank, char hostname[MEMBER_HOST_MAX])
{
    for (size_t i = 0; m->overlay && i < overlay_child_count(m->overlay); i++) {
        struct overlay_child child = overlay_child(m->overlay, i);

        if (child.peer->rank == rank)
            snprintf(hostname, MEMBER_HOST_MAX, "%s", child.hostname);
    }
}

void
members_noticed(struct members *m, enum overlay_event what, uint32_t rank)
{
    uint32_t home = topo_parent(&m->conf.topo, rank);
    struct member_news news = {
        .what = what, .rank = rank, .parent = home, .by = m->conf.rank, .time = clock_wall()};

    if (topo_is_below(&m->conf.topo, rank, m->conf.rank)) {
        news.parent = m->conf.rank;
        news.adopted = home != m->conf.rank;
    }
    copy_hostname(m, rank, news.hostname);
    enqueue(m, &news);
}

/* --- rank 0 --- */

static struct member_news *
kept(struct members *m, uint64_t seq)
{
    return &m->history[seq % HISTORY_MAX];
}

static void
respond_history(struct members *m, struct request *req, uint64_t after)
{
    uint64_t seq = m->last > HISTORY_MAX ? m->last - HISTORY_MAX : 0;
    json_t *events = json_array();
    json_t *json;

    if (after <= m->last) // else it is of an earlier rank 0
        seq = MAX(seq, after);
    while (seq++ < m->last)
        json_array_append_new(events, member_news_encode(kept(m, seq)));
    json = json_pack("{s:o s:I s:I s:I}", "events", events, "last", (json_int_t)m->last, "dropped",
                     (json_int_t)m->dropped, "run", m->run);
    json_reply(m->router, req, &json);
}

static void
free_waiter(struct waiter *w)
{
    list_remove(&w->node);
    request_free(&w->request);
    free(w);
}

/* Numbers of another run of rank 0 say nothing here. */
static int
read_question(const struct members *m, const struct request *req, uint64_t *ret_after,
              bool *ret_wait)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : json_object();
    json_int_t after = 0;
    json_int_t run = m->run;
    int wait = false;
    int rc = json_unpack(json, "{s?I s?b s?I}", "after", &after, "wait", &wait, "run", &run);

    json_decref(json);
    if (rc < 0 || after < 0)
        return -EPROTO;
    *ret_after = run == m->run ? (uint64_t)after : 0;
    *ret_wait = wait && run == m->run;
    return 0;
}

/* They wait for anything that is newer than the newest was. */
static void
answer_waiters(struct members *m, uint64_t before)
{
    LIST_FOR_EACH (node, &m->waiters) {
        struct waiter *w = list_entry(node, struct waiter, node);

        respond_history(m, w->request, before);
        free_waiter(w);
    }
}

static void
announce(struct members *m, struct member_news *news, size_t count)
{
    uint64_t before = m->last;
    AUTO(free) char *text = NULL;
    json_t *json;
    struct msg event;

    for (size_t i = 0; i < count; i++) {
        news[i].seq = ++m->last;
        *kept(m, m->last) = news[i];
    }
    json = member_news_batch(news, count);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    msg_init(&event, MSG_EVENT);
    msg_set_topic(&event, MEMBER_NEWS_BATCH);
    msg_set_text(&event, text);
    router_send_down(m->router, &event);
    msg_fini(&event);
    answer_waiters(m, before);
}

/* --- the others --- */

static bool
can_tell(const struct members *m)
{
    struct overlay_from parent = {.kind = OVERLAY_PARENT};

    if (!m->overlay || !overlay_parent_is_online(m->overlay))
        return false;
    parent.rank = overlay_parent_rank(m->overlay);
    return !overlay_is_full(m->overlay, &parent);
}

static void
tell_parent(struct members *m, const struct member_news *news, size_t count)
{
    json_t *json = member_news_batch(news, count);
    AUTO(free) char *text = json_dumps(json, JSON_COMPACT);
    struct msg request;

    json_decref(json);
    msg_init(&request, MSG_REQUEST);
    msg_set_topic(&request, "overlay.report");
    msg_set_text(&request, text);
    request.flags |= MSG_NORESPONSE;
    router_tell_parent(m->router, &request);
}

static void
on_due(void *arg)
{
    struct members *m = arg;
    size_t count = MIN(m->queued, MEMBER_NEWS_MAX);

    if (count == 0)
        return;
    if (m->conf.rank > 0 && !can_tell(m)) {
        loop_timer_start(m->loop, &m->due, RETRY_MS);
        return;
    }
    if (m->conf.rank == 0)
        announce(m, m->queue, count);
    else
        tell_parent(m, m->queue, count);
    drop_oldest(m, count);
    m->sent_at = loop_now(m->loop);
    if (m->queued > 0)
        schedule(m);
}

/* --- services --- */

static void
take_report(struct members *m, const json_t *events)
{
    size_t i;
    json_t *item;

    json_array_foreach(events, i, item)
    {
        struct member_news news;

        if (i < MEMBER_NEWS_MAX && member_news_decode(item, m->conf.topo.size, &news) == 0)
            enqueue(m, &news);
    }
}

/* What a client sends has a rank it is for, when it comes from a child: routers see to that. */
static bool
is_of_a_child(const struct request *req)
{
    return req->from.kind == ORIGIN_CHILD && req->msg.nodeid == MSG_NODEID_ANY;
}

static void
serve_report(void *arg, struct request *req)
{
    struct members *m = arg;
    const char *text = msg_text(&req->msg);
    json_t *json = NULL;

    if (!is_of_a_child(req)) {
        router_respond_error(m->router, req, EPERM, "only ranks report what they notice");
        return;
    }
    json = text ? json_loads(text, 0, NULL) : NULL;
    take_report(m, json_object_get(json, "events"));
    json_decref(json);
}

static void
serve_history(void *arg, struct request *req)
{
    struct members *m = arg;
    struct waiter *w;
    uint64_t after;
    bool wait;

    if (read_question(m, req, &after, &wait) < 0) {
        router_respond_error(m->router, req, EPROTO, "overlay.history: malformed payload");
    } else if (m->conf.rank > 0) {
        router_pass_on(m->router, req,
                       &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
    } else if (!wait || after != m->last) {
        respond_history(m, req, after);
    } else {
        w = xmalloc(sizeof(*w));
        w->request = request_keep(req);
        list_init(&w->node);
        list_push_back(&m->waiters, &w->node);
    }
}

void
members_forget(struct members *m, const struct origin *client)
{
    LIST_FOR_EACH (node, &m->waiters) {
        struct waiter *w = list_entry(node, struct waiter, node);

        if (request_is_from(w->request, client))
            free_waiter(w);
    }
}

/* --- life --- */

static const struct service services[] = {
    {"overlay.report", serve_report},
    {"overlay.history", serve_history},
};

struct members *
members_new(const struct members_conf *conf, struct loop *loop, struct router *router,
            struct service_table *table)
{
    struct members *m = xcalloc(1, sizeof(*m));

    m->conf = *conf;
    m->loop = loop;
    m->router = router;
    m->sent_at = -BATCH_MS;
    m->run = (json_int_t)(clock_wall() * 1000);
    list_init(&m->waiters);
    loop_timer_init(&m->due, on_due, m);
    if (conf->rank == 0)
        m->history = xcalloc(HISTORY_MAX, sizeof(*m->history));
    service_table_add(table, services, ARRAY_SIZE(services), m);
    return m;
}

void
members_free(struct members **members)
{
    struct members *m = TAKE(*members);

    if (!m)
        return;
    loop_timer_stop(&m->due);
    LIST_FOR_EACH (node, &m->waiters)
        free_waiter(list_entry(node, struct waiter, node));
    free(m->history);
    free(m->queue);
    free(m);
}

void
members_attach(struct members *m, const struct overlay *overlay)
{
    m->overlay = overlay;
}
