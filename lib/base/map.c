/* SPDX-License-Identifier: MPL-2.0 */
/* map.c - hash table of objects that carry their key.
 *
 * Model: two parallel arrays.  items[i] is an object or NULL, tags[i] the 32-bit hash of its key.
 * The home slot of an object is tag & (capacity - 1), so growing and deleting never look at the
 * objects, only at the tags.
 *
 * Invariants
 *   I1  capacity is 0 or a power of two, at most 2^31; count <= capacity * 3 / 4
 *   I2  between the home slot of an object and its slot there is no free slot
 *   I3  no two objects have the same key
 *
 * Hash: chained 64 x 64 -> 128 bit multiplications, folded, over the whole key.  Reading only the
 * first bytes would do for digests of real blobs, but a peer may ask for any 32 bytes it likes,
 * e.g. a thousand keys that differ only at the end.
 */
#include "map.h"

#include "xmem.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_CAPACITY 16
#define MAX_CAPACITY ((size_t)1 << 31) // a tag has 32 bits; one more keeps clusters short

static uint64_t seed[2]; // set once per process
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void
draw_seed(void)
{
    ssize_t n = getrandom(seed, sizeof(seed), 0);

    assert(n == (ssize_t)sizeof(seed));
}

static uint64_t
load_word(const unsigned char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

static uint64_t
fold_multiply(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The last word may overlap the one before: every byte is read, none beyond the end. */
static uint32_t
hash_key(const struct map *m, const void *key)
{
    const unsigned char *p = key;
    uint64_t h = seed[0];
    size_t pos;

    for (pos = 0; pos + 8 < m->key_size; pos += 8)
        h = fold_multiply(load_word(p + pos) ^ seed[1], h ^ pos ^ UINT64_C(0x9e3779b97f4a7c15));
    h = fold_multiply(load_word(p + m->key_size - 8) ^ seed[1], h ^ m->key_size);
    /* Keys that count up make an even progression so far, which with an unlucky seed is a dense one. */
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(h ^ (h >> 32));
}

static const void *
key_of(const struct map *m, const void *item)
{
    return (const char *)item + m->key_offset;
}

/* The slot of the key, or the free slot where the search ended. */
static size_t
find_slot(const struct map *m, const void *key, uint32_t tag)
{
    size_t mask = m->capacity - 1;
    size_t i = tag & mask;

    for (; m->items[i]; i = (i + 1) & mask) {
        if (m->tags[i] == tag && memcmp(key_of(m, m->items[i]), key, m->key_size) == 0)
            break;
    }
    return i;
}

void
map_init(struct map *m, size_t key_offset, size_t key_size)
{
    assert(key_size >= 8);
    pthread_once(&seed_once, draw_seed);
    *m = (struct map){.key_offset = key_offset, .key_size = key_size};
}

void
map_fini(struct map *m)
{
    free(m->items);
    free(m->tags);
    map_init(m, m->key_offset, m->key_size);
}

void *
map_get(const struct map *m, const void *key)
{
    if (m->count == 0)
        return NULL;
    return m->items[find_slot(m, key, hash_key(m, key))];
}

static void
allocate_slots(struct map *m, size_t capacity)
{
    assert(capacity <= MAX_CAPACITY); /* I1 */
    m->items = xcalloc(capacity, sizeof(*m->items));
    m->tags = xcalloc(capacity, sizeof(*m->tags));
    m->capacity = capacity;
}

/* Keys are known to be different: only a free slot is looked for. */
static void
place_item(struct map *m, void *item, uint32_t tag)
{
    size_t mask = m->capacity - 1;
    size_t i = tag & mask;

    while (m->items[i])
        i = (i + 1) & mask;
    m->items[i] = item;
    m->tags[i] = tag;
}

static void
grow(struct map *m)
{
    struct map old = *m;

    allocate_slots(m, MAX(old.capacity * 2, FIRST_CAPACITY));
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.items[i])
            place_item(m, old.items[i], old.tags[i]);
    }
    free(old.items);
    free(old.tags);
}

void
map_put(struct map *m, void *item)
{
    uint32_t tag = hash_key(m, key_of(m, item));
    size_t i;

    if ((m->count + 1) * 4 > m->capacity * 3)
        grow(m);
    i = find_slot(m, key_of(m, item), tag);
    assert(!m->items[i]); /* I3 */
    m->items[i] = item;
    m->tags[i] = tag;
    m->count++;
}

/* Close the hole at slot `hole`: move back every following object whose home slot does not lie
 * between the hole and itself, so that I2 holds again. */
static void
shift_back(struct map *m, size_t hole)
{
    size_t mask = m->capacity - 1;

    for (size_t i = (hole + 1) & mask; m->items[i]; i = (i + 1) & mask) {
        size_t from_home = (i - m->tags[i]) & mask;
        size_t from_hole = (i - hole) & mask;

        if (from_home < from_hole)
            continue;
        m->items[hole] = m->items[i];
        m->tags[hole] = m->tags[i];
        hole = i;
    }
    m->items[hole] = NULL;
}

void *
map_remove(struct map *m, const void *key)
{
    size_t slot;
    void *item;

    if (m->count == 0)
        return NULL;
    slot = find_slot(m, key, hash_key(m, key));
    item = m->items[slot];
    if (!item)
        return NULL;
    shift_back(m, slot);
    m->count--;
    return item;
}

void *
map_next(const struct map *m, size_t *pos)
{
    while (*pos < m->capacity) {
        void *item = m->items[(*pos)++];

        if (item)
            return item;
    }
    return NULL;
}

size_t
map_memory(const struct map *m)
{
    return m->capacity * (sizeof(*m->items) + sizeof(*m->tags));
}
