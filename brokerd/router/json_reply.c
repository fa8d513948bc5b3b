/* SPDX-License-Identifier: MPL-2.0 */
/* json_reply.c - see json_reply.h. */
#include "json_reply.h"
#include "xmem.h"

#include <errno.h>

void
json_reply(struct router *r, struct request *req, json_t **json)
{
    AUTO(free) char *text = *json ? json_dumps(*json, JSON_COMPACT) : NULL;

    json_decref(TAKE(*json));
    if (text)
        router_respond_text(r, req, text);
    else
        router_respond_error(r, req, EILSEQ, "the answer holds text that is not UTF-8");
}
