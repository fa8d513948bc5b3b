/* SPDX-License-Identifier: MPL-2.0 */
/* absent.c - see absent.h.  A client that knows Flux is told what to use instead; a topic that nobody knows
 * gets the router's own answer, with the same number. */
#include "absent.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

struct absent {
    uint32_t rank;
    bool backing;
    struct router *router; // borrowed
};

struct reason {
    const char *topic;
    const char *text;
};

static const struct reason reasons[] = {
    {"content-backing.gc-info", "garbage is collected by content-backing.gc, in one piece"},
    {"content-backing.mark", "garbage is collected by content-backing.gc, in one piece"},
    {"content-backing.sweep", "garbage is collected by content-backing.gc, in one piece"},
    {"content.mmap-add", "files are not mapped: they are stored as blobs"},
    {"content.mmap-remove", "files are not mapped: they are stored as blobs"},
    {"kvs.lookup-plus", "kvs.lookup and kvs.getroot tell the same; kvs-watch.lookup watches"},
    {"kvs.relaycommit", "ranks send commits up as kvs.commit.ID"},
    {"module.list", "a rank has no modules"},
    {"module.load", "a rank has no modules to load"},
    {"module.remove", "a rank has no modules to remove"},
    {"overlay.disconnect-subtree", "a subtree is cut off by stopping its first rank"},
    {"overlay.monitor", "overlay.wait waits for a status"},
    {"overlay.trace", "messages are not traced; stats.get counts them"},
    {"service.add", "clients cannot serve topics"},
    {"service.remove", "clients cannot serve topics"},
};

static void
serve_absent(void *arg, struct request *req)
{
    struct absent *a = arg;
    const char *text = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (strcmp(reasons[i].topic, req->msg.topic) == 0)
            text = reasons[i].text;
    }
    assert(text);
    router_respond_error(a->router, req, ENOSYS, "%s is not served: %s", req->msg.topic, text);
}

/* The store is part of rank 0, from its start to its end. */
static void
serve_register(void *arg, struct request *req)
{
    struct absent *a = arg;

    if (a->rank > 0)
        router_respond_error(a->router, req, EINVAL, "the backing store is at rank 0");
    else if (a->backing)
        router_respond_error(a->router, req, EBUSY, "a backing store is already active");
    else
        router_respond_error(a->router, req, EINVAL,
                             "the backing store cannot be changed on the fly");
}

static void
serve_unregister(void *arg, struct request *req)
{
    struct absent *a = arg;

    router_respond_error(a->router, req, EINVAL,
                         a->backing && a->rank == 0
                             ? "the backing store cannot be changed on the fly"
                             : "this backing store is not active");
}

struct absent *
absent_new(uint32_t rank, bool backing, struct router *router, struct service_table *table)
{
    static const struct service others[] = {
        {"content.register-backing", serve_register},
        {"content.unregister-backing", serve_unregister},
    };
    struct service services[ARRAY_SIZE(reasons)]; // copied, but for the topics
    struct absent *a = xcalloc(1, sizeof(*a));

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        services[i] = (struct service){reasons[i].topic, serve_absent};
    a->rank = rank;
    a->backing = backing;
    a->router = router;
    service_table_add(table, services, ARRAY_SIZE(services), a);
    service_table_add(table, others, ARRAY_SIZE(others), a);
    return a;
}

void
absent_free(struct absent **absent)
{
    free(TAKE(*absent));
}
