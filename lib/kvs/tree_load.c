/* SPDX-License-Identifier: MPL-2.0 */
/* tree_load.c - see tree_load.h.
 * I1 in `missing` are the loads without a directory, each once, and those given in this round
 */
#include "tree_load.h"

#include "xmem.h"

struct load {
    struct digest digest; // key in `asked`
    struct treeobj *dir;  // owned reference; NULL until given
    char *key;            // owned; text of the key that needs it, or NULL
};

void
tree_load_init(struct tree_load *l)
{
    *l = (struct tree_load){.missing = NULL};
    map_init(&l->asked, offsetof(struct load, digest), sizeof(struct digest));
}

static void
free_load(struct load *load)
{
    treeobj_unref(&load->dir);
    free(load->key);
    free(load);
}

void
tree_load_clear(struct tree_load *l)
{
    size_t pos = 0;
    struct load *load;

    while ((load = map_next(&l->asked, &pos)))
        free_load(load);
    map_fini(&l->asked);
    map_init(&l->asked, offsetof(struct load, digest), sizeof(struct digest));
    l->count = 0;
}

void
tree_load_fini(struct tree_load *l)
{
    tree_load_clear(l);
    map_fini(&l->asked);
    free(l->missing);
    l->missing = NULL;
}

void
tree_load_begin(struct tree_load *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (tree_load_is_missing(l, &l->missing[i]))
            free_load(map_remove(&l->asked, &l->missing[i]));
    }
    l->count = 0;
}

static char *
format_key(const struct key *key)
{
    struct buf text = BUF_INIT;

    if (!key)
        return NULL;
    key_format(key, &text);
    return buf_detach(&text, NULL);
}

static void
add_missing(struct tree_load *l, const struct digest *d)
{
    struct load *load = xcalloc(1, sizeof(*load));

    load->digest = *d;
    load->key = format_key(l->key);
    map_put(&l->asked, load);
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 16;
        l->missing = xrealloc(l->missing, l->capacity * sizeof(*d));
    }
    l->missing[l->count++] = *d;
}

const struct treeobj *
tree_load_get(struct tree_load *l, const struct digest *d)
{
    const struct load *load = map_get(&l->asked, d);

    if (load)
        return load->dir;
    add_missing(l, d);
    return NULL;
}

bool
tree_load_is_missing(const struct tree_load *l, const struct digest *d)
{
    const struct load *load = map_get(&l->asked, d);

    return load && !load->dir;
}

const char *
tree_load_key(const struct tree_load *l, const struct digest *d)
{
    const struct load *load = map_get(&l->asked, d);

    return load ? load->key : NULL;
}

void
tree_load_give(struct tree_load *l, const struct digest *d, struct treeobj **dir)
{
    struct load *load = map_get(&l->asked, d);

    assert(load && !load->dir);
    load->dir = TAKE(*dir);
}
