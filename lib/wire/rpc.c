/* SPDX-License-Identifier: MPL-2.0 */
/* rpc.c - who waits for which answer.
 *
 *   tag (32 bits) = generation (12) | slot (20)
 *
 *   slot     rpc_add        response              last response, cancel, fail
 *   free     in use         -                     -
 *   in use   -              fn(); still in use    free, generation + 1; then fn()
 *
 * I1 The generation of a slot is 1 .. GENERATION_MAX, so no tag is 0, and changes with each use.
 *    A table's first generation is random: a process that was started again under its old address
 *    does not take answers to what its former self asked.
 * I2 Slots are reused in the order they became free, and half of them are kept free: an old tag
 *    means something again only after half the slots went through all generations, more than
 *    100 000 requests later.
 * I3 No slot is held across a call of fn: fn may add, cancel and fail.
 *
 * Thread: any, one at a time; pure.
 */
#include "rpc.h"
#include "xmem.h"

#include <errno.h>
#include <sys/random.h>

#define SLOT_BITS 20
#define SLOTS_MAX (1u << SLOT_BITS)
#define GENERATION_MAX ((1u << (32 - SLOT_BITS)) - 1)
#define SLOTS_MIN 64
static_assert(2 * RPC_PENDING_MAX == SLOTS_MAX, "half of the slots are kept free");
#define NO_SLOT UINT32_MAX

struct slot {
    rpc_fn fn;           // NULL = the slot is free
    void *arg;           // for fn; borrowed
    uint32_t generation; // see I1
    uint32_t next_free;  // slot number while free, NO_SLOT at the end
    bool streaming;      // more than one response
};

struct rpc_table {
    struct slot *slots;  // owned array, capacity entries
    uint32_t capacity;   // slots
    uint32_t generation; // of new slots
    uint32_t first_free; // slot number or NO_SLOT
    uint32_t last_free;  // slot number or NO_SLOT
    size_t pending;      // slots in use
};

static uint32_t
make_tag(uint32_t number, uint32_t generation)
{
    return generation << SLOT_BITS | number;
}

static void
append_free(struct rpc_table *t, uint32_t number)
{
    t->slots[number].next_free = NO_SLOT;
    if (t->first_free == NO_SLOT)
        t->first_free = number;
    else
        t->slots[t->last_free].next_free = number;
    t->last_free = number;
}

static void
grow(struct rpc_table *t)
{
    uint32_t number = t->capacity;

    t->capacity = MAX(2 * t->capacity, SLOTS_MIN);
    t->slots = xrealloc(t->slots, t->capacity * sizeof(t->slots[0]));
    for (; number < t->capacity; number++) {
        t->slots[number] = (struct slot){.generation = t->generation};
        append_free(t, number);
    }
}

static uint32_t
draw_generation(void)
{
    uint32_t number;
    ssize_t n;

    do
        n = getrandom(&number, sizeof(number), 0);
    while (n < 0 && errno == EINTR);
    assert(n == sizeof(number));
    return number % GENERATION_MAX + 1;
}

struct rpc_table *
rpc_table_new(void)
{
    struct rpc_table *t = xcalloc(1, sizeof(*t));

    t->generation = draw_generation();
    t->first_free = t->last_free = NO_SLOT;
    return t;
}

void
rpc_table_free(struct rpc_table **t)
{
    struct rpc_table *table = TAKE(*t);

    if (table)
        free(table->slots);
    free(table);
}

uint32_t
rpc_add(struct rpc_table *t, bool streaming, rpc_fn fn, void *arg)
{
    uint32_t number;
    struct slot *s;

    assert(fn);
    if (t->pending == RPC_PENDING_MAX)
        return 0;
    if (2 * t->pending >= t->capacity) /* I2 */
        grow(t);
    number = t->first_free;
    s = &t->slots[number];
    t->first_free = s->next_free;
    s->fn = fn;
    s->arg = arg;
    s->streaming = streaming;
    t->pending++;
    return make_tag(number, s->generation);
}

/* NULL when nobody waits for the tag. */
static struct slot *
find(struct rpc_table *t, uint32_t tag)
{
    uint32_t number = tag & (SLOTS_MAX - 1);
    struct slot *s;

    if (number >= t->capacity)
        return NULL;
    s = &t->slots[number];
    return s->fn && s->generation == tag >> SLOT_BITS ? s : NULL;
}

static void
release(struct rpc_table *t, struct slot *s)
{
    s->fn = NULL;
    s->generation = s->generation % GENERATION_MAX + 1;
    t->pending--;
    append_free(t, (uint32_t)(s - t->slots));
}

bool
rpc_deliver(struct rpc_table *t, struct msg *response)
{
    struct slot *s = find(t, response->matchtag);
    rpc_fn fn;
    void *arg;

    if (!s)
        return false;
    fn = s->fn;
    arg = s->arg;
    if (!s->streaming || !msg_is_more(response))
        release(t, s);
    fn(arg, response); /* I3 */
    return true;
}

void *
rpc_peek(struct rpc_table *t, uint32_t tag)
{
    const struct slot *s = find(t, tag);

    return s ? s->arg : NULL;
}

void *
rpc_cancel(struct rpc_table *t, uint32_t tag)
{
    struct slot *s = find(t, tag);

    if (!s)
        return NULL;
    release(t, s);
    return s->arg;
}

void
rpc_fail(struct rpc_table *t, uint32_t tag, int errnum)
{
    AUTO(msg) struct msg response;

    assert(errnum > 0);
    msg_init(&response, MSG_RESPONSE);
    response.matchtag = tag;
    response.errnum = (uint32_t)errnum;
    rpc_deliver(t, &response);
}

/* Callbacks may add requests, which are not to be failed: hence a list of tags made beforehand. */
void
rpc_fail_all(struct rpc_table *t, int errnum)
{
    size_t count = 0;
    AUTO(free) uint32_t *tags = xmalloc((t->pending + 1) * sizeof(*tags));

    for (uint32_t i = 0; i < t->capacity; i++) {
        if (t->slots[i].fn)
            tags[count++] = make_tag(i, t->slots[i].generation);
    }
    for (size_t i = 0; i < count; i++)
        rpc_fail(t, tags[i], errnum);
}

size_t
rpc_pending(const struct rpc_table *t)
{
    return t->pending;
}
