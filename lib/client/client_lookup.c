/* SPDX-License-Identifier: MPL-2.0 */
/* client_lookup.c - look-ups, at once or as streams (RFC 11, xylem-kvs(7)).
 *
 * Requests and answers are JSON.  Tree objects go out as text; only the functions that return bytes
 * look inside one. */
#include "client.h"
#include "treeobj.h"

#include <errno.h>
#include <jansson.h>

#define STREAMS (XYLEM_WATCH | XYLEM_STREAM)
/* Those that the watch service is for. */
#define WAITS \
    (STREAMS | XYLEM_WAITCREATE | XYLEM_WATCH_FULL | XYLEM_WATCH_UNIQ | XYLEM_WATCH_APPEND | \
     XYLEM_INITIAL_SENTINEL)

static json_t *
lookup_json(const char *ns, const char *key, const char *at, int flags)
{
    if (at)
        return json_pack("{s:s,s:{s:i,s:s,s:[s]},s:i}", "key", key, "rootdir", "ver", 1, "type",
                         "dirref", "data", at, "flags", flags);
    return json_pack("{s:s,s:s,s:i}", "key", key, "namespace", client_namespace(ns), "flags",
                     flags);
}

int
xylem_lookup_async(xylem_t *x, const char *ns, const char *key, const char *at, int flags,
                   xylem_fn fn, void *arg, uint32_t *ret_tag)
{
    const struct client_request spec = {
        .topic = flags & WAITS ? "kvs-watch.lookup" : "kvs.lookup",
        .rank = XYLEM_RANK_ANY,
        .streaming = flags & STREAMS,
        .form = CLIENT_TEXT,
        .waits = flags & WAITS,
    };

    return client_json_request(x, &spec, lookup_json(ns, key, at, flags), fn, arg, ret_tag);
}

/* --- answers --- */

/* *ret: a new reference to what the key holds. */
static int
parse_answer(struct xylem *x, const char *text, json_t **ret)
{
    json_t *json = json_loads(text, 0, NULL);

    *ret = json_incref(json_object_get(json, "val"));
    json_decref(json);
    return *ret ? 0 : client_fail(x, -EPROTO, "the rank's answer is not a tree object");
}

/* The text of a val as ranks write it.  JSON parsers look at every byte of a string for long; base64 is checked
 * anyway.  false: it is something else. */
static bool
parse_plain_val(const char *text, struct treeobj **ret)
{
    static const char head[] = "{\"val\":{\"data\":\"";
    static const char tail[] = "\",\"type\":\"val\",\"ver\":1}}";
    const char *data = text + sizeof(head) - 1;
    const char *end;

    if (strncmp(text, head, sizeof(head) - 1) != 0)
        return false;
    end = strchr(data, '"');
    return end && strcmp(end, tail) == 0 &&
           treeobj_new_val_base64(data, (size_t)(end - data), ret) == 0;
}

static int
parse_any(struct xylem *x, const char *text, struct treeobj **ret)
{
    json_t *val;
    int rc = parse_answer(x, text, &val);

    if (rc < 0)
        return rc;
    rc = treeobj_from_json(x->alg, val, ret, &x->error);
    json_decref(val);
    return rc;
}

static int
parse_value(struct xylem *x, const char *text, void **ret_data, size_t *ret_size)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc = parse_plain_val(text, &obj) ? 0 : parse_any(x, text, &obj);

    if (rc < 0)
        return rc;
    if (treeobj_type(obj) != TREEOBJ_VAL)
        return client_fail(x, -EPROTO, "the rank's answer is not a value");
    rc = treeobj_val_decode(obj, ret_data, ret_size);
    return rc < 0 ? client_fail(x, rc, "%s", err_name(rc)) : 0;
}

/* As canonical as the objects that are stored. */
static int
parse_object(struct xylem *x, const char *text, char **ret)
{
    json_t *val;
    int rc = parse_answer(x, text, &val);

    if (rc < 0)
        return rc;
    *ret = json_dumps(val, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    json_decref(val);
    return *ret ? 0 : client_fail(x, -ENOMEM, "%s", err_name(ENOMEM));
}

int
xylem_lookup_object(xylem_t *x, const struct xylem_reply *reply, char **ret)
{
    if (reply->rc < 0)
        return client_fail(x, reply->rc, "%s", reply->error);
    return parse_object(x, reply->data, ret);
}

int
xylem_lookup_value(xylem_t *x, const struct xylem_reply *reply, void **ret_data, size_t *ret_size)
{
    if (reply->rc < 0)
        return client_fail(x, reply->rc, "%s", reply->error);
    return parse_value(x, reply->data, ret_data, ret_size);
}

/* --- one answer --- */

static int
wait_for_answer(struct answer *a, const char *ns, const char *key, const char *at, int flags)
{
    if (flags & STREAMS)
        return client_fail(a->x, -EINVAL, "a stream has more than one answer");
    return answer_wait(a, xylem_lookup_async(a->x, ns, key, at, flags, answer_take, a, NULL));
}

int
xylem_lookup(xylem_t *x, const char *ns, const char *key, const char *at, int flags, char **ret)
{
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = wait_for_answer(&a, ns, key, at, flags);
    return rc < 0 ? rc : parse_object(x, a.data, ret);
}

int
xylem_get(xylem_t *x, const char *ns, const char *key, void **ret_data, size_t *ret_size)
{
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = wait_for_answer(&a, ns, key, NULL, 0);
    return rc < 0 ? rc : parse_value(x, a.data, ret_data, ret_size);
}
