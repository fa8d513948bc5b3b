/* SPDX-License-Identifier: MPL-2.0 */
/* request.c - see request.h. */
#include "request.h"
#include "xmem.h"

struct request *
request_keep(struct request *req)
{
    struct request *kept = xmalloc(sizeof(*kept));

    msg_move(&kept->msg, &req->msg);
    kept->from = req->from;
    kept->began = req->began;
    kept->waited = true;
    kept->charge = req->charge;
    req->charge = (struct credit_charge){0};
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
