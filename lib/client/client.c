/* SPDX-License-Identifier: MPL-2.0 */
/* client.c - the handle: open, dispatch, close, and waiting for one answer.
 *
 * A dispatch writes what is queued, takes everything that has arrived, runs the completions, and
 * writes what those have queued: with many requests in flight that is one read and one write for
 * dozens of them.
 *
 *   state      event                    state
 *   OPEN       the connection breaks    LOST, everything pending completes with -ECONNRESET
 *   OPEN, LOST xylem_close()            CLOSING, everything pending completes with -ECANCELED
 *
 * A synchronous call is the asynchronous one and dispatching until it has completed.  Other
 * completions that become due meanwhile run too.
 */
#include "client.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

/* --- errors --- */

int
client_fail(struct xylem *x, int rc, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(&x->error, rc, "%s", text);
}

const char *
xylem_error(const xylem_t *x)
{
    return x->error.text;
}

/* --- dispatch --- */

static void
deliver(struct xylem *x, struct msg *m)
{
    if (m->type == MSG_RESPONSE && !client_request_take_back(x, m))
        rpc_deliver(x->rpcs, m);
    msg_fini(m);
}

/* A failed write does not end it: answers may have arrived before the rank went away. */
static int
exchange(struct xylem *x)
{
    struct transport *t = x->transport;
    int written = t->ops->flush(t);
    struct msg m;
    int rc;

    while ((rc = t->ops->recv(t, &m)) == 1)
        deliver(x, &m);
    if (rc == 0 && written == 0)
        written = t->ops->flush(t);
    return rc < 0 ? rc : written;
}

static const char *
loss_reason(const struct transport *t, int rc)
{
    switch (rc) {
    case -ENOENT:
    case -ECONNREFUSED:
        return "no rank listens there";
    case -EPERM:
        return t->refusal ? t->refusal : "the rank refuses the connection";
    default:
        return "the connection to the rank is lost";
    }
}

static int
turn(struct xylem *x)
{
    int rc;

    if (x->state != CLIENT_OPEN)
        return -ECONNRESET;
    rc = exchange(x);
    if (rc == 0 || x->state != CLIENT_OPEN)
        return rc == 0 ? 0 : -ECONNRESET;
    x->state = CLIENT_LOST;
    rpc_fail_all(x->rpcs, ECONNRESET);
    client_fail(x, rc, "%s (%s)", loss_reason(x->transport, rc), err_name(rc));
    return -ECONNRESET;
}

/* ms left of timeout_ms since start; -1 for ever. */
static int
time_left(int64_t start, int timeout_ms)
{
    int64_t left = start + timeout_ms - clock_ms();

    if (timeout_ms < 0)
        return -1;
    return left < 0 ? 0 : (int)left;
}

static int
dispatch_until(struct xylem *x, uint64_t completed, int timeout_ms)
{
    int64_t start = timeout_ms > 0 ? clock_ms() : 0;
    int rc = turn(x);

    while (rc == 0 && x->completed == completed && timeout_ms != 0 && xylem_pending(x) > 0) {
        int left = time_left(start, timeout_ms);

        if (left == 0)
            break;
        x->transport->ops->wait(x->transport, left);
        rc = turn(x);
    }
    return rc;
}

int
xylem_dispatch(xylem_t *x, int timeout_ms)
{
    uint64_t completed = x->completed;
    int rc;

    x->depth++;
    rc = dispatch_until(x, completed, timeout_ms);
    x->depth--;
    if (x->depth == 0 && x->state == CLIENT_OPEN)
        x->transport->ops->settle(x->transport);
    return rc < 0 ? rc : (int)(x->completed - completed);
}

size_t
xylem_pending(const xylem_t *x)
{
    return rpc_pending(x->rpcs);
}

int
xylem_fd(const xylem_t *x)
{
    return x->transport->fd;
}

/* --- waiting for one answer --- */

void
answer_init(struct answer *a, struct xylem *x)
{
    *a = (struct answer){.x = x};
}

void
answer_take(void *arg, const struct xylem_reply *reply)
{
    struct answer *a = arg;

    a->done = true;
    a->rc = reply->rc;
    if (reply->rc < 0) {
        client_fail(a->x, reply->rc, "%s", reply->error);
        return;
    }
    a->data = xmem_try(reply->size + 1);
    if (!a->data) {
        a->rc = client_fail(a->x, -ENOMEM, "%s", err_name(ENOMEM));
        return;
    }
    memcpy(a->data, reply->data, reply->size);
    a->data[reply->size] = '\0';
    a->size = reply->size;
}

