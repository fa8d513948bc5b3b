/* SPDX-License-Identifier: MPL-2.0 */
/* treeobj.c - tree objects in memory.
 *
 * Model: one small struct for all types.  Text of a val or symlink lies behind it in the same
 * allocation, because a directory of 100 000 entries is 100 000 of these.  References and entries
 * have an array of their own, which can grow.
 *
 * I1 the entries of a DIR are sorted bytewise by name, and no name is there twice
 * I2 a VALREF has at least one reference, a DIRREF exactly one
 * I3 only an object with one reference is ever changed
 * I4 an HDIR has TREEOBJ_SLOTS slots
 * Thread: any, but one at a time.  JSON: treeobj_json.c.
 */
#include "treeobj.h"

#include "base64.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define ALLOC_OVERHEAD 16 // bytes that malloc() adds to a block, about

struct entry {
    char *name;          // owned
    struct treeobj *obj; // owned reference
};

struct treeobj {
    uint32_t refs;          // holders
    enum treeobj_type type; // decides which member of the union is valid
    size_t count;           // VAL: characters; VALREF, DIRREF: digests; DIR, HDIR: entries
    size_t capacity;        // VALREF, DIR: allocated elements
    union {
        const char *text;           // VAL: base64, behind this struct
        struct digest *digests;     // VALREF, DIRREF: owned array
        struct entry *entries;      // DIR: owned array
        struct treeobj_slot *slots; // HDIR: owned array
        struct {
            const char *ns;     // NULL: the same namespace; behind this struct
            const char *target; // behind this struct
        } link;                 // SYMLINK
    } u;
};

static struct treeobj *
new_object(enum treeobj_type type, size_t extra)
{
    struct treeobj *obj = xmalloc(sizeof(*obj) + extra);

    memset(obj, 0, sizeof(*obj));
    obj->refs = 1;
    obj->type = type;
    return obj;
}

/* --- making --- */

/* Room for `len` characters of base64 and a NUL; the caller fills it. */
static struct treeobj *
new_val(size_t len, char **ret_text)
{
    struct treeobj *obj = new_object(TREEOBJ_VAL, len + 1);
    char *text = (char *)(obj + 1);

    text[len] = '\0';
    obj->count = len;
    obj->u.text = text;
    *ret_text = text;
    return obj;
}

struct treeobj *
treeobj_new_val(const void *data, size_t size)
{
    char *text;
    struct treeobj *obj = new_val(base64_encoded_size(size), &text);

    base64_encode(data, size, text);
    return obj;
}

int
treeobj_new_val_base64(const char *base64, size_t len, struct treeobj **ret)
{
    size_t size;
    char *text;

    if (base64_check(base64, len, &size) < 0)
        return -EPROTO;
    *ret = new_val(len, &text);
    memcpy(text, base64, len);
    return 0;
}

static struct treeobj *
new_reference(enum treeobj_type type, const struct digest *refs, size_t count)
{
    struct treeobj *obj = new_object(type, 0);

    assert(count >= 1); /* I2 */
    obj->u.digests = xmalloc(count * sizeof(*refs));
    memcpy(obj->u.digests, refs, count * sizeof(*refs));
    obj->count = obj->capacity = count;
    return obj;
}

struct treeobj *
treeobj_new_valref(const struct digest *refs, size_t count)
{
    return new_reference(TREEOBJ_VALREF, refs, count);
}

struct treeobj *
treeobj_new_dirref(const struct digest *ref)
{
    return new_reference(TREEOBJ_DIRREF, ref, 1);
}

struct treeobj *
treeobj_new_dir(void)
{
    return new_object(TREEOBJ_DIR, 0);
}

struct treeobj *
treeobj_new_symlink(const char *ns, const char *target)
{
    size_t target_size = strlen(target) + 1;
    size_t ns_size = ns ? strlen(ns) + 1 : 0;
    struct treeobj *obj = new_object(TREEOBJ_SYMLINK, target_size + ns_size);
    char *text = (char *)(obj + 1);

    obj->u.link.target = memcpy(text, target, target_size);
    obj->u.link.ns = ns ? memcpy(text + target_size, ns, ns_size) : NULL;
    return obj;
}

