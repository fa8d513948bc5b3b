/* SPDX-License-Identifier: MPL-2.0 */
/* greeting.c - see greeting.h.  The JSON has Flux's members (rank, version, uuid, hostname) and
 * ours; a parent refuses with a sentence, because a refusal is read by a person on the other host. */
#include "greeting.h"
#include "topo.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

void
greeting_encode(const struct greeting *g, struct buf *out)
{
    json_t *json = json_pack("{s:i s:i s:i s:i s:s s:s s:s s:s s:s}", "rank", (int)g->rank, "size",
                             (int)g->size, "fanout", (int)g->fanout, "protocol", g->protocol,
                             "version", g->version, "instance", g->instance, "hash", g->hash,
                             "uuid", g->uuid, "hostname", g->hostname);
    char *text;

    assert(json);
    if (g->attempt > 0)
        json_object_set_new(json, "attempt", json_integer(g->attempt));
    if (g->window > 0)
        json_object_set_new(json, "window", json_integer(g->window));
    if (g->placed > 0)
        json_object_set_new(json, "placed", json_integer(g->placed));
    text = json_dumps(json, JSON_COMPACT);
    assert(text);
    buf_add_str(out, text);
    free(text);
    json_decref(json);
}

static int
get_number(const json_t *json, const char *name, uint32_t max, uint32_t *ret, struct err *err)
{
    const json_t *value = json_object_get(json, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return err_set(err, -EPROTO, "member \"%s\" is missing or out of range", name);
    *ret = (uint32_t)json_integer_value(value);
    return 0;
}

static int
get_word(const json_t *json, const char *name, char ret[GREETING_WORD_MAX], struct err *err)
{
    const char *value = json_string_value(json_object_get(json, name));

    if (!value || strlen(value) >= GREETING_WORD_MAX)
        return err_set(err, -EPROTO, "member \"%s\" is missing or too long", name);
    strcpy(ret, value);
    return 0;
}

/* Only a parent tells it.  It bounds what we may have on its way, so it is checked both ways. */
static int
get_window(const json_t *json, uint32_t *ret, struct err *err)
{
    *ret = 0;
    if (!json_object_get(json, "window"))
        return 0;
    if (get_number(json, "window", GREETING_WINDOW_MAX, ret, err) < 0)
        return -EPROTO;
    if (*ret < GREETING_WINDOW_MIN)
        return err_set(err, -EPROTO, "member \"window\" is out of range");
    return 0;
}

/* One that may be missing: 0 then. */
static int
get_optional(const json_t *json, const char *name, uint32_t max, uint32_t *ret, struct err *err)
{
    *ret = 0;
    return json_object_get(json, name) ? get_number(json, name, max, ret, err) : 0;
}

int
greeting_decode(const char *text, size_t size, struct greeting *ret, struct err *err)
{
    json_t *json = json_loadb(text, size, 0, NULL);
    uint32_t protocol = 0;
    int rc = -EPROTO;

    if (!json)
        return err_set(err, -EPROTO, "not JSON");
    if (get_number(json, "rank", TOPO_SIZE_MAX, &ret->rank, err) == 0 &&
        get_number(json, "size", TOPO_SIZE_MAX, &ret->size, err) == 0 &&
        get_number(json, "fanout", TOPO_SIZE_MAX, &ret->fanout, err) == 0 &&
        get_number(json, "protocol", 1000000, &protocol, err) == 0 &&
        get_word(json, "version", ret->version, err) == 0 &&
        get_word(json, "instance", ret->instance, err) == 0 &&
        get_word(json, "hash", ret->hash, err) == 0 &&
        get_word(json, "uuid", ret->uuid, err) == 0 &&
        get_word(json, "hostname", ret->hostname, err) == 0 &&
        get_optional(json, "attempt", UINT32_MAX, &ret->attempt, err) == 0 &&
        get_optional(json, "placed", 1, &ret->placed, err) == 0 &&
        get_window(json, &ret->window, err) == 0) {
        ret->protocol = (int)protocol;
        rc = 0;
    }
    json_decref(json);
    return rc;
}

int
greeting_check(const struct greeting *parent, const struct greeting *child, struct err *err)
{
    struct topo topo = {.size = parent->size, .fanout = parent->fanout};

    if (child->protocol != parent->protocol)
        return err_set(
            err, -EPERM,
            "rank %u on %s speaks link protocol %d (version %s), rank %u %d (version %s)",
            child->rank, child->hostname, child->protocol, child->version, parent->rank,
            parent->protocol, parent->version);
    if (strcmp(child->instance, parent->instance) != 0)
        return err_set(err, -EPERM, "rank %u on %s belongs to instance %s, rank %u to %s",
                       child->rank, child->hostname, child->instance, parent->rank,
                       parent->instance);
    if (strcmp(child->hash, parent->hash) != 0)
        return err_set(err, -EPERM, "rank %u on %s uses hash algorithm %s, rank %u uses %s",
                       child->rank, child->hostname, child->hash, parent->rank, parent->hash);
    if (child->size != parent->size || child->fanout != parent->fanout)
        return err_set(err, -EPERM,
                       "rank %u on %s expects %u ranks with fanout %u, rank %u expects %u with %u",
                       child->rank, child->hostname, child->size, child->fanout, parent->rank,
                       parent->size, parent->fanout);
    if (child->rank == parent->rank || child->rank >= parent->size ||
        !topo_is_below(&topo, child->rank, parent->rank))
        return err_set(err, -EPERM, "rank %u on %s is not below rank %u in this tree", child->rank,
                       child->hostname, parent->rank);
    return 0;
}
