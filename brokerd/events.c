/* SPDX-License-Identifier: MPL-2.0 */
/* events.c - see events.h.
 *
 * A subscriber is a local client with at least one subscription; a subscription is the beginning of a topic,
 * counted: who subscribes to it twice has to unsubscribe twice.  An event goes to a subscriber once, however
 * many of its subscriptions match, behind all that was queued for it before.  What happens if it does not read
 * is the connector's business.
 *
 * An event that is published goes up to rank 0 as a request, and from there down to all ranks like any other:
 * so all ranks see one order.  Clients cannot make events that ranks act upon.
 *
 * I1  Every subscriber's connection is open: it is forgotten when that closes. */
#include "events.h"
#include "base64.h"
#include "json_reply.h"
#include "list.h"
#include "member_news.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define SUBSCRIPTIONS_MAX 1024 // of a client
#define EVENT_MAX 65536        // bytes that are published as one event

struct subscription {
    struct list node;
    char *prefix; // owned
    size_t count;
};

struct subscriber {
    struct list node;
    uint64_t conn;
    struct list subscriptions;
    size_t count; // of them, repeated ones counted
};

struct events {
    uint32_t rank;
    struct router *router;         // borrowed
    const struct overlay *overlay; // borrowed; NULL before it exists
    struct connector *connector;   // borrowed; NULL: there is none
    struct list subscribers;
};

/* --- who has subscribed to what --- */

static struct subscriber *
find_subscriber(const struct events *e, uint64_t conn)
{
    LIST_FOR_EACH (it, &e->subscribers) {
        struct subscriber *s = list_entry(it, struct subscriber, node);

        if (s->conn == conn)
            return s;
    }
    return NULL;
}

static struct subscriber *
get_subscriber(struct events *e, uint64_t conn)
{
    struct subscriber *s = find_subscriber(e, conn);

    if (s)
        return s;
    s = xcalloc(1, sizeof(*s));
    s->conn = conn;
    list_init(&s->subscriptions);
    list_init(&s->node);
    list_push_back(&e->subscribers, &s->node);
    return s;
}

static struct subscription *
find_subscription(const struct subscriber *s, const char *prefix)
{
    LIST_FOR_EACH (it, &s->subscriptions) {
        struct subscription *sub = list_entry(it, struct subscription, node);

        if (strcmp(sub->prefix, prefix) == 0)
            return sub;
    }
    return NULL;
}

static void
free_subscription(struct subscription *sub)
{
    list_remove(&sub->node);
    free(sub->prefix);
    free(sub);
}

static void
free_subscriber(struct subscriber *s)
{
    LIST_FOR_EACH (it, &s->subscriptions)
        free_subscription(list_entry(it, struct subscription, node));
    list_remove(&s->node);
    free(s);
}

static int
subscribe(struct events *e, uint64_t conn, const char *prefix)
{
    struct subscriber *s = get_subscriber(e, conn);
    struct subscription *sub = find_subscription(s, prefix);

    if (s->count >= SUBSCRIPTIONS_MAX)
        return -E2BIG;
    s->count++;
    if (!sub) {
        sub = xcalloc(1, sizeof(*sub));
        sub->prefix = xstrdup(prefix);
        list_init(&sub->node);
        list_push_back(&s->subscriptions, &sub->node);
    }
    sub->count++;
    return 0;
}

static int
unsubscribe(struct events *e, uint64_t conn, const char *prefix)
{
    struct subscriber *s = find_subscriber(e, conn);
    struct subscription *sub = s ? find_subscription(s, prefix) : NULL;

    if (!sub)
        return -ENOENT;
    s->count--;
    if (--sub->count == 0)
        free_subscription(sub);
    if (s->count == 0)
        free_subscriber(s);
    return 0;
}

void
events_forget(struct events *e, const struct origin *client)
{
    struct subscriber *s = client->kind == ORIGIN_CONN ? find_subscriber(e, client->conn) : NULL;

    if (s)
        free_subscriber(s);
}

/* --- delivery --- */

