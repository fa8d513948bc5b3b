/* SPDX-License-Identifier: MPL-2.0 */
/* rowset.c - see rowset.h.  Pages of 32768 bits, found by the id's upper bits. */
#include "rowset.h"
#include "xmem.h"

#define PAGE_SHIFT 15
#define PAGE_BITS ((uint64_t)1 << PAGE_SHIFT)

struct rowset_page {
    uint64_t number; // ids / PAGE_BITS; the key
    uint64_t words[PAGE_BITS / 64];
};

void
rowset_init(struct rowset *s)
{
    *s = (struct rowset){.count = 0};
    map_init(&s->pages, offsetof(struct rowset_page, number), sizeof(uint64_t));
}

void
rowset_fini(struct rowset *s)
{
    struct rowset_page *page;
    size_t pos = 0;

    while ((page = map_next(&s->pages, &pos)))
        free(page);
    map_fini(&s->pages);
    s->recent = NULL;
    s->count = 0;
}

static struct rowset_page *
find_page(const struct rowset *s, int64_t id)
{
    uint64_t number = (uint64_t)id >> PAGE_SHIFT;

    if (s->recent && s->recent->number == number)
        return s->recent;
    return map_get(&s->pages, &number);
}

static uint64_t
bit_of(int64_t id)
{
    return (uint64_t)1 << ((uint64_t)id % 64);
}

static size_t
word_of(int64_t id)
{
    return (size_t)((uint64_t)id % PAGE_BITS / 64);
}

bool
rowset_has(const struct rowset *s, int64_t id)
{
    const struct rowset_page *page = find_page(s, id);

    return page && (page->words[word_of(id)] & bit_of(id));
}

bool
rowset_add(struct rowset *s, int64_t id)
{
    struct rowset_page *page = find_page(s, id);

    if (!page) {
        page = xcalloc(1, sizeof(*page));
        page->number = (uint64_t)id >> PAGE_SHIFT;
        map_put(&s->pages, page);
    }
    s->recent = page;
    if (page->words[word_of(id)] & bit_of(id))
        return false;
    page->words[word_of(id)] |= bit_of(id);
    s->count++;
    return true;
}

size_t
rowset_memory(const struct rowset *s)
{
    return map_memory(&s->pages) + s->pages.count * sizeof(struct rowset_page);
}