struct treeobj *
treeobj_new_hdir(const struct treeobj_slot slots[TREEOBJ_SLOTS])
{
    struct treeobj *obj = new_object(TREEOBJ_HDIR, 0);

    obj->u.slots = xcalloc(TREEOBJ_SLOTS, sizeof(*slots)); /* I4 */
    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        assert(slots[i].count <= TREEOBJ_COUNT_MAX);
        if (slots[i].count > 0)
            obj->u.slots[i] = slots[i];
        obj->count += slots[i].count;
    }
    return obj;
}

/* --- references --- */

struct treeobj *
treeobj_ref(const struct treeobj *obj)
{
    /* The count is the one thing that may change in a shared object. */
    struct treeobj *counted = (struct treeobj *)(uintptr_t)obj;

    if (counted) {
        assert(counted->refs < UINT32_MAX);
        counted->refs++;
    }
    return counted;
}

static void
free_dir(struct treeobj *dir)
{
    for (size_t i = 0; i < dir->count; i++) {
        free(dir->u.entries[i].name);
        treeobj_unref(&dir->u.entries[i].obj);
    }
    free(dir->u.entries);
}

void
treeobj_unref(struct treeobj **obj)
{
    struct treeobj *o = TAKE(*obj);

    if (!o || --o->refs > 0)
        return;
    if (o->type == TREEOBJ_DIR)
        free_dir(o);
    if (o->type == TREEOBJ_VALREF || o->type == TREEOBJ_DIRREF)
        free(o->u.digests);
    if (o->type == TREEOBJ_HDIR)
        free(o->u.slots);
    free(o);
}

bool
treeobj_is_shared(const struct treeobj *obj)
{
    return obj->refs > 1;
}

/* --- reading --- */

enum treeobj_type
treeobj_type(const struct treeobj *obj)
{
    return obj->type;
}

const char *
treeobj_type_name(enum treeobj_type type)
{
    static const char *const names[] = {
        [TREEOBJ_VAL] = "val", [TREEOBJ_VALREF] = "valref",   [TREEOBJ_DIRREF] = "dirref",
        [TREEOBJ_DIR] = "dir", [TREEOBJ_SYMLINK] = "symlink", [TREEOBJ_HDIR] = "hdir",
    };

    assert((size_t)type < ARRAY_SIZE(names));
    return names[type];
}

const char *
treeobj_val_base64(const struct treeobj *obj, size_t *ret_len)
{
    assert(obj->type == TREEOBJ_VAL);
    *ret_len = obj->count;
    return obj->u.text;
}

int
treeobj_val_decode(const struct treeobj *obj, void **ret_data, size_t *ret_size)
{
    void *data;
    size_t size;

    assert(obj->type == TREEOBJ_VAL);
    if (base64_check(obj->u.text, obj->count, &size) < 0)
        return -EPROTO;
    data = xmalloc(size + 1);
    base64_decode(obj->u.text, obj->count, data);
    *ret_data = data;
    *ret_size = size;
    return 0;
}

const struct digest *
treeobj_refs(const struct treeobj *obj, size_t *ret_count)
{
    assert(obj->type == TREEOBJ_VALREF || obj->type == TREEOBJ_DIRREF);
    *ret_count = obj->count;
    return obj->u.digests;
}

const char *
treeobj_link_target(const struct treeobj *obj)
{
    assert(obj->type == TREEOBJ_SYMLINK);
    return obj->u.link.target;
}

const char *
treeobj_link_namespace(const struct treeobj *obj)
{
    assert(obj->type == TREEOBJ_SYMLINK);
    return obj->u.link.ns;
}

const struct treeobj_slot *
treeobj_hdir_slots(const struct treeobj *obj)
{
    assert(obj->type == TREEOBJ_HDIR);
    return obj->u.slots;
}

uint64_t
treeobj_hdir_count(const struct treeobj *obj)
{
    assert(obj->type == TREEOBJ_HDIR);
    return obj->count;
}

size_t
treeobj_memory(const struct treeobj *obj)
{
    size_t total = sizeof(*obj) + ALLOC_OVERHEAD;

    switch (obj->type) {
    case TREEOBJ_VAL:
        return total + obj->count + 1;
    case TREEOBJ_SYMLINK:
        return total + strlen(obj->u.link.target) + (obj->u.link.ns ? strlen(obj->u.link.ns) : 0);
    case TREEOBJ_VALREF:
    case TREEOBJ_DIRREF:
        return total + obj->capacity * sizeof(struct digest) + ALLOC_OVERHEAD;
    case TREEOBJ_HDIR:
        return total + TREEOBJ_SLOTS * sizeof(struct treeobj_slot) + ALLOC_OVERHEAD;
    case TREEOBJ_DIR:
        break;
    }
    total += obj->capacity * sizeof(struct entry);
    for (size_t i = 0; i < obj->count; i++)
        total +=
            strlen(obj->u.entries[i].name) + ALLOC_OVERHEAD + treeobj_memory(obj->u.entries[i].obj);
    return total;
}

