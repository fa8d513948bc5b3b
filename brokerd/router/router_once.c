/* SPDX-License-Identifier: MPL-2.0 */
/* router_once.c - requests to rank 0 that must not be done twice, and that a rank may have to send twice
 * because it has lost its parent: they travel as once.ID.TOPIC (xylem-message(7), "Once").
 *
 * record at rank 0   seen for the first time   served               seen again
 * (none)             PENDING: served           -                    -
 * PENDING            -                         FINISHED: all that   waits
 *                                              wait are answered
 * FINISHED           -                         -                    answered with the same
 *
 * I1  finished records are REMEMBERED_MAX at most: the oldest goes.  A rank sends again within seconds.
 * I2  a request that is being served points to its record, and a PENDING record is never forgotten. */
#include "router_priv.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "once."
#define ID_MAX 64 // with the NUL
#define REMEMBERED_MAX 4096

struct once_record {
    char id[ID_MAX];     // key, zero-padded
    struct list node;    // on once.finished, when finished
    struct list waiters; // struct waiter
    bool is_finished;
    int errnum;
    struct blob *payload; // owned
};

struct waiter {
    struct list node;
    struct request *request; // owned
};

/* --- records --- */

static void
forget(struct once *o, struct once_record *rec)
{
    struct list *node;

    while ((node = list_pop_front(&rec->waiters))) {
        struct waiter *w = list_entry(node, struct waiter, node);

        request_free(&w->request);
        free(w);
    }
    map_remove(&o->by_id, rec->id);
    list_remove(&rec->node);
    blob_unref(&rec->payload);
    free(rec);
}

void
router_once_init(struct once *o)
{
    zuuid_t *uuid = zuuid_new();

    map_init(&o->by_id, offsetof(struct once_record, id), ID_MAX);
    list_init(&o->finished);
    snprintf(o->uuid, sizeof(o->uuid), "%s", zuuid_str(uuid));
    zuuid_destroy(&uuid);
}

void
router_once_fini(struct once *o)
{
    struct once_record *rec;
    size_t pos = 0;

    while ((rec = map_next(&o->by_id, &pos))) {
        forget(o, rec);
        pos = 0; // the table has changed
    }
    map_fini(&o->by_id);
}

static struct once_record *
add_record(struct once *o, const char id[ID_MAX])
{
    struct once_record *rec = xcalloc(1, sizeof(*rec));

    memcpy(rec->id, id, ID_MAX);
    list_init(&rec->node);
    list_init(&rec->waiters);
    map_put(&o->by_id, rec);
    return rec;
}

static void
wait_for(struct once_record *rec, struct request *req)
{
    struct waiter *w = xmalloc(sizeof(*w));

    w->request = request_keep(req);
    list_init(&w->node);
    list_push_back(&rec->waiters, &w->node);
}

static void
answer_as_before(struct router *r, const struct once_record *rec, struct request *req)
{
    struct blob *payload = blob_ref(rec->payload);

    router_answer(r, req, rec->errnum, &payload);
}

void
router_once_finish(struct router *r, struct once_record *rec, int errnum,
                   const struct blob *payload)
{
    struct list *node;

    rec->is_finished = true;
    rec->errnum = errnum;
    rec->payload = blob_ref(payload);
    while ((node = list_pop_front(&rec->waiters))) {
        struct waiter *w = list_entry(node, struct waiter, node);

        answer_as_before(r, rec, w->request);
        request_free(&w->request);
        free(w);
    }
    list_push_back(&r->once.finished, &rec->node);
    if (++r->once.nfinished <= REMEMBERED_MAX) /* I1 */
        return;
    r->once.nfinished--;
    forget(&r->once, list_entry(r->once.finished.next, struct once_record, node));
}

/* --- at rank 0 --- */

/* Topic once.ID.TOPIC: the id, and where the topic begins.  NULL: malformed. */
static const char *
split(const char *topic, char ret_id[ID_MAX])
{
    const char *id = topic + strlen(PREFIX);
    const char *dot = strchr(id, '.');
    size_t len = dot ? (size_t)(dot - id) : 0;

    if (len == 0 || len >= ID_MAX || dot[1] == '\0')
        return NULL;
    memset(ret_id, 0, ID_MAX);
    memcpy(ret_id, id, len);
    return dot + 1;
}

const char *
router_once_id(const struct request *req)
{
    return req->once ? req->once->id : "";
}

static void
serve_first(struct router *r, struct request *req, const char *topic, const char id[ID_MAX])
{
    AUTO(free) char *inner = xstrdup(topic);

    req->once = add_record(&r->once, id);
    msg_set_topic(&req->msg, inner);
    if (!service_table_call(r->services, req))
        router_respond_error(r, req, ENOSYS, "No service matching %s is registered", inner);
}

static void
serve_at_root(struct router *r, struct request *req)
{
    char id[ID_MAX];
    const char *topic = split(req->msg.topic, id);
    struct once_record *rec = topic ? map_get(&r->once.by_id, id) : NULL;

    if (!topic || strncmp(topic, PREFIX, strlen(PREFIX)) == 0)
        router_respond_error(r, req, EPROTO, "malformed topic");
    else if (!rec)
        serve_first(r, req, topic, id);
    else if (rec->is_finished)
        answer_as_before(r, rec, req);
    else
        wait_for(rec, req);
}

static void
serve_once(void *arg, struct request *req)
{
    struct router *r = arg;

    if (req->from.kind != ORIGIN_CHILD || (req->msg.flags & (MSG_NORESPONSE | MSG_STREAMING)))
        router_respond_error(r, req, EPERM, "for ranks only");
    else if (r->rank > 0)
        router_pass_on(r, req, &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
    else
        serve_at_root(r, req);
}

void
router_serve_once(struct router *r, struct service_table *table)
{
    static const struct service services[] = {{PREFIX, serve_once}};

    service_table_add(table, services, ARRAY_SIZE(services), r);
}

/* --- below --- */

void
router_pass_once(struct router *r, struct request *req)
{
    AUTO(free)
    char *topic =
        xasprintf(PREFIX "%s-%" PRIu64 ".%s", r->once.uuid, ++r->once.passed, req->msg.topic);

    assert(strlen(topic) <= MSG_TOPIC_MAX);
    router_pass_on(
        r, req, &(struct router_pass){.rank = TOPO_NONE, .topic = topic, .flags = ROUTER_REPLAY});
}
