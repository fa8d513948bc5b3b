/* SPDX-License-Identifier: MPL-2.0 */
/* attrs.c - see attrs.h. */
#include "attrs.h"
#include "json_reply.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define ATTRS_MAX 32
#define FLAG_IMMUTABLE 1 // clients may cache the value

struct attr {
    char *name;  // owned
    char *value; // owned
};

struct attrs {
    struct router *router; // borrowed
    struct attr rows[ATTRS_MAX];
    size_t count;
};

void
attrs_set(struct attrs *a, const char *name, const char *value)
{
    assert(a->count < ATTRS_MAX);
    a->rows[a->count++] = (struct attr){xstrdup(name), xstrdup(value)};
}

static const struct attr *
find_attr(const struct attrs *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->rows[i].name, name) == 0)
            return &a->rows[i];
    }
    return NULL;
}

/* The attribute a payload names, or NULL: then req has been answered. */
static const struct attr *
read_name(struct attrs *a, struct request *req)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(json, "name"));
    const struct attr *attr = name ? find_attr(a, name) : NULL;

    if (!name)
        router_respond_error(a->router, req, EPROTO, "%s: no name", req->msg.topic);
    else if (!attr)
        router_respond_error(a->router, req, ENOENT, "unknown attribute");
    json_decref(json);
    return attr;
}

static void
serve_get(void *arg, struct request *req)
{
    struct attrs *a = arg;
    const struct attr *attr = read_name(a, req);

    json_t *json;

    if (!attr)
        return;
    json = json_pack("{s:s s:i}", "value", attr->value, "flags", FLAG_IMMUTABLE);
    json_reply(a->router, req, &json);
}

static void
serve_list(void *arg, struct request *req)
{
    struct attrs *a = arg;
    json_t *names = json_array();
    json_t *json;

    for (size_t i = 0; i < a->count; i++)
        json_array_append_new(names, json_string(a->rows[i].name));
    json = json_pack("{s:o}", "names", names);
    json_reply(a->router, req, &json);
}

static void
serve_set(void *arg, struct request *req)
{
    struct attrs *a = arg;

    if (read_name(a, req))
        router_respond_error(a->router, req, EINVAL, "attribute may not be updated");
}

static const struct service services[] = {
    {"attr.get", serve_get},
    {"attr.list", serve_list},
    {"attr.set", serve_set},
    {"attr.rm", serve_set},
};

struct attrs *
attrs_new(struct router *router, struct service_table *table)
{
    struct attrs *a = xcalloc(1, sizeof(*a));

    a->router = router;
    service_table_add(table, services, ARRAY_SIZE(services), a);
    return a;
}

void
attrs_free(struct attrs **attrs)
{
    struct attrs *a = TAKE(*attrs);

    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++) {
        free(a->rows[i].name);
        free(a->rows[i].value);
    }
    free(a);
}
