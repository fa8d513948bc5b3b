/* SPDX-License-Identifier: MPL-2.0 */
/* spares.h - objects of one kind that come and go by the hundred thousand: the last one freed is the
 * next one used.
 *
 * malloc() gives out what was freed first, which is in no cache of the processor any more; and pieces
 * of many sizes in between, freed one by one, leave it with long lists of holes. */
#ifndef XYLEM_SPARES_H
#define XYLEM_SPARES_H

#include "xmem.h"

#include <string.h>

/* Objects kept; more are freed. */
#ifdef __SANITIZE_ADDRESS__
#define SPARES_MAX 0 // so that the use of one that was freed is found
#else
#define SPARES_MAX 512
#endif

/* All zero: none. */
struct spares {
    void *first; // owned; each begins with a pointer to the next
    unsigned count;
};

/* Uninitialised; `size` is the same for all that go through s, and no less than a pointer. */
static inline void *
spares_take(struct spares *s, size_t size)
{
    void *object = s->first;

    if (!object)
        return xmalloc(size);
    memcpy(&s->first, object, sizeof(s->first));
    s->count--;
    return object;
}

static inline void
spares_give(struct spares *s, void *object)
{
    if (s->count + 1 > SPARES_MAX) {
        free(object);
        return;
    }
    memcpy(object, &s->first, sizeof(s->first));
    s->first = object;
    s->count++;
}

static inline void
spares_fini(struct spares *s)
{
    while (s->count > 0)
        free(spares_take(s, 0));
}

#endif
