/* SPDX-License-Identifier: MPL-2.0 */
/* fakes.h - an overlay and a connector that write down what a router sends through them: linked in
 * place of the real ones. */
#ifndef FAKES_H
#define FAKES_H

#include "cmocka_all.h"

#include "router.h"

#define MAX_CHILDREN 2

#define OUTBOX_MAX 64

enum sent_to { TO_PARENT, TO_CHILD, TO_CLIENT, TO_CONN };

struct sent {
    enum sent_to to;
    uint64_t whom;  // CHILD: rank, CLIENT: first byte of the identity, CONN: id
    struct msg msg; // owned until it is taken
};

struct outbox {
    struct sent items[OUTBOX_MAX];
    size_t count; // sent
    size_t taken; // of them, by the test
};

struct overlay {
    struct outbox *out; // borrowed
    uint32_t rank;
    struct topo topo;
    bool parent_online;
    uint32_t offline; // a child that is not online, or TOPO_NONE
    uint8_t run;      // first byte of the identity that children have now
    uint64_t joined;  // times the parent has let us in
    bool full;        // every neighbour
    unsigned cut;     // clients that were cut off
    struct peer children[MAX_CHILDREN];
    struct peer parent;
    const char *hostname; // of each child
    enum subtree_status status;
    int64_t now, age; // ms
};

struct connector {
    struct outbox *out; // borrowed
    bool full;          // every client
    bool is_short;      // all of them together have too much queued
    size_t large;       // bytes: larger answers wait then
    unsigned events;    // of what was sent
};

/* A router of `rank` in a binary tree of seven, all of them online, with both ways out. */
struct station {
    struct outbox out;
    struct overlay overlay;
    struct connector connector;
    struct service_table *services; // owned
    struct router *router;          // owned
};

void station_init(struct station *s, uint32_t rank);
void station_fini(struct station *s); // asserts that every message sent was taken

/* The next message not taken yet, which must have gone there. */
struct msg station_take(struct station *s, enum sent_to to, uint64_t whom);
/* The same, which must be a response; finished after the check.  text: NULL = no payload. */
void station_take_response(struct station *s, enum sent_to to, uint64_t whom, uint32_t matchtag,
                           int errnum, const char *text);
void station_assert_quiet(struct station *s);

/* A request with that topic, tag and (unless NULL) text. */
struct msg make_request(const char *topic, uint32_t nodeid, uint32_t matchtag, const char *text);

/* The answer of a neighbour to a call of the station's, whose request was `call` (finished). */
void station_answer(struct station *s, enum overlay_neighbour from, uint32_t rank, struct msg *call,
                    int errnum, const char *text);

#endif
