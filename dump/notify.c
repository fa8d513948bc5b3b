/* SPDX-License-Identifier: MPL-2.0 */
/* notify.c - state-machine.sd-notify; the answer does not matter. */
#include "notify.h"
#include "buf.h"

#include <inttypes.h>

#define INTERVAL_MS 1000 // a reader of `systemctl status` needs no more

static void
on_answer(void *arg, const struct xylem_reply *reply UNUSED)
{
    struct notify *n = arg;

    n->is_out = false;
}

void
notify_progress(struct notify *n, const char *program, const char *verb, uint64_t count,
                int64_t now_ms)
{
    AUTO(buf) struct buf json = BUF_INIT;
    int rc;

    if (n->is_out || (n->sent_ms && now_ms - n->sent_ms < INTERVAL_MS))
        return;
    buf_printf(&json, "{\"status\":\"%s has %s %" PRIu64 " keys\"}", program, verb, count);
    rc = xylem_rpc_async(n->x, "state-machine.sd-notify", XYLEM_RANK_ANY, json.data, json.size,
                         XYLEM_TEXT, on_answer, n, NULL);
    n->is_out = rc == 0;
    n->sent_ms = now_ms;
}
