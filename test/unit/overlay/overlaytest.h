/* SPDX-License-Identifier: MPL-2.0 */
/* overlaytest.h - some ranks in one process over inproc://.  Each has a loop of its own, so that a
 * rank that has stopped to answer is simply one whose loop is not turned. */
#ifndef XYLEM_OVERLAYTEST_H
#define XYLEM_OVERLAYTEST_H

#include "buf.h"
#include "control.h"
#include "overlay.h"

#include <czmq.h>

#define NODES_MAX 7
#define BEAT_MS 5
#define TIMEOUT_MS 150
#define PAYLOAD_MAX 100000
#define PATIENCE_MS 5000 // a condition that takes so long has failed

struct node {
    struct loop *loop;             // owned
    struct overlay *overlay;       // owned; NULL: not started
    struct buf trace;              // what was called, a word each
    struct buf noticed;            // of its neighbours
    struct overlay_from from;      // of the last message
    char topic[MSG_TOPIC_MAX + 1]; // of the last message
    bool oversized;                // the last message was
    uint32_t errnum;               // of the last message, a response
    unsigned got;                  // messages
    struct overlay_from drained;   // the neighbour of the last drained()
};

/* One test's cluster. */
struct cluster {
    struct topo topo;
    char uris[NODES_MAX][64];
    const char *endpoints[NODES_MAX];
    struct node nodes[NODES_MAX];
    const char *instance; // for the ranks started next
    const char *hash;
    int64_t client_ms;   // likewise
    int64_t patience_ms; // 0: the default
    int64_t timeout_ms;  // likewise; 0: TIMEOUT_MS
};

/* The overlays append to the traces: "got", "joined", "cut", "gone:RANK", "drained:KIND", a status,
 * "refused: TEXT". */
int set_up(void **state);
int tear_down(void **state);

int try_start(struct cluster *c, uint32_t rank, struct err *err);
void start(struct cluster *c, uint32_t rank);
void start_all(struct cluster *c, uint32_t size, uint32_t fanout);
void start_root_of_three(struct cluster *c); // rank 0 alone

#define ALL 0x7fu

/* Turn the loops of the ranks in `set` (bits) once. */
void turn(struct cluster *c, unsigned set);
/* Turn them until `rank` has that word in its trace. */
void turn_until_traced(struct cluster *c, unsigned set, uint32_t rank, const char *word);
void turn_until_status(struct cluster *c, unsigned set, uint32_t rank, enum subtree_status status);
/* The trace is just that; it is emptied. */
void assert_traced(struct cluster *c, uint32_t rank, const char *words);

struct msg request(const char *topic);

/* A socket of our own that says what it likes to rank 0. */
zsock_t *stranger(struct cluster *c);
void say(zsock_t *sock, uint32_t control, const char *text);
void say_hello(zsock_t *sock, uint32_t rank);
/* The next message, or control message, while all loops turn. */
struct msg hear(struct cluster *c, zsock_t *sock);
uint32_t hear_control(struct cluster *c, zsock_t *sock);

#define MIB ((uint64_t)1 << 20)
#define COST (PAYLOAD_MAX + 64) // of a message with PAYLOAD_MAX bytes

struct msg large(size_t size); // a request with so many bytes
/* Send one of PAYLOAD_MAX bytes; what the overlay returned. */
int send_to(struct overlay *o, const struct overlay_from *to);
/* Send until the neighbour is full.  Returns the number of messages. */
uint64_t fill(struct overlay *o, const struct overlay_from *to);
/* So many messages reach `bytes`. */
uint64_t messages_in(uint64_t bytes);
const struct overlay_stats *stats(struct cluster *c, uint32_t rank);
void turn_until_all_is_acked(struct cluster *c, uint32_t rank, enum overlay_neighbour kind);
void say_credit(zsock_t *sock, uint64_t total);
/* Until rank 0 has looked at everything that the stranger has said. */
void turn_until_heard(struct cluster *c, zsock_t *sock);

#endif
