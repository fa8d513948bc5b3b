/* SPDX-License-Identifier: MPL-2.0 */
/* request.h - a request and where its answer goes.
 *
 * Every request gets exactly one answer (I4), or a stream of them that an error ends.  Whoever
 * holds a request owns that duty; the router_respond...() calls discharge it and finish the request.
 */
#ifndef XYLEM_REQUEST_H
#define XYLEM_REQUEST_H

#include "credit.h"
#include "msg_zmq.h"

enum origin_kind {
    ORIGIN_CONN,   // a local client, on the UNIX socket
    ORIGIN_CLIENT, // a remote client, on the tree socket
    ORIGIN_CHILD,  // a child rank: its own request, or one it passes on
    ORIGIN_PARENT, // the parent: one it passes on, addressed to a rank below
};

struct origin {
    enum origin_kind kind;
    uint64_t conn;            // CONN: id, never reused
    struct msg_zmq_peer peer; // CLIENT, CHILD: the connection it came by
    uint32_t rank;            // CHILD
    uint64_t joined;          // PARENT: the join it came by
};

struct once_record; // router_once.c

struct request {
    struct msg msg; // owned
    struct origin from;
    struct credit_charge charge; // owned: what it holds until it is answered
    struct once_record *once;    // borrowed: who is told of the answer too; NULL mostly
    int64_t began;               // us, monotonic: when it came
    bool waited;                 // it was not answered at once
};

/* Move a request to the heap, to answer it later; *req is finished.  Answer with router_respond...()
 * and then request_free(), which is fine after an answer and before. */
struct request *request_keep(struct request *req);
/* The same into memory of the caller, which is not initialised; it ends with request_finish(). */
void request_keep_in(struct request *kept, struct request *req);
void request_free(struct request **req);
/* It has been answered, or will not be: give up what it holds.  Fine also when it was finished. */
void request_finish(struct request *req);

/* The same asker, be it another connection of the same child. */
bool origin_is_same(const struct origin *a, const struct origin *b);

static inline bool
request_is_from(const struct request *req, const struct origin *asker)
{
    return origin_is_same(&req->from, asker);
}

static inline bool
request_is_from_client(const struct request *req)
{
    return req->from.kind == ORIGIN_CONN || req->from.kind == ORIGIN_CLIENT;
}

#endif
