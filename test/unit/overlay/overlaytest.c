/* SPDX-License-Identifier: MPL-2.0 */
/* overlaytest.c - see overlaytest.h. */
#include "cmocka_all.h"

#include "clock.h"
#include "overlaytest.h"
#include "xmem.h"

#include <string.h>

/* --- what an overlay calls --- */

static void
on_received(void *arg, const struct overlay_from *from, struct msg *m)
{
    struct node *n = arg;

    n->from = *from;
    snprintf(n->topic, sizeof(n->topic), "%s", m->topic);
    n->oversized = m->oversized;
    n->errnum = m->type == MSG_RESPONSE ? m->errnum : 0;
    n->got++;
    buf_printf(&n->trace, "got ");
}

static void
on_parent_online(void *arg, uint64_t joined UNUSED)
{
    buf_printf(&((struct node *)arg)->trace, "joined ");
}

static void
on_parent_gone(void *arg, uint64_t joined UNUSED)
{
    buf_printf(&((struct node *)arg)->trace, "cut ");
}

static void
on_noticed(void *arg, enum overlay_event what, uint32_t rank)
{
    static const char *const names[] = {"in", "out", "lost", "torpid", "lively"};

    buf_printf(&((struct node *)arg)->noticed, "%s:%u ", names[what], rank);
}

static void
on_child_gone(void *arg, uint32_t rank)
{
    buf_printf(&((struct node *)arg)->trace, "gone:%u ", rank);
}

static void
on_status(void *arg, enum subtree_status status)
{
    buf_printf(&((struct node *)arg)->trace, "%s ", peer_status_name(status));
}

static void
on_refused(void *arg, const char *text)
{
    buf_printf(&((struct node *)arg)->trace, "refused: %s", text);
}

static void
on_drained(void *arg, const struct overlay_from *from)
{
    static const char *const kinds[] = {"parent", "child", "client"};
    struct node *n = arg;

    n->drained = *from;
    buf_printf(&n->trace, "drained:%s ", kinds[from->kind]);
}

static void
on_client_gone(void *arg, const struct msg_zmq_peer *peer UNUSED)
{
    struct node *n = arg;

    buf_printf(&n->trace, "left ");
}

static const struct overlay_ops ops = {
    .received = on_received,
    .parent_online = on_parent_online,
    .parent_gone = on_parent_gone,
    .noticed = on_noticed,
    .child_gone = on_child_gone,
    .status_changed = on_status,
    .refused = on_refused,
    .drained = on_drained,
    .client_gone = on_client_gone,
};

/* --- the cluster --- */

int
set_up(void **state)
{
    static int clusters;
    struct cluster *c = xcalloc(1, sizeof(*c));

    clusters++;
    c->instance = "oak";
    c->hash = "blake2b";
    for (int r = 0; r < NODES_MAX; r++) {
        snprintf(c->uris[r], sizeof(c->uris[r]), "inproc://test-overlay-%d-%d", clusters, r);
        c->endpoints[r] = c->uris[r];
        c->nodes[r].loop = loop_new();
    }
    *state = c;
    return 0;
}

int
tear_down(void **state)
{
    struct cluster *c = *state;

    for (int r = 0; r < NODES_MAX; r++) {
        overlay_free(&c->nodes[r].overlay);
        loop_free(&c->nodes[r].loop);
        buf_fini(&c->nodes[r].trace);
        buf_fini(&c->nodes[r].noticed);
    }
    free(c);
    return 0;
}

int
try_start(struct cluster *c, uint32_t rank, struct err *err)
{
    struct overlay_conf conf = {.rank = rank,
                                .topo = c->topo,
                                .instance = c->instance,
                                .hash = c->hash,
                                .endpoints = c->endpoints,
                                .listen = &c->endpoints[rank],
                                .nlisten = 1,
                                .heartbeat_ms = BEAT_MS,
                                .timeout_ms = c->timeout_ms ? c->timeout_ms : TIMEOUT_MS,
                                .client_ms = c->client_ms,
                                .patience_ms = c->patience_ms,
                                .max_payload = PAYLOAD_MAX};
    struct node *n = &c->nodes[rank];

    return overlay_new(&n->overlay, &conf, n->loop, &ops, n, err);
}

void
start(struct cluster *c, uint32_t rank)
{
    struct err err = {0};

    if (try_start(c, rank, &err) < 0)
        fail_msg("%s", err.text);
}

void
start_all(struct cluster *c, uint32_t size, uint32_t fanout)
{
    c->topo = (struct topo){.size = size, .fanout = fanout};
    for (uint32_t r = 0; r < size; r++)
        start(c, r);
}

void
turn(struct cluster *c, unsigned set)
{
    for (unsigned r = 0; r < NODES_MAX; r++) {
        if (set & 1u << r && c->nodes[r].overlay)
            loop_turn(c->nodes[r].loop, 1);
    }
}

void
turn_until_traced(struct cluster *c, unsigned set, uint32_t rank, const char *word)
{
    int64_t start_ms = clock_ms();

    while (!strstr(buf_str(&c->nodes[rank].trace), word)) {
        if (clock_ms() - start_ms > PATIENCE_MS)
            fail_msg("rank %u: \"%s\" has no \"%s\"", rank, buf_str(&c->nodes[rank].trace), word);
        turn(c, set);
    }
}

void
turn_until_status(struct cluster *c, unsigned set, uint32_t rank, enum subtree_status status)
{
    int64_t start_ms = clock_ms();

    while (overlay_status(c->nodes[rank].overlay) != status) {
        if (clock_ms() - start_ms > PATIENCE_MS)
            fail_msg("rank %u does not become %s", rank, peer_status_name(status));
        turn(c, set);
    }
}