/* --- valref --- */

void
treeobj_valref_add(struct treeobj *obj, const struct digest *ref)
{
    assert(obj->type == TREEOBJ_VALREF && obj->refs == 1); /* I3 */
    if (obj->count == obj->capacity) {
        obj->capacity = obj->capacity + obj->capacity / 2 + 1;
        obj->u.digests = xrealloc(obj->u.digests, obj->capacity * sizeof(*ref));
    }
    obj->u.digests[obj->count++] = *ref;
}

void
treeobj_valref_truncate(struct treeobj *obj, size_t count)
{
    assert(obj->type == TREEOBJ_VALREF && obj->refs == 1); /* I3 */
    assert(count >= 1 && count <= obj->count);             /* I2 */
    obj->count = count;
}

/* --- dir --- */

size_t
treeobj_dir_count(const struct treeobj *dir)
{
    assert(dir->type == TREEOBJ_DIR);
    return dir->count;
}

const char *
treeobj_dir_name(const struct treeobj *dir, size_t i)
{
    assert(dir->type == TREEOBJ_DIR && i < dir->count);
    return dir->u.entries[i].name;
}

struct treeobj *
treeobj_dir_entry(const struct treeobj *dir, size_t i)
{
    assert(dir->type == TREEOBJ_DIR && i < dir->count);
    return dir->u.entries[i].obj;
}

/* Index of the first entry whose name is not less than `name`. */
static size_t
lower_bound(const struct treeobj *dir, const char *name)
{
    size_t low = 0;
    size_t high = dir->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(dir->u.entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
is_at(const struct treeobj *dir, size_t i, const char *name)
{
    return i < dir->count && strcmp(dir->u.entries[i].name, name) == 0;
}

struct treeobj *
treeobj_dir_get(const struct treeobj *dir, const char *name)
{
    size_t i;

    assert(dir->type == TREEOBJ_DIR);
    i = lower_bound(dir, name);
    return is_at(dir, i, name) ? dir->u.entries[i].obj : NULL;
}

/* Names mostly come in order: look at the end before searching. */
static size_t
find_place(const struct treeobj *dir, const char *name)
{
    if (dir->count == 0 || strcmp(dir->u.entries[dir->count - 1].name, name) < 0)
        return dir->count;
    return lower_bound(dir, name);
}

static void
open_gap(struct treeobj *dir, size_t i)
{
    struct entry *entries;

    if (dir->count == dir->capacity) {
        dir->capacity = dir->capacity ? dir->capacity * 2 : 4;
        dir->u.entries = xrealloc(dir->u.entries, dir->capacity * sizeof(struct entry));
    }
    entries = dir->u.entries;
    memmove(entries + i + 1, entries + i, (dir->count - i) * sizeof(*entries));
    dir->count++;
}

void
treeobj_dir_put(struct treeobj *dir, const char *name, struct treeobj **entry)
{
    size_t i;

    assert(dir->type == TREEOBJ_DIR && dir->refs == 1); /* I3 */
    i = find_place(dir, name);
    if (is_at(dir, i, name)) {
        treeobj_unref(&dir->u.entries[i].obj);
    } else {
        open_gap(dir, i); /* I1 */
        dir->u.entries[i].name = xstrdup(name);
    }
    dir->u.entries[i].obj = TAKE(*entry);
}

struct treeobj *
treeobj_dir_take(struct treeobj *dir, const char *name)
{
    struct entry *entries = dir->u.entries;
    struct treeobj *obj;
    size_t i;

    assert(dir->type == TREEOBJ_DIR && dir->refs == 1); /* I3 */
    i = lower_bound(dir, name);
    if (!is_at(dir, i, name))
        return NULL;
    obj = entries[i].obj;
    free(entries[i].name);
    dir->count--;
    memmove(entries + i, entries + i + 1, (dir->count - i) * sizeof(*entries));
    return obj;
}
