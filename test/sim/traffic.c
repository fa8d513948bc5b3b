/* SPDX-License-Identifier: MPL-2.0 */
/* traffic.c - see traffic.h. */
#include "traffic.h"

static struct net_traffic traffic;
static void (*on_message)(uint32_t from, uint32_t to, const struct msg *m);

const struct net_traffic *
net_traffic(void)
{
    return &traffic;
}

void
net_on_message(void (*fn)(uint32_t from, uint32_t to, const struct msg *m))
{
    on_message = fn;
}

void
traffic_begin(void)
{
    traffic = (struct net_traffic){0};
    on_message = NULL;
}

void
traffic_count_wire(void)
{
    traffic.wires++;
}

void
traffic_count_frame(const struct wire *w, enum net_side side, struct frame *f, bool measures)
{
    uint32_t from = w->hosts[side];
    uint32_t to = w->hosts[side == NET_CALLER ? NET_LISTENER : NET_CALLER];
    uint8_t head[MSG_HEAD_MAX];

    traffic.frames++;
    traffic.messages += f->count;
    for (size_t i = 0; i < f->count; i++) {
        if (measures)
            f->bytes += msg_encode_head(&f->messages[i], head) + msg_size(&f->messages[i]);
        if (on_message)
            on_message(from, to, &f->messages[i]);
    }
    traffic.bytes += f->bytes;
}
