/* SPDX-License-Identifier: MPL-2.0 */
/* hdir.c - see hdir.h. */
#include "hdir.h"

#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct hdir_form
hdir_form(enum digest_alg alg, uint64_t maxdirent)
{
    return (struct hdir_form){alg, maxdirent > 0 ? maxdirent : UINT64_MAX, HDIR_BUCKET, hdir_hash};
}

uint64_t
hdir_hash(enum digest_alg alg, const char *name)
{
    struct digest d;
    uint64_t hash = 0;

    digest_compute(alg, name, strlen(name), &d);
    for (size_t i = 0; i < sizeof(hash); i++)
        hash = hash << 8 | d.bytes[i];
    return hash;
}

unsigned
hdir_slot(uint64_t hash, unsigned level)
{
    assert(level < HDIR_LEVELS);
    return (unsigned)(hash >> (60 - 4 * level)) & 15;
}

uint64_t
hdir_extend(uint64_t prefix, unsigned level, unsigned slot)
{
    assert(level < HDIR_LEVELS);
    return prefix | (uint64_t)slot << (60 - 4 * level);
}

bool
hdir_has_prefix(uint64_t hash, uint64_t prefix, unsigned level)
{
    return level == 0 || (hash ^ prefix) >> (64 - 4 * level) == 0;
}

uint64_t
hdir_limit(const struct hdir_form *form, unsigned level)
{
    if (level == 0)
        return form->max;
    return level < HDIR_LEVELS ? form->bucket : UINT64_MAX;
}

uint64_t
hdir_entries(const struct treeobj *dir)
{
    return treeobj_type(dir) == TREEOBJ_DIR ? treeobj_dir_count(dir) : treeobj_hdir_count(dir);
}

int
hdir_check_count(uint64_t entries, const struct treeobj *child, struct err *err)
{
    uint64_t count;

    if (treeobj_type(child) != TREEOBJ_DIR && treeobj_type(child) != TREEOBJ_HDIR)
        return err_set(err, -EPROTO, "a %s below an hdir", treeobj_type_name(treeobj_type(child)));
    count =
        treeobj_type(child) == TREEOBJ_DIR ? treeobj_dir_count(child) : treeobj_hdir_count(child);
    if (count != entries)
        return err_set(err, -EPROTO,
                       "a directory of %" PRIu64 " entries below an hdir, not %" PRIu64, count,
                       entries);
    return 0;
}

static int
check_names(const struct hdir_form *form, const struct treeobj *dir, unsigned level,
            uint64_t prefix, struct err *err)
{
    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        const char *name = treeobj_dir_name(dir, i);

        if (!hdir_has_prefix(form->hash(form->alg, name), prefix, level))
            return err_set(err, -EPROTO, "entry '%.128s' is in a wrong slot", name);
    }
    return 0;
}

int
hdir_check_part(const struct hdir_form *form, uint64_t entries, const struct treeobj *child,
                unsigned level, uint64_t prefix, struct err *err)
{
    bool is_wide = entries > hdir_limit(form, level);
    int rc = hdir_check_count(entries, child, err);

    if (rc == 0 && is_wide != (treeobj_type(child) == TREEOBJ_HDIR))
        rc = err_set(err, -EPROTO, "of %" PRIu64 " entries, and %s hdir", entries,
                     is_wide ? "no" : "an");
    if (rc == 0 && !is_wide)
        rc = check_names(form, child, level, prefix, err);
    return rc;
}

/* --- writing --- */

struct writing {
    const struct hdir_form *form; // borrowed
    hdir_emit_fn emit;
    void *arg; // of emit
};

static int
emit(const struct writing *w, const struct buf *text, struct digest *ret)
{
    digest_compute(w->form->alg, text->data, text->size, ret);
    return w->emit(w->arg, text->data, text->size);
}

static int
write_dir(const struct writing *w, const struct hdir_entry *entries, size_t count,
          struct digest *ret)
{
    AUTO(buf) struct buf text = BUF_INIT;

    treeobj_encode_dir_begin(&text);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(&text, ',');
        buf_add(&text, entries[i].text, entries[i].size);
    }
    treeobj_encode_dir_end(&text);
    return emit(w, &text, ret);
}

static int
write_hdir(const struct writing *w, const struct treeobj_slot *slots, struct digest *ret)
{
    AUTO(treeobj) struct treeobj *obj = treeobj_new_hdir(slots);
    AUTO(buf) struct buf text = BUF_INIT;

    treeobj_encode(w->form->alg, obj, &text);
    return emit(w, &text, ret);
}

/* Entries by slot, and in order within each; counts of all slots. */
static struct hdir_entry *
deal_out(const struct writing *w, const struct hdir_entry *entries, size_t count, unsigned level,
         struct treeobj_slot *slots)
{
    struct hdir_entry *dealt = xcalloc(count, sizeof(*dealt));
    AUTO(free) uint8_t *where = xmalloc(count);
    size_t next[TREEOBJ_SLOTS] = {0};

    for (size_t i = 0; i < count; i++) {
        where[i] = (uint8_t)hdir_slot(w->form->hash(w->form->alg, entries[i].name), level);
        slots[where[i]].count++;
    }
    for (size_t i = 1; i < TREEOBJ_SLOTS; i++)
        next[i] = next[i - 1] + slots[i - 1].count;
    for (size_t i = 0; i < count; i++)
        dealt[next[where[i]]++] = entries[i];
    return dealt;
}

/* As deep as HDIR_LEVELS. */
static int
write_level(const struct writing *w, const struct hdir_entry *entries, size_t count, unsigned level,
            struct digest *ret)
{
    struct treeobj_slot slots[TREEOBJ_SLOTS] = {{.count = 0}};
    AUTO(free) struct hdir_entry *dealt = NULL;
    size_t done = 0;

    if (count <= hdir_limit(w->form, level))
        return write_dir(w, entries, count, ret);
    dealt = deal_out(w, entries, count, level, slots);
    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        int rc = 0;

        if (slots[i].count > 0)
            rc = write_level(w, dealt + done, slots[i].count, level + 1, &slots[i].ref);
        if (rc < 0)
            return rc;
        done += slots[i].count;
    }
    return write_hdir(w, slots, ret);
}

int
hdir_write(const struct hdir_form *form, const struct hdir_entry *entries, size_t count,
           hdir_emit_fn fn, void *arg, struct digest *ret)
{
    struct writing w = {form, fn, arg};

    return write_level(&w, entries, count, 0, ret);
}
