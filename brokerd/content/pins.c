/* SPDX-License-Identifier: MPL-2.0 */
/* pins.c - see pins.h. */
#include "pins.h"

#include <errno.h>

void
pins_expire(struct pins *p, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->count; i++) {
        if (p->list[i].until_ms > now_ms)
            p->list[kept++] = p->list[i];
    }
    p->count = kept;
}

static struct pin *
find(struct pins *p, const struct digest *root)
{
    for (size_t i = 0; i < p->count; i++) {
        if (digest_equal(&p->list[i].root, root))
            return &p->list[i];
    }
    return NULL;
}

int
pins_add(struct pins *p, const struct digest *root, int64_t until_ms, int64_t now_ms)
{
    struct pin *there = find(p, root);

    if (there) {
        there->until_ms = MAX(there->until_ms, until_ms);
        return 0;
    }
    if (p->count == PINS_MAX)
        pins_expire(p, now_ms);
    if (p->count == PINS_MAX)
        return -ENOSPC;
    p->list[p->count++] = (struct pin){*root, until_ms};
    return 0;
}
