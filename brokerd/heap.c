/* SPDX-License-Identifier: MPL-2.0 */
/* heap.c - see heap.h, and mallopt(3), malloc_trim(3). */
#include "heap.h"

#include <malloc.h>

#define MAPPED_MIN (4 << 20) // bytes: what is larger is mapped alone, and goes when it is freed
#define KEPT_MAX (4 << 20)   // bytes that are free
#define LOOK_MS 100

void
heap_init(void)
{
    mallopt(M_ARENA_MAX, 2); // few threads: what one has freed is there for the others
    mallopt(M_MMAP_THRESHOLD, MAPPED_MIN);
    mallopt(M_TRIM_THRESHOLD, KEPT_MAX);
    mallopt(M_TOP_PAD, 1 << 20);
}

static void
look(void *arg)
{
    struct heap *h = arg;
    int64_t now = loop_now(h->loop);

    if (now - h->looked_at < LOOK_MS)
        return;
    h->looked_at = now;
    if (mallinfo2().fordblks > KEPT_MAX)
        malloc_trim(KEPT_MAX / 2);
}

void
heap_watch(struct heap *h, struct loop *loop)
{
    h->loop = loop;
    h->looked_at = loop_now(loop);
    loop_add_hook(loop, look, h);
}