void
assert_traced(struct cluster *c, uint32_t rank, const char *words)
{
    assert_string_equal(buf_str(&c->nodes[rank].trace), words);
    buf_reset(&c->nodes[rank].trace);
}

struct msg
request(const char *topic)
{
    struct msg m;

    msg_init(&m, MSG_REQUEST);
    assert_int_equal(msg_set_topic(&m, topic), 0);
    return m;
}

/* --- strangers --- */

zsock_t *
stranger(struct cluster *c)
{
    zsock_t *sock = zsock_new(ZMQ_DEALER);

    assert_int_equal(zsock_connect(sock, "%s", c->uris[0]), 0);
    return sock;
}

void
say(zsock_t *sock, uint32_t control, const char *text)
{
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = control;
    if (text)
        msg_set_text(&m, text);
    assert_int_equal(msg_zmq_send(zsock_resolve(sock), NULL, &m), 0);
}

void
say_hello(zsock_t *sock, uint32_t rank)
{
    char text[300];

    snprintf(text, sizeof(text),
             "{\"rank\":%u,\"size\":3,\"fanout\":2,\"protocol\":3,\"version\":\"t\","
             "\"instance\":\"oak\",\"hash\":\"blake2b\",\"uuid\":\"%u\",\"hostname\":\"h\"}",
             rank, rank);
    say(sock, 1, text);
}

/* What came in a bundle and nobody has heard yet. */
static struct inbox {
    zsock_t *sock; // whose; any while it is empty
    struct msg messages[100];
    size_t first;
    size_t count;
} inboxes[4];

static struct inbox *
inbox_of(zsock_t *sock)
{
    struct inbox *unused = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(inboxes); i++) {
        struct inbox *inbox = &inboxes[i];

        if (inbox->count > 0 && inbox->sock == sock)
            return inbox;
        if (inbox->count == 0)
            unused = inbox;
    }
    assert_non_null(unused);
    unused->sock = sock;
    return unused;
}

static bool
note_message(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
{
    struct inbox *inbox = arg;

    (void)peer;
    assert_true(inbox->first + inbox->count < ARRAY_SIZE(inbox->messages));
    msg_move(&inbox->messages[inbox->first + inbox->count++], m);
    return true;
}

struct msg
hear(struct cluster *c, zsock_t *sock)
{
    struct inbox *inbox = inbox_of(sock);
    int64_t start_ms = clock_ms();
    struct msg m;

    if (inbox->count == 0)
        inbox->first = 0;
    while (inbox->count == 0) {
        int rc =
            msg_zmq_recv_each(zsock_resolve(sock), false, PAYLOAD_MAX, NULL, note_message, inbox);

        assert_true(rc >= 0);
        assert_true(clock_ms() - start_ms < PATIENCE_MS);
        if (rc == 0)
            turn(c, ALL);
    }
    msg_move(&m, &inbox->messages[inbox->first++]);
    inbox->count--;
    return m;
}

uint32_t
hear_control(struct cluster *c, zsock_t *sock)
{
    AUTO(msg) struct msg m = hear(c, sock);

    assert_int_equal(m.type, MSG_CONTROL);
    return m.control;
}

void
start_root_of_three(struct cluster *c)
{
    c->topo = (struct topo){.size = 3, .fanout = 2};
    start(c, 0);
}

/* --- credits --- */

struct msg
large(size_t size)
{
    static const char zeros[PAYLOAD_MAX + 1];
    struct msg m = request("test.large");
    struct blob *b = blob_new(zeros, size);

    msg_set_payload(&m, &b);
    return m;
}

int
send_to(struct overlay *o, const struct overlay_from *to)
{
    struct msg m = large(PAYLOAD_MAX);

    if (to->kind == OVERLAY_PARENT)
        return overlay_send_parent(o, &m);
    if (to->kind == OVERLAY_CHILD)
        return overlay_send_child(o, to->rank, &m);
    return overlay_send_client(o, &to->peer, &m);
}

uint64_t
fill(struct overlay *o, const struct overlay_from *to)
{
    uint64_t count = 0;

    for (; !overlay_is_full(o, to); count++)
        assert_int_equal(send_to(o, to), 0);
    return count;
}

uint64_t
messages_in(uint64_t bytes)
{
    return (bytes + COST - 1) / COST;
}

const struct overlay_stats *
stats(struct cluster *c, uint32_t rank)
{
    return overlay_stats(c->nodes[rank].overlay);
}

void
turn_until_all_is_acked(struct cluster *c, uint32_t rank, enum overlay_neighbour kind)
{
    int64_t start_ms = clock_ms();

    while (stats(c, rank)->unacked[kind] > 0) {
        assert_true(clock_ms() - start_ms < PATIENCE_MS);
        turn(c, ALL);
    }
}

void
say_credit(zsock_t *sock, uint64_t total)
{
    struct msg m;

    control_init_credit(&m, total);
    assert_int_equal(msg_zmq_send(zsock_resolve(sock), NULL, &m), 0);
}

/* A PING is answered after everything before it has been looked at. */
void
turn_until_heard(struct cluster *c, zsock_t *sock)
{
    AUTO(msg) struct msg m = {0};

    say(sock, CONTROL_PING, NULL);
    do {
        msg_fini(&m);
        m = hear(c, sock);
    } while (m.type != MSG_CONTROL || (m.control != CONTROL_PONG && m.control != CONTROL_WHO));
}
