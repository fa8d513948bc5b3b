/* SPDX-License-Identifier: MPL-2.0 */
/* health.c - see health.h. */
#include "health.h"
#include "clock.h"
#include "json_reply.h"
#include "list.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define HOSTNAME_MAX 256

struct health {
    uint32_t rank;
    struct topo topo;
    struct router *router;         // borrowed
    const struct overlay *overlay; // borrowed
    struct list waits;             // struct status_wait
    char hostname[HOSTNAME_MAX];
};

/* Somebody waiting for our subtree to have a status. */
struct status_wait {
    struct list node;
    struct request *request; // owned
    enum subtree_status status;
};

/* --- overlay.health, overlay.wait --- */

static const char *const state_names[] = {
    [PEER_OFFLINE] = "offline", [PEER_GREETING] = "greeting", [PEER_ONLINE] = "online",
    [PEER_LEAVING] = "leaving", [PEER_LOST] = "lost",         [PEER_REFUSED] = "refused",
};

/* Of another machine's text: what is not UTF-8 is left out. */
static json_t *
host_string(const char *hostname)
{
    json_t *json = json_string(hostname);

    return json ? json : json_string("");
}

static double
seconds_since(const struct health *h, const struct peer *p)
{
    return (double)(overlay_now(h->overlay) - p->since) / 1000.0;
}

static json_t *
describe_child(const struct health *h, const struct overlay_child *child)
{
    const struct peer *p = child->peer;
    json_t *json = json_pack("{s:i s:s s:f s:b s:b s:o s:s}", "rank", (int)p->rank, "status",
                             peer_status_name(peer_status(p)), "duration", seconds_since(h, p),
                             "adopted", child->adopted, "torpid", p->is_torpid, "hostname",
                             host_string(child->hostname), "state", state_names[p->state]);

    if (p->state == PEER_LOST)
        json_object_set_new(json, "error", json_string("lost contact"));
    return json;
}

static json_t *
describe_children(const struct health *h)
{
    json_t *children = json_array();

    for (size_t i = 0; i < overlay_child_count(h->overlay); i++) {
        struct overlay_child child = overlay_child(h->overlay, i);

        json_array_append_new(children, describe_child(h, &child));
    }
    return children;
}

static void
describe_parent(const struct health *h, json_t *json)
{
    const struct peer *p = overlay_parent(h->overlay);

    if (!p)
        return;
    json_object_set_new(json, "parent", json_integer(overlay_parent_rank(h->overlay)));
    json_object_set_new(json, "parent_state", json_string(state_names[p->state]));
    json_object_set_new(json, "parent_torpid", json_boolean(p->is_torpid));
    json_object_set_new(json, "parent_since", json_real(clock_wall() - seconds_since(h, p)));
}

/* What Flux tells, and then more. */
static json_t *
describe_subtree(const struct health *h)
{
    json_t *json = json_pack("{s:i s:s s:f s:o s:o}", "rank", (int)h->rank, "status",
                             peer_status_name(overlay_status(h->overlay)), "duration",
                             (double)overlay_status_age(h->overlay) / 1000.0, "children",
                             describe_children(h), "hostname", host_string(h->hostname));

    describe_parent(h, json);
    return json;
}

static void
serve_health(void *arg, struct request *req)
{
    struct health *h = arg;
    json_t *json = describe_subtree(h);

    json_reply(h->router, req, &json);
}

static int
read_status(const struct request *req, enum subtree_status *ret)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(json, "status"));
    int rc = name ? peer_status_parse(name, ret) : -EPROTO;

    json_decref(json);
    return rc;
}

static void
serve_wait(void *arg, struct request *req)
{
    struct health *h = arg;
    enum subtree_status status;
    struct status_wait *w;
    int rc = read_status(req, &status);

    if (rc < 0) {
        router_respond_error(h->router, req, -rc, "overlay.wait: no such status");
        return;
    }
    if (status == overlay_status(h->overlay)) {
        serve_health(h, req);
        return;
    }
    w = xmalloc(sizeof(*w));
    w->request = request_keep(req);
    w->status = status;
    list_init(&w->node);
    list_push_back(&h->waits, &w->node);
}