static bool
wants(const struct subscriber *s, const char *topic)
{
    LIST_FOR_EACH (it, &s->subscriptions) {
        const char *prefix = list_entry(it, struct subscription, node)->prefix;

        if (strncmp(topic, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

void
events_deliver(struct events *e, const struct msg *event)
{
    if (!e->connector)
        return;
    LIST_FOR_EACH (it, &e->subscribers) {
        struct subscriber *s = list_entry(it, struct subscriber, node);
        struct msg copy;

        if (!wants(s, event->topic))
            continue;
        msg_copy(&copy, event);
        connector_send_event(e->connector, s->conn, &copy);
    }
}

/* --- event.subscribe, event.unsubscribe --- */

/* The text of payload's member "topic", malloc()ed; NULL: req has been answered. */
static char *
read_topic(struct events *e, struct request *req)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *topic = json_string_value(json_object_get(json, "topic"));
    char *copy = NULL;

    if (req->from.kind != ORIGIN_CONN)
        router_respond_error(e->router, req, ENOSYS,
                             "%s: events are for the local clients of a rank", req->msg.topic);
    else if (!topic)
        router_respond_error(e->router, req, EPROTO, "%s: no topic", req->msg.topic);
    else if (strlen(topic) > MSG_TOPIC_MAX)
        router_respond_error(e->router, req, EINVAL, "%s: no topic is longer than %d bytes",
                             req->msg.topic, MSG_TOPIC_MAX);
    else
        copy = xstrdup(topic);
    json_decref(json);
    return copy;
}

static void
respond_rc(struct events *e, struct request *req, int rc, const char *text)
{
    struct blob *none = NULL;

    if (rc < 0)
        router_respond_error(e->router, req, -rc, "%s: %s", req->msg.topic, text);
    else
        router_respond(e->router, req, &none);
}

static void
serve_subscribe(void *arg, struct request *req)
{
    struct events *e = arg;
    AUTO(free) char *topic = read_topic(e, req);

    if (topic)
        respond_rc(e, req, subscribe(e, req->from.conn, topic), "too many subscriptions");
}

static void
serve_unsubscribe(void *arg, struct request *req)
{
    struct events *e = arg;
    AUTO(free) char *topic = read_topic(e, req);

    if (topic)
        respond_rc(e, req, unsubscribe(e, req->from.conn, topic), "not subscribed");
}

/* --- event.publish --- */

/* What ranks act upon when the parent says it. */
static bool
is_reserved(const char *topic)
{
    static const char *const prefixes[] = {"broker.", "content.", "kvs.", "overlay."};

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (strncmp(topic, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

static int
set_payload(struct msg *event, const char *base64, struct err *err)
{
    size_t len = strlen(base64);
    AUTO(free) uint8_t *bytes = NULL;
    struct blob *payload;
    size_t size;

    if (base64_check(base64, len, &size) < 0)
        return err_set(err, -EPROTO, "the payload is not base64");
    if (size > EVENT_MAX)
        return err_set(err, -EFBIG, "the payload has more than %d bytes", EVENT_MAX);
    bytes = xmalloc(size + 1);
    base64_decode(base64, len, bytes);
    payload = blob_new(bytes, size);
    msg_set_payload(event, &payload);
    return 0;
}

static int
make_event(const json_t *json, struct msg *ret, struct err *err)
{
    const char *topic = "";
    const char *payload = "";
    int flags = 0;

    if (json_unpack((json_t *)(uintptr_t)json, "{s:s s?i s?s}", "topic", &topic, "flags", &flags,
                    "payload", &payload) < 0)
        return err_set(err, -EPROTO, "malformed payload");
    if (flags & ~MSG_PRIVATE)
        return err_set(err, -EINVAL, "unknown flags");
    if (is_reserved(topic))
        return err_set(err, -EPERM, "only ranks announce %s", topic);
    msg_init(ret, MSG_EVENT);
    if (topic[0] == '\0' || msg_set_topic(ret, topic) < 0)
        return err_set(err, -EINVAL, "not a topic");
    ret->flags |= (uint8_t)flags;
    return payload[0] ? set_payload(ret, payload, err) : 0;
}

/* Nobody holds an event back for a rank that does not read; so no more are made meanwhile. */
static bool
is_child_full(const struct events *e)
{
    for (size_t i = 0; e->overlay && i < router_child_count(e->router); i++) {
        struct overlay_from child = {.kind = OVERLAY_CHILD, .rank = router_child(e->router, i)};

        if (overlay_is_full(e->overlay, &child))
            return true;
    }
    return false;
}

static void
publish(struct events *e, struct request *req, struct msg *event)
{
    json_t *json;

    if (is_child_full(e)) {
        router_respond_error(e->router, req, EAGAIN, "ranks below have not taken what was sent");
        return;
    }
    router_send_down(e->router, event);
    json = json_pack("{s:I}", "seq", (json_int_t)event->sequence);
    json_reply(e->router, req, &json);
}

static void
serve_publish(void *arg, struct request *req)
{
    struct events *e = arg;
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    struct msg event = {.payload = NULL};
    struct err err = {0};
    int rc = make_event(json, &event, &err);

    if (!(req->msg.rolemask & MSG_ROLE_OWNER))
        router_respond_error(e->router, req, EPERM, "Request requires owner credentials");
    else if (rc < 0)
        router_respond_error(e->router, req, -rc, "event.publish: %s", err.text);
    else if (e->rank > 0)
        router_pass_once(e->router, req);
    else
        publish(e, req, &event);
    msg_fini(&event);
    json_decref(json);
}

/* --- life --- */

static const struct service services[] = {
    {"event.subscribe", serve_subscribe},
    {"event.unsubscribe", serve_unsubscribe},
    {"event.publish", serve_publish},
};

static void
deliver_one(void *arg, const struct msg *event)
{
    events_deliver(arg, event);
}

/* What ranks tell each other in one event is several for clients. */
static void
on_event(void *arg, const struct msg *event)
{
    struct events *e = arg;

    if (!member_news_is_batch(event))
        events_deliver(e, event);
    else if (!list_is_empty(&e->subscribers))
        member_news_unpack(event, deliver_one, e);
}

struct events *
events_new(uint32_t rank, struct router *router, struct service_table *table)
{
    struct events *e = xcalloc(1, sizeof(*e));

    e->rank = rank;
    e->router = router;
    list_init(&e->subscribers);
    service_table_add(table, services, ARRAY_SIZE(services), e);
    router_set_event_listener(router, on_event, e);
    return e;
}

void
events_free(struct events **events)
{
    struct events *e = TAKE(*events);

    if (!e)
        return;
    LIST_FOR_EACH (it, &e->subscribers)
        free_subscriber(list_entry(it, struct subscriber, node));
    free(e);
}

void
events_attach(struct events *e, const struct overlay *overlay, struct connector *connector)
{
    e->overlay = overlay;
    e->connector = connector;
}
