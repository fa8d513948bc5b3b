/* SPDX-License-Identifier: MPL-2.0 */
/* group_keys.c - see group_keys.h.
 *
 * Each commit pays for this, so that a key is formatted once, at the end of the text, and is cut off
 * again if it was there.
 *
 * I1  A quoted string ends at its quote, so of two that begin alike neither is longer.
 * I2  No more than half of the slots are in use. */
#include "group_keys.h"
#include "json_text.h"
#include "xmem.h"

#include <string.h>

#define SLOTS_MIN 64

void
group_keys_fini(struct group_keys *g)
{
    buf_fini(&g->text);
    buf_fini(&g->scratch);
    free(g->slots);
    *g = (struct group_keys){.count = 0};
}

static uint64_t
hash(const char *data, size_t size)
{
    uint64_t h = UINT64_C(14695981039346656037); // FNV-1a

    for (size_t i = 0; i < size; i++)
        h = (h ^ (uint8_t)data[i]) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

/* The slot of the last string of the text, from `at` on with its quotes; or a free one. */
static uint32_t *
find_slot(const struct group_keys *g, size_t at)
{
    const char *text = g->text.data;
    size_t size = g->text.size - at;
    size_t i = hash(text + at, size) & (g->capacity - 1);

    while (g->slots[i] && memcmp(text + g->slots[i], text + at, size) != 0) /* I1 */
        i = (i + 1) & (g->capacity - 1);
    return &g->slots[i];
}

static size_t
quoted_size(const char *text)
{
    size_t i = 1;

    while (text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return i + 1;
}

static void
put_slot(struct group_keys *g, uint32_t at)
{
    size_t i = hash(g->text.data + at, quoted_size(g->text.data + at)) & (g->capacity - 1);

    while (g->slots[i])
        i = (i + 1) & (g->capacity - 1);
    g->slots[i] = at;
}

/* I2 */
static void
grow(struct group_keys *g)
{
    uint32_t *old = g->slots;
    size_t old_capacity = g->capacity;

    if (g->count * 2 < g->capacity)
        return;
    g->capacity = MAX((size_t)SLOTS_MIN, 2 * old_capacity);
    g->slots = xcalloc(g->capacity, sizeof(*g->slots));
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i])
            put_slot(g, old[i]);
    }
    free(old);
}

static void
add_key(struct group_keys *g, const struct key *key)
{
    size_t at = g->text.size;
    uint32_t *slot;

    buf_reset(&g->scratch);
    key_format(key, &g->scratch);
    json_text_quote(buf_str(&g->scratch), &g->text);
    grow(g);
    slot = find_slot(g, at);
    if (*slot) {
        g->text.size = at;
        return;
    }
    *slot = (uint32_t)at;
    g->count++;
    buf_add_str(&g->text, ":null,");
    g->is_full = g->text.size > GROUP_KEYS_MAX;
}

void
group_keys_add(struct group_keys *g, const struct txn *txn)
{
    if (g->text.size == 0)
        buf_add_char(&g->text, '{');
    for (size_t i = 0; i < txn->count && !g->is_full; i++)
        add_key(g, &txn->ops[i].key);
}

static void
reset(struct group_keys *g)
{
    if (g->capacity > 0)
        memset(g->slots, 0, g->capacity * sizeof(*g->slots));
    g->text.size = 0;
    g->count = 0;
    g->is_full = false;
}

char *
group_keys_take(struct group_keys *g)
{
    char *text = NULL;

    if (!g->is_full) {
        if (g->count > 0)
            g->text.size--; // the last comma
        text =
            xasprintf("%s%.*s}", g->text.size > 0 ? "" : "{", (int)g->text.size, buf_str(&g->text));
    }
    reset(g);
    return text;
}
