/* SPDX-License-Identifier: MPL-2.0 */
/* heap.c - see heap.h, and mallopt(3), malloc_trim(3).
 *
 * Free bytes are of two kinds: those that the system has back, in holes between what is in use, and
 * those that still take memory.  malloc() counts them together.  The holes are what was free after the
 * last trim, less what has been taken of it since: only what is free beyond them is worth another one.
 *
 * All threads share one arena.  A blob is allocated where it arrives and freed where it is evicted, so with
 * several, what one has freed would not serve the other, and their peaks would add up.
 *
 * To count the free bytes is to walk through the lists of them, and there may be a hundred thousand
 * pieces: then it is looked less often. */
#include "heap.h"
#include "clock.h"

#include <malloc.h>

#define MAPPED_MIN (4 << 20) // bytes: what is larger is mapped alone, and goes when it is freed
#define KEPT_MAX (4 << 20)   // bytes that are free
#define LOOK_MS 100
#define LOOK_SHARE 200 // of the time: looking takes no more than one part in so many

void
heap_init(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, MAPPED_MIN);
    mallopt(M_TRIM_THRESHOLD, KEPT_MAX);
    mallopt(M_TOP_PAD, 1 << 20);
    mallopt(M_MXFAST, 0); // a cache frees a hundred thousand small pieces: merge them as they come
}

static void
trim(struct heap *h)
{
    size_t is_free = mallinfo2().fordblks;

    h->holes = MIN(h->holes, is_free);
    if (is_free - h->holes <= KEPT_MAX)
        return;
    malloc_trim(KEPT_MAX / 2);
    h->holes = mallinfo2().fordblks;
}

static void
look(void *arg)
{
    struct heap *h = arg;
    int64_t now = loop_now(h->loop);
    int64_t began;

    if (now < h->look_at)
        return;
    began = clock_us();
    trim(h);
    h->look_at = now + MAX((int64_t)LOOK_MS, (clock_us() - began) * LOOK_SHARE / 1000);
}

void
heap_watch(struct heap *h, struct loop *loop)
{
    h->loop = loop;
    h->look_at = loop_now(loop) + LOOK_MS;
    loop_add_hook(loop, look, h);
}
