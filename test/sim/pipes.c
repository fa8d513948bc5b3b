/* SPDX-License-Identifier: MPL-2.0 */
/* pipes.c - see pipes.h. */
#include "pipes.h"

#include "xmem.h"

void
pipe_init(struct pipe *p, loop_hook_fn arrive, struct wire *w)
{
    list_init(&p->frames);
    event_init(&p->arrival, arrive, w);
}

void
frame_free(struct frame *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        msg_fini(&f->messages[i]);
    free(f->messages);
    free(f);
}

struct frame *
pipe_new_frame(void)
{
    struct frame *f = xcalloc(1, sizeof(*f));

    list_init(&f->node);
    return f;
}

struct frame *
net_stage(struct wire *w, enum net_side side)
{
    struct pipe *p = &w->pipes[side];

    if (!p->staged)
        p->staged = pipe_new_frame();
    return p->staged;
}

void
net_drop_staged(struct wire *w, enum net_side side)
{
    frame_free(TAKE(w->pipes[side].staged));
}

void
pipe_drop(struct pipe *p, size_t but)
{
    LIST_FOR_EACH (node, &p->frames) {
        if (but > 0) {
            but--;
            continue;
        }
        list_remove(node);
        frame_free(list_entry(node, struct frame, node));
    }
}

void
pipe_lose_some(struct pipe *p)
{
    size_t count = 0;

    LIST_FOR_EACH (node, &p->frames)
        count++;
    pipe_drop(p, draw_below((uint32_t)count + 1));
}
