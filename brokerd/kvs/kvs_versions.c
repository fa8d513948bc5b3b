/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_versions.c - see kvs_versions.h.
 *
 * I1  the versions of a namespace are sorted by epoch, then sequence, without repetition
 * I2  a version that follows has a version before it, or had until that was forgotten
 * I3  a namespace on the list has at least one version
 * I4  `ages` has every version but the newest of each namespace */
#include "kvs_versions.h"
#include "xmem.h"

#include <string.h>

/* The history of one namespace. */
struct space {
    struct list node;     // on kvs_versions.spaces
    struct list versions; // struct kvs_version, oldest first
    char name[STORE_NAMESPACE_MAX];
};

struct kvs_versions {
    struct list spaces; // struct space: there are few
    struct list ages; // the versions that are no longer the newest, in the order they ceased to be
    size_t count;
    size_t memory;
    size_t max_count;
    size_t max_bytes;
};

struct kvs_versions *
kvs_versions_new(size_t max_count, size_t max_bytes)
{
    struct kvs_versions *v = xcalloc(1, sizeof(*v));

    list_init(&v->spaces);
    list_init(&v->ages);
    v->max_count = max_count;
    v->max_bytes = max_bytes;
    return v;
}

static struct space *
find_space(const struct kvs_versions *v, const char *ns)
{
    LIST_FOR_EACH (node, &v->spaces) {
        struct space *s = list_entry(node, struct space, node);

        if (strcmp(s->name, ns) == 0)
            return s;
    }
    return NULL;
}

static struct space *
make_space(struct kvs_versions *v, const char *ns)
{
    struct space *s = xcalloc(1, sizeof(*s));

    strcpy(s->name, ns);
    list_init(&s->versions);
    list_init(&s->node);
    list_push_back(&v->spaces, &s->node);
    return s;
}

static size_t
memory_of(const struct kvs_version *version)
{
    return sizeof(*version) + (version->keys ? keyset_memory(version->keys) : 0);
}

static void
forget(struct kvs_versions *v, struct kvs_version *version)
{
    v->count--;
    v->memory -= memory_of(version);
    list_remove(&version->node);
    list_remove(&version->age);
    keyset_free(&version->keys);
    free(version);
}

static void
free_space(struct kvs_versions *v, struct space *s)
{
    while (!list_is_empty(&s->versions))
        forget(v, list_entry(s->versions.next, struct kvs_version, node));
    list_remove(&s->node);
    free(s);
}

void
kvs_versions_free(struct kvs_versions **versions)
{
    struct kvs_versions *v = TAKE(*versions);

    if (!v)
        return;
    LIST_FOR_EACH (node, &v->spaces)
        free_space(v, list_entry(node, struct space, node));
    free(v);
}

static const struct kvs_version *
newest_of(const struct space *s)
{
    return list_entry(s->versions.prev, struct kvs_version, node);
}

static void
make_room(struct kvs_versions *v)
{
    while ((v->count > v->max_count || v->memory > v->max_bytes) && !list_is_empty(&v->ages))
        forget(v, list_entry(v->ages.next, struct kvs_version, age));
}

static bool
is_after(const struct store_root *root, const struct kvs_place *place)
{
    if (root->epoch != place->epoch)
        return root->epoch > place->epoch;
    return root->sequence > place->sequence;
}

static bool
is_news_to(const struct space *s, const struct store_root *root)
{
    const struct store_root *known = &newest_of(s)->root;

    return is_after(root, &(struct kvs_place){known->epoch, known->sequence});
}

bool
kvs_versions_is_news(const struct kvs_versions *v, const struct store_root *root)
{
    const struct space *s = find_space(v, root->name);

    return !s || is_news_to(s, root);
}

const struct kvs_version *
kvs_versions_add(struct kvs_versions *v, const struct store_root *root, double time,
                 struct keyset **keys, bool follows)
{
    struct space *s = find_space(v, root->name);
    struct kvs_version *version = xcalloc(1, sizeof(*version));

    assert(!s || is_news_to(s, root));
    assert(!follows || s);
    if (!s)
        s = make_space(v, root->name);
    version->root = *root;
    version->time = time;
    version->keys = TAKE(*keys);
    version->follows = follows;
    list_init(&version->node);
    list_init(&version->age);
    if (!list_is_empty(&s->versions))
        list_push_back(&v->ages, &list_entry(s->versions.prev, struct kvs_version, node)->age);
    list_push_back(&s->versions, &version->node);
    v->count++;
    v->memory += memory_of(version);
    make_room(v);
    return version;
}

void
kvs_versions_keep(struct kvs_versions *v,
                  bool (*keep)(void *arg, const struct kvs_version *version), void *arg)
{
    LIST_FOR_EACH (node, &v->ages) { /* I4 */
        struct kvs_version *version = list_entry(node, struct kvs_version, age);

        if (!keep(arg, version))
            forget(v, version);
    }
}

void
kvs_versions_drop(struct kvs_versions *v, const char *ns)
{
    struct space *s = find_space(v, ns);

    if (s)
        free_space(v, s);
}

const struct kvs_version *
kvs_versions_newest(const struct kvs_versions *v, const char *ns)
{
    const struct space *s = find_space(v, ns);

    return s ? newest_of(s) : NULL;
}

const struct kvs_version *
kvs_versions_oldest(const struct kvs_versions *v, const char *ns)
{
    const struct space *s = find_space(v, ns);

    return s ? list_entry(s->versions.next, struct kvs_version, node) : NULL;
}

const struct kvs_version *
kvs_versions_next(const struct kvs_versions *v, const struct kvs_version *after)
{
    const struct space *s = find_space(v, after->root.name);

    return after == newest_of(s) ? NULL : list_entry(after->node.next, struct kvs_version, node);
}

/* From the newest backwards: those who ask have mostly seen all but the last. */
const struct kvs_version *
kvs_versions_after(const struct kvs_versions *v, const char *ns, const struct kvs_place *place)
{
    const struct space *s = find_space(v, ns);
    const struct kvs_version *found = NULL;

    if (!s)
        return NULL;
    for (struct list *node = s->versions.prev; node != &s->versions; node = node->prev) {
        const struct kvs_version *version = list_entry(node, struct kvs_version, node);

        if (!is_after(&version->root, place))
            break;
        found = version;
    }
    return found;
}

const struct kvs_version *
kvs_versions_find(const struct kvs_versions *v, const char *ns, int64_t sequence)
{
    const struct space *s = find_space(v, ns);

    if (!s)
        return NULL;
    for (struct list *node = s->versions.prev; node != &s->versions; node = node->prev) {
        const struct kvs_version *version = list_entry(node, struct kvs_version, node);

        if (version->root.sequence == sequence)
            return version;
    }
    return NULL;
}

size_t
kvs_versions_count(const struct kvs_versions *v)
{
    return v->count;
}

size_t
kvs_versions_memory(const struct kvs_versions *v)
{
    return v->memory;
}
