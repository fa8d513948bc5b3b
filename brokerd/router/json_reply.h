/* SPDX-License-Identifier: MPL-2.0 */
/* json_reply.h - answers in JSON. */
#ifndef XYLEM_JSON_REPLY_H
#define XYLEM_JSON_REPLY_H

#include "router.h"
#include <jansson.h>

/* Answer with compact JSON; *json is consumed.  NULL, or text that is not UTF-8: EILSEQ. */
void json_reply(struct router *r, struct request *req, json_t **json);

#endif
