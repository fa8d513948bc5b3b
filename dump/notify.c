/* SPDX-License-Identifier: MPL-2.0 */
/* notify.c - state-machine.sd-notify; the answer does not matter. */
#include "notify.h"
#include "buf.h"
#include "sd_notify.h"

#define INTERVAL_MS 1000 // a reader of `systemctl status` needs no more
#define MORE_USEC \
    10000000         // as ranks say: the service manager is to be patient for so long from then on
#define LAST_MS 1000 // how long a service manager without room is waited for at the end

static void
on_answer(void *arg, const struct xylem_reply *reply UNUSED)
{
    struct notify *n = arg;

    n->is_out = false;
}

static void
format_request(const char *status, struct buf *out)
{
    buf_printf(out, "{\"status\":\"%s\"}", status);
}

static void
tell_directly(const char *status, int patience_ms)
{
    AUTO(buf) struct buf lines = BUF_INIT;

    if (!sd_notify_socket())
        return;
    buf_printf(&lines, "STATUS=%s\nEXTEND_TIMEOUT_USEC=%d", status, MORE_USEC);
    (void)sd_notify_send(sd_notify_socket(), buf_str(&lines), patience_ms);
}

void
notify_open(struct notify *n, const char *uri)
{
    if (xylem_open(&n->x, uri, NULL, NULL) < 0)
        n->x = NULL;
}

bool
notify_is_due(struct notify *n, int64_t now_ms)
{
    if (n->is_out)
        (void)xylem_dispatch(n->x, 0);
    return !n->is_out && (n->sent_ms == 0 || now_ms - n->sent_ms >= INTERVAL_MS);
}

void
notify_status(struct notify *n, const char *status, int64_t now_ms)
{
    AUTO(buf) struct buf json = BUF_INIT;

    n->sent_ms = now_ms;
    if (!n->x) {
        tell_directly(status, 0);
        return;
    }
    format_request(status, &json);
    n->is_out = xylem_rpc_async(n->x, "state-machine.sd-notify", XYLEM_RANK_ANY, json.data,
                                json.size, XYLEM_TEXT, on_answer, n, NULL) == 0;
}

void
notify_last(struct notify *n, const char *status)
{
    AUTO(buf) struct buf json = BUF_INIT;

    if (!n->x) {
        tell_directly(status, LAST_MS);
        return;
    }
    format_request(status, &json);
    (void)xylem_rpc(n->x, "state-machine.sd-notify", XYLEM_RANK_ANY, buf_str(&json), NULL);
    xylem_close(n->x);
    n->x = NULL;
}
