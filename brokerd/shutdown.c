/* SPDX-License-Identifier: MPL-2.0 */
/* shutdown.c - see shutdown.h.  Leaves first: a rank waits until those below it have left, which they
 * do when what is dirty there has come up, and then ends as on SIGTERM.
 *
 * stage     shutdown.start at rank 0,     children all gone,       none is gone and nothing has come
 *           broker.shutdown elsewhere     or there are none        up for level_ms and each level below
 * RUNNING   WAITING, announced below      -                        -
 * WAITING   -                             READY                    READY
 * READY     -                             -                        -
 *
 * A child that is lost, because it is frozen say, is not waited for.  One that joins meanwhile would
 * not know: it is announced again every AGAIN_MS. */
#include "shutdown.h"
#include "elog.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define EVENT_TOPIC "broker.shutdown"
#define START_TOPIC "shutdown.start"
#define AGAIN_MS 500

enum shutdown_stage { RUNNING, WAITING, READY };

struct shutdown {
    uint32_t rank;
    struct topo topo;
    int64_t level_ms;              // see shutdown_new()
    struct loop *loop;             // borrowed
    struct router *router;         // borrowed
    const struct overlay *overlay; // borrowed
    bool has_store;                // rank 0, with a backing store
    void (*ready)(void *arg);
    void *ready_arg; // borrowed
    enum shutdown_stage stage;
    bool gc;                 // asked to collect garbage
    struct loop_timer again; // WAITING: announce, and look at the children
    uint64_t progress;       // counts up when a child leaves or sends something
    int64_t moved_at;        // ms: when it last did
};

/* --- waiting for the children --- */

static void
announce(struct shutdown *s)
{
    struct msg m;

    msg_init(&m, MSG_EVENT);
    m.flags |= MSG_PRIVATE;
    msg_set_topic(&m, EVENT_TOPIC);
    router_send_down(s->router, &m);
    msg_fini(&m);
}

static size_t
count_online(const struct shutdown *s)
{
    size_t count = 0;

    for (size_t i = 0; i < overlay_child_count(s->overlay); i++)
        count += peer_is_linked(overlay_child(s->overlay, i).peer);
    return count;
}

/* Levels below a rank. */
static uint32_t
height(const struct topo *topo, uint32_t rank)
{
    uint64_t leftmost = (uint64_t)rank * topo->fanout + 1;
    uint32_t levels = 0;

    for (; leftmost < topo->size; leftmost = leftmost * topo->fanout + 1)
        levels++;
    return levels;
}

/* Our own clients are turned away by now, so that requests are those of ranks below. */
static bool
is_stuck(struct shutdown *s, size_t online)
{
    int64_t now = loop_now(s->loop);
    uint64_t progress =
        router_stats(s->router)->requests + overlay_child_count(s->overlay) - online;

    if (progress != s->progress) {
        s->progress = progress;
        s->moved_at = now;
    }
    return now - s->moved_at >= s->level_ms * height(&s->topo, s->rank);
}

static void
look(void *arg)
{
    struct shutdown *s = arg;
    size_t online = count_online(s);
    bool stuck = is_stuck(s, online);

    if (online > 0 && !stuck) {
        announce(s);
        loop_timer_start(s->loop, &s->again, AGAIN_MS);
        return;
    }
    if (online > 0)
        elog(ELOG_WARN, "%zu children do not stop: going without them", online);
    s->stage = READY;
    s->ready(s->ready_arg);
}

static void
begin(struct shutdown *s)
{
    if (s->stage != RUNNING)
        return;
    elog(ELOG_INFO, "the instance is being shut down");
    s->stage = WAITING;
    s->progress = UINT64_MAX; // the first look sees a change, however late it is
    loop_timer_start(s->loop, &s->again, 0);
}

/* --- being told --- */

static int
decode_start(const struct request *req, bool *ret_gc)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    json_t *gc = json_object_get(json, "gc");
    bool fine = json_is_object(json) ? !gc || json_is_boolean(gc) : !req->msg.payload;

    *ret_gc = json_is_true(gc);
    json_decref(json);
    return fine ? 0 : -EPROTO;
}

/* A rank above that is out of reach is said at once: the call is none to be sent again. */
static void
serve_start(void *arg, struct request *req)
{
    struct shutdown *s = arg;
    struct blob *none = NULL;
    bool gc;

    if (s->rank > 0 && s->stage == RUNNING) {
        router_pass_on(s->router, req, &(struct router_pass){.rank = TOPO_NONE});
    } else if (decode_start(req, &gc) < 0) {
        router_respond_error(s->router, req, EPROTO, "%s: not {\"gc\":BOOL}", START_TOPIC);
    } else if (s->stage == RUNNING && gc && !s->has_store) {
        router_respond_error(s->router, req, ENOSYS,
                             "there is no backing store to collect garbage in");
    } else {
        router_respond(s->router, req, &none);
        if (s->stage == RUNNING)
            s->gc = gc;
        begin(s);
    }
}

bool
shutdown_on_event(struct shutdown *s, const struct msg *event)
{
    if (strcmp(event->topic, EVENT_TOPIC) != 0)
        return false;
    begin(s);
    return true;
}

/* Whether it has begun anew is known in the next turn. */
void
shutdown_child_gone(struct shutdown *s)
{
    if (s->stage == WAITING)
        loop_timer_start(s->loop, &s->again, 0);
}

/* --- clients --- */

/* Questions about the rank, and asking for the end once more. */
static bool
is_harmless(const char *topic)
{
    static const char *const prefixes[] = {"attr.", "broker.", "overlay.", "shutdown.", "stats."};

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (strncmp(topic, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

bool
shutdown_turn_away(struct shutdown *s, const struct origin *from, struct msg *m)
{
    struct request req = {.from = *from};

    if (m->type != MSG_REQUEST || is_harmless(m->topic))
        return false;
    msg_move(&req.msg, m);
    router_respond_error(s->router, &req, ECANCELED, "the rank is shutting down");
    return true;
}

/* --- life --- */

static const struct service services[] = {{START_TOPIC, serve_start}};

struct shutdown *
shutdown_new(uint32_t rank, const struct topo *topo, int64_t level_ms, struct loop *loop,
             struct router *router, struct service_table *table)
{
    struct shutdown *s = xcalloc(1, sizeof(*s));

    s->rank = rank;
    s->topo = *topo;
    s->level_ms = level_ms;
    s->loop = loop;
    s->router = router;
    loop_timer_init(&s->again, look, s);
    service_table_add(table, services, ARRAY_SIZE(services), s);
    return s;
}

void
shutdown_free(struct shutdown **p)
{
    struct shutdown *s = TAKE(*p);

    if (!s)
        return;
    loop_timer_stop(&s->again);
    free(s);
}

void
shutdown_attach(struct shutdown *s, const struct overlay *overlay, bool has_store,
                void (*ready)(void *arg), void *arg)
{
    s->overlay = overlay;
    s->has_store = has_store;
    s->ready = ready;
    s->ready_arg = arg;
}

bool
shutdown_is_under_way(const struct shutdown *s)
{
    return s->stage != RUNNING;
}

bool
shutdown_wants_gc(const struct shutdown *s)
{
    return s->gc;
}
