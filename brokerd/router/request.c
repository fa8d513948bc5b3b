/* SPDX-License-Identifier: MPL-2.0 */
/* request.c - see request.h. */
#include "request.h"
#include "xmem.h"

#include <string.h>

static bool
is_same_peer(const struct msg_zmq_peer *a, const struct msg_zmq_peer *b)
{
    return a->len == b->len && memcmp(a->id, b->id, a->len) == 0;
}

bool
origin_is_same(const struct origin *a, const struct origin *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ORIGIN_CONN:
        return a->conn == b->conn;
    case ORIGIN_CLIENT:
        return is_same_peer(&a->peer, &b->peer);
    case ORIGIN_CHILD:
        return a->rank == b->rank;
    case ORIGIN_PARENT:
        break;
    }
    return a->joined == b->joined;
}

void
request_keep_in(struct request *kept, struct request *req)
{
    msg_move(&kept->msg, &req->msg);
    kept->from = req->from;
    kept->once = req->once;
    kept->began = req->began;
    kept->waited = true;
    kept->charge = req->charge;
    req->charge = (struct credit_charge){0};
}

struct request *
request_keep(struct request *req)
{
    struct request *kept = xmalloc(sizeof(*kept));

    request_keep_in(kept, req);
    return kept;
}

void
request_finish(struct request *req)
{
    msg_fini(&req->msg);
    credit_settle(&req->charge);
}

void
request_free(struct request **request)
{
    struct request *req = TAKE(*request);

    if (!req)
        return;
    request_finish(req);
    free(req);
}
