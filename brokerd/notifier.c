/* SPDX-License-Identifier: MPL-2.0 */
/* notifier.c - see notifier.h.
 *
 * rank        with a service manager's socket     without one
 * 0           tells it                            answers that all is well: nobody has to be patient
 * others      tells it                            asks the parent to
 * The rank does not wait for a service manager that does not read: what it misses is out of date soon.
 */
#include "notifier.h"
#include "elog.h"
#include "sd_notify.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>

#define MORE_USEC 10000000 // how long the service manager is to be patient from then on, at least

struct notifier {
    uint32_t rank;
    const char *address;   // borrowed; NULL: none
    struct router *router; // borrowed
    struct elog_limit failures;
};

static void
tell(struct notifier *n, const char *status)
{
    AUTO(free) char *lines = xasprintf("STATUS=%s\nEXTEND_TIMEOUT_USEC=%d", status, MORE_USEC);
    int rc = sd_notify_send(n->address, lines, 0);

    if (rc < 0)
        elog_limited(&n->failures, ELOG_WARN, "cannot tell the service manager: %s", err_name(rc));
}

static void
serve_status(struct notifier *n, struct request *req, const char *status)
{
    struct blob *none = NULL;

    if (!status) {
        router_respond_error(n->router, req, EPROTO, "%s: no status", req->msg.topic);
    } else if (!sd_notify_is_value(status)) {
        router_respond_error(n->router, req, EINVAL,
                             "the status has a control character or more than %d bytes",
                             SD_NOTIFY_LINE_MAX);
    } else if (n->address || n->rank == 0) {
        if (n->address)
            tell(n, status);
        router_respond(n->router, req, &none);
    } else {
        router_pass_on(n->router, req,
                       &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
    }
}

static void
serve_sd_notify(void *arg, struct request *req)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;

    serve_status(arg, req, json_string_value(json_object_get(json, "status")));
    json_decref(json);
}

struct notifier *
notifier_new(uint32_t rank, const char *address, struct router *router, struct service_table *table)
{
    static const struct service services[] = {{"state-machine.sd-notify", serve_sd_notify}};
    struct notifier *n = xcalloc(1, sizeof(*n));

    n->rank = rank;
    n->address = address;
    n->router = router;
    service_table_add(table, services, ARRAY_SIZE(services), n);
    return n;
}

void
notifier_free(struct notifier **notifier)
{
    free(TAKE(*notifier));
}
