/* SPDX-License-Identifier: MPL-2.0 */
/* client_rpc.c - requests for which there is no function of their own, and attributes. */
#include "client.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>

int
xylem_rpc_async(xylem_t *x, const char *topic, uint32_t rank, const void *payload, size_t size,
                int flags, xylem_fn fn, void *arg, uint32_t *ret_tag)
{
    const struct client_request spec = {
        .topic = topic,
        .rank = rank,
        .streaming = flags & XYLEM_STREAMING,
        .form = flags & XYLEM_TEXT ? CLIENT_TEXT : CLIENT_BYTES,
    };
    struct blob *b = NULL;

    if (size > TRANSPORT_PAYLOAD_MAX)
        return client_fail(x, -EFBIG, "%s", err_name(EFBIG));
    if (payload && !(b = client_bytes_payload(payload, size, flags & XYLEM_TEXT)))
        return client_fail(x, -ENOMEM, "%s", err_name(ENOMEM));
    return client_request(x, &spec, &b, fn, arg, ret_tag);
}

int
xylem_rpc(xylem_t *x, const char *topic, uint32_t rank, const char *request, char **ret)
{
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = xylem_rpc_async(x, topic, rank, request, request ? strlen(request) : 0, XYLEM_TEXT,
                         answer_take, &a, NULL);
    rc = answer_wait(&a, rc);
    if (rc == 0 && ret)
        *ret = TAKE(a.data);
    return rc;
}

int
xylem_getattr(xylem_t *x, const char *name, char **ret)
{
    AUTO(free) char *request = NULL;
    AUTO(free) char *answer = NULL;
    json_t *json = json_pack("{s:s}", "name", name);
    const char *value;
    int rc;

    request = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!request)
        return client_fail(x, -EINVAL, "attribute names are UTF-8");
    rc = xylem_rpc(x, "attr.get", XYLEM_RANK_ANY, request, &answer);
    if (rc < 0)
        return rc;
    json = json_loads(answer, 0, NULL);
    value = json_string_value(json_object_get(json, "value"));
    if (value)
        *ret = xstrdup(value);
    json_decref(json);
    return value ? 0 : client_fail(x, -EPROTO, "malformed answer to attr.get");
}