int
answer_wait(struct answer *a, int rc)
{
    while (rc >= 0 && !a->done)
        rc = xylem_dispatch(a->x, -1);
    return a->done ? a->rc : rc;
}

void
answer_auto(struct answer *a)
{
    free(a->data);
}

/* --- payloads --- */

struct blob *
client_bytes_payload(const void *data, size_t size, bool add_nul)
{
    uint8_t *bytes;
    struct blob *b = blob_alloc(size + add_nul, &bytes);

    if (!b)
        return NULL;
    if (size > 0)
        memcpy(bytes, data, size);
    if (add_nul)
        bytes[size] = '\0';
    return b;
}

struct blob *
client_text_payload(char **text)
{
    void *data = TAKE(*text);

    return blob_adopt(&data, strlen(data) + 1);
}

struct blob *
client_json_payload(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text ? client_text_payload(&text) : NULL;
}

/* --- open --- */

static struct xylem *
new_handle(struct transport *t)
{
    struct xylem *x = xcalloc(1, sizeof(*x));

    x->transport = t;
    x->rpcs = rpc_table_new();
    list_init(&x->waiting);
    if (t->window > 0)
        client_window_init(&x->window, t->window);
    return x;
}

static int
parse_hash(struct xylem *x, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    const char *name = json_string_value(json_object_get(json, "value"));

    x->has_alg = name && digest_alg_parse(name, &x->alg) == 0;
    json_decref(json);
    return x->has_alg ? 0 : client_fail(x, -EPROTO, "the rank names no known hash algorithm");
}

/* Ask for the hash algorithm, which also shows that a rank is there and answers in time. */
static int
ask_hash(struct xylem *x)
{
    const struct client_request spec = {
        .topic = "attr.get", .rank = XYLEM_RANK_ANY, .form = CLIENT_TEXT};
    char *text = xstrdup("{\"name\":\"content.hash\"}");
    struct blob *payload = client_text_payload(&text);
    AUTO(answer) struct answer a;
    uint32_t tag;
    int rc;

    answer_init(&a, x);
    rc = client_request(x, &spec, &payload, answer_take, &a, &tag);
    if (rc == 0)
        rc = xylem_dispatch(x, TRANSPORT_OPEN_MS);
    if (x->state == CLIENT_LOST)
        return x->error.code;
    if (!a.done) {
        xylem_cancel(x, tag);
        return client_fail(x, -ETIMEDOUT, "no answer within %d s", TRANSPORT_OPEN_MS / 1000);
    }
    return a.rc < 0 ? a.rc : parse_hash(x, a.data);
}

static int
open_transport(const char *text, const char *cert, struct transport **ret, struct err *err)
{
    struct uri uri;
    int rc;

    if (!text)
        text = getenv("XYLEM_URI");
    if (!text || !text[0])
        return err_set(err, -EINVAL, "no rank to talk to: set XYLEM_URI or give a URI");
    if (!cert)
        cert = getenv("XYLEM_CERT");
    if (cert && !cert[0])
        cert = NULL;
    rc = uri_parse(text, &uri, err);
    if (rc < 0)
        return rc;
    if (uri.kind == URI_LOCAL)
        return transport_open_local(&uri, ret, err);
    return transport_open_zmq(&uri, cert, ret, err);
}

static int
open_handle(xylem_t **ret, const char *uri, const char *cert, struct err *err)
{
    struct transport *t;
    struct xylem *x;
    int rc = open_transport(uri, cert, &t, err);

    if (rc < 0)
        return rc;
    x = new_handle(t);
    rc = ask_hash(x);
    if (rc == 0) {
        *ret = x;
        return 0;
    }
    err_set(err, rc, "%s: %s", uri ? uri : getenv("XYLEM_URI"), xylem_error(x));
    xylem_close(x);
    return rc;
}

int
xylem_open(xylem_t **ret, const char *uri, const char *cert, char *errors)
{
    struct err err = {0};
    int rc = open_handle(ret, uri, cert, &err);

    if (rc < 0 && errors)
        snprintf(errors, XYLEM_ERROR_MAX, "%s", err.text);
    return rc;
}

void
xylem_close(xylem_t *x)
{
    if (!x)
        return;
    assert(x->depth == 0); // not from inside a completion
    x->state = CLIENT_CLOSING;
    x->depth++;
    rpc_fail_all(x->rpcs, ECANCELED);
    rpc_table_free(&x->rpcs);
    x->transport->ops->free(x->transport);
    free(x);
}
