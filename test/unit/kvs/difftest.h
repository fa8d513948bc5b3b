/* SPDX-License-Identifier: MPL-2.0 */
/* difftest.h - a comparison that is fed from a store, and what it yields as lines of text:
 * "PATH OLD NEW", with "-" for what is not there, "PATH ! ERROR" for a failure; an empty directory has a '/'
 * behind its path. */
#ifndef XYLEM_DIFFTEST_H
#define XYLEM_DIFFTEST_H

#include "diff.h"
#include "treetest.h"

#define LOADS_MAX 64

struct feed {
    const struct store *store;        // borrowed
    struct diff *diff;                // borrowed
    uint64_t seed;                    // for the order of answers
    struct diff_load *out[LOADS_MAX]; // those not finished
    size_t count;                     // elements of out
    size_t loads;                     // finished so far
    size_t failed;                    // of those, blobs that are not in the store
};

/* Loads go out as long as some are wanted. */
static inline void
feed_ask(struct feed *f)
{
    struct diff_load *l;

    while ((l = diff_want(f->diff))) {
        assert_true(f->count < LOADS_MAX);
        f->out[f->count++] = l;
    }
}

/* One of them, whichever, is answered. */
static inline void
feed_answer(struct feed *f)
{
    size_t i = draw_below(&f->seed, f->count);
    struct diff_load *l = f->out[i];
    const struct blob *b = store_get(f->store, diff_load_digest(l));

    f->out[i] = f->out[--f->count];
    f->loads++;
    if (b) {
        diff_give(l, blob_data(b), blob_size(b));
        return;
    }
    f->failed++;
    diff_fail(l, -ENOENT, "no such blob");
}

static inline const struct diff_item *
feed_next(struct feed *f)
{
    for (;;) {
        const struct diff_item *item;

        feed_ask(f);
        item = diff_next(f->diff);
        if (item->kind != DIFF_WAIT)
            return item;
        feed_ask(f);
        assert_true(f->count > 0); // else it would wait for ever
        feed_answer(f);
    }
}

static inline void
add_object(struct buf *line, const struct treeobj *obj)
{
    buf_add_char(line, ' ');
    if (!obj)
        buf_add_char(line, '-');
    else if (treeobj_type(obj) == TREEOBJ_DIRREF || treeobj_type(obj) == TREEOBJ_DIR)
        buf_add_str(line, "{}");
    else
        treeobj_encode(ALG, obj, line);
}

static inline void
add_line(struct buf *out, const char *path, const struct treeobj *old, const struct treeobj *new)
{
    enum treeobj_type type = treeobj_type(old ? old : new);

    buf_add_str(out, path);
    if (type == TREEOBJ_DIRREF || type == TREEOBJ_DIR)
        buf_add_char(out, '/');
    add_object(out, old);
    add_object(out, new);
    buf_add_char(out, '\n');
}

/* All that it yields. */
static inline void
feed_run(struct feed *f, struct buf *out)
{
    const struct diff_item *item;

    while ((item = feed_next(f))->kind != DIFF_END) {
        if (item->kind == DIFF_CHANGE)
            add_line(out, item->path, item->old, item->new);
        else
            buf_printf(out, "%s ! %d %s\n", item->path, item->errnum, item->error);
    }
    while (f->count > 0)
        feed_answer(f);
}

/* From root to root, either may be NULL; returns how many loads it took. */
static inline size_t
diff_text(const struct store *s, const struct digest *old, const struct digest *new, uint64_t seed,
          struct buf *out)
{
    struct feed f = {.store = s, .seed = seed};

    f.diff = diff_new(ALG, old, new, 1 + draw_below(&f.seed, LOADS_MAX));
    feed_run(&f, out);
    diff_free(&f.diff);
    return f.loads;
}

/* --- a tree, and roots of it --- */

#define OBJECT(text) " {\"data\":\"" text "\",\"type\":\"val\",\"ver\":1}"

static inline void
put_object(struct rig *r, const char *key, struct treeobj *obj)
{
    assert_int_equal(apply(r, key, 0, obj), 0);
}

static inline struct digest
root(struct rig *r)
{
    struct digest d;

    store_write(&r->store, r->tree, &d);
    return d;
}

static inline void
assert_diff(struct rig *r, const struct digest *old, const struct digest *new, const char *want)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct buf out = BUF_INIT;

        diff_text(&r->store, old, new, seed, &out);
        assert_string_equal(buf_str(&out), want);
        buf_fini(&out);
    }
}

#endif