static void
free_wait(struct status_wait *w)
{
    list_remove(&w->node);
    request_free(&w->request);
    free(w);
}

void
health_status_changed(struct health *h, enum subtree_status status)
{
    LIST_FOR_EACH (node, &h->waits) {
        struct status_wait *w = list_entry(node, struct status_wait, node);

        if (w->status != status)
            continue;
        serve_health(h, w->request);
        free_wait(w);
    }
}

void
health_forget(struct health *h, const struct origin *client)
{
    LIST_FOR_EACH (node, &h->waits) {
        struct status_wait *w = list_entry(node, struct status_wait, node);

        if (request_is_from(w->request, client))
            free_wait(w);
    }
}

/* --- overlay.topology --- */

static json_t *
describe_topology(const struct topo *topo, uint32_t rank)
{
    json_t *children = json_array();

    for (uint32_t i = 0; i < topo_child_count(topo, rank); i++)
        json_array_append_new(children, describe_topology(topo, topo_child(topo, rank, i)));
    return json_pack("{s:i s:i s:o}", "rank", (int)rank, "size", (int)topo_subtree_size(topo, rank),
                     "children", children);
}

static void
respond_topology(struct health *h, struct request *req, uint32_t rank)
{
    json_t *json = describe_topology(&h->topo, rank);

    json_reply(h->router, req, &json);
}

static void
serve_topology(void *arg, struct request *req)
{
    struct health *h = arg;
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    json_int_t rank = -1;

    if (json_unpack(json, "{s:I}", "rank", &rank) < 0)
        router_respond_error(h->router, req, EPROTO, "overlay.topology: no rank");
    else if (rank < 0 || rank >= h->topo.size)
        router_respond_error(h->router, req, ENOENT, "there is no such rank");
    else
        respond_topology(h, req, (uint32_t)rank);
    json_decref(json);
}

/* --- ping --- */

/* The answer has exactly the members of the question and these: Flux's client insists. */
static void
serve_ping(void *arg, struct request *req)
{
    struct health *h = arg;
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    char route[32];

    if (!json_is_object(json)) {
        router_respond_error(h->router, req, EPROTO, "ping: payload is not an object");
        json_decref(json);
        return;
    }
    snprintf(route, sizeof(route), "rank-%u", h->rank);
    json_object_set_new(json, "route", json_string(route));
    json_object_set_new(json, "userid", json_integer((json_int_t)req->msg.userid));
    json_object_set_new(json, "rolemask", json_integer((json_int_t)req->msg.rolemask));
    json_object_set_new(json, "rank", json_integer((json_int_t)h->rank));
    json_reply(h->router, req, &json);
}

/* --- life --- */

static const struct service services[] = {
    {"overlay.health", serve_health}, {"overlay.topology", serve_topology},
    {"overlay.wait", serve_wait},     {"broker.ping", serve_ping},
    {"content.ping", serve_ping},     {"content-sqlite.ping", serve_ping},
    {"kvs.ping", serve_ping},         {"kvs-watch.ping", serve_ping},
};

struct health *
health_new(uint32_t rank, const struct topo *topo, struct router *router,
           struct service_table *table)
{
    struct health *h = xcalloc(1, sizeof(*h));

    h->rank = rank;
    h->topo = *topo;
    h->router = router;
    list_init(&h->waits);
    gethostname(h->hostname, sizeof(h->hostname) - 1);
    service_table_add(table, services, ARRAY_SIZE(services), h);
    return h;
}

void
health_free(struct health **health)
{
    struct health *h = TAKE(*health);

    if (!h)
        return;
    LIST_FOR_EACH (node, &h->waits)
        free_wait(list_entry(node, struct status_wait, node));
    free(h);
}

void
health_attach(struct health *h, const struct overlay *overlay)
{
    h->overlay = overlay;
}
