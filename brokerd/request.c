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
    return kept;
}

void
request_free(struct request **request)
{
    struct request *req = TAKE(*request);

    if (!req)
        return;
    msg_fini(&req->msg);
    free(req);
}
