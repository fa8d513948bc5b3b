/* SPDX-License-Identifier: MPL-2.0 */
/* value_feed.c - see value_feed.h.
 *
 * Model: the pieces are numbered; those from `given` to `asked` are on their way or at hand, each in a slot
 * of a ring.  A joined value asks for all of its blobs at once and is one piece: it is in memory as a whole
 * in any case.  But not for long: if there is no room for it when its size is known, it is given up, and begun
 * again when there is.
 *
 * state     piece arrives / room           all given   a blob cannot be had   abandoned
 * FEEDING   give what is next, ask more    done; GONE  done(error); GONE      GONE
 * GONE      freed when no blob is on its way any more
 */
#include "value_feed.h"
#include "blobref.h"
#include "lookup_join.h"
#include "xmem.h"

#include <errno.h>

#define WINDOW 8                      // pieces asked for and not given: hides the way to the parent
#define JOINED_MIN ((size_t)64 << 10) // bytes there must be room for before a joined value is begun

enum feed_state { FEEDING, GONE };

struct slot {
    struct content_waiter waiter;
    struct value_feed *feed; // borrowed
    struct digest digest;
    struct blob *blob; // owned reference; NULL: on its way
};

struct value_feed {
    enum feed_state state;
    enum digest_alg alg;
    enum value_feed_form form;
    struct content *content; // borrowed
    const struct value_feed_ops *ops;
    void *arg;                 // of ops
    struct treeobj *value;     // owned reference
    struct lookup_join *join;  // owned; JOINED
    const struct digest *refs; // borrowed from value or join
    size_t count;              // of them
    size_t given;              // pieces, or blobs for the join
    size_t asked;
    size_t on_their_way; // blobs
    size_t bytes;        // JOINED: of the blobs given so far
    struct slot *slots;  // owned array
    size_t nslots;
    bool is_pumping; // pump() is further up the stack
};

static void pump(struct value_feed *f);

static void
free_if_done(struct value_feed *f)
{
    if (f->state != GONE || f->on_their_way > 0 || f->is_pumping)
        return;
    for (size_t i = 0; i < f->nslots; i++)
        blob_unref(&f->slots[i].blob);
    lookup_join_free(&f->join);
    treeobj_unref(&f->value);
    free(f->slots);
    free(f);
}

static void
finish(struct value_feed *f, int rc, const char *text)
{
    f->state = GONE;
    f->ops->done(f->arg, rc, text);
}

static void
fail(struct value_feed *f, const struct digest *d, int rc)
{
    char text[ERR_TEXT_MAX];
    char ref[BLOBREF_MAX];

    snprintf(text, sizeof(text), "blob %s of the value: %s", blobref_format(f->alg, d, ref),
             err_name(rc));
    finish(f, rc, text);
}

static void
on_blob(struct content_waiter *w, int rc, const struct blob *b)
{
    struct slot *slot = container_of(w, struct slot, waiter);
    struct value_feed *f = slot->feed;

    f->on_their_way--;
    if (f->state == FEEDING && rc < 0)
        fail(f, &slot->digest, rc);
    else if (f->state == FEEDING)
        slot->blob = b ? blob_ref(b) : blob_empty();
    pump(f);
}

static void
ask_for_more(struct value_feed *f)
{
    while (f->state == FEEDING && f->asked < f->count && f->asked - f->given < f->nslots) {
        struct slot *slot = &f->slots[f->asked % f->nslots];

        *slot = (struct slot){{on_blob}, f, f->refs[f->asked], NULL};
        f->asked++;
        f->on_their_way++;
        content_load(f->content, &slot->digest, &slot->waiter);
    }
}

static void
give_blob(struct value_feed *f, const struct blob *b)
{
    AUTO(treeobj) struct treeobj *piece = NULL;

    if (f->form == VALUE_FEED_JOINED) {
        lookup_join_give(f->join, &f->refs[f->given], b);
        f->bytes += blob_size(b);
        if (f->bytes > LOOKUP_VALUE_MAX)
            finish(f, -EOVERFLOW, "the value is too large for one answer: see STREAM");
        return;
    }
    piece = treeobj_new_val(blob_data(b), blob_size(b));
    f->ops->give(f->arg, piece);
}

/* Whatever is at hand and can be taken. */
static void
give_what_is_there(struct value_feed *f)
{
    while (f->state == FEEDING && f->given < f->asked) {
        struct slot *slot = &f->slots[f->given % f->nslots];
        struct blob *b = slot->blob;

        if (!b || (f->form == VALUE_FEED_PIECES && !f->ops->has_room(f->arg, blob_size(b))))
            return;
        slot->blob = NULL;
        give_blob(f, b);
        blob_unref(&b);
        f->given++;
    }
}

/* Nothing is at hand, nothing was asked for. */
static void
begin_again(struct value_feed *f)
{
    lookup_join_free(&f->join);
    f->join = lookup_join_new(f->value);
    f->refs = lookup_join_wanted(f->join, &f->count);
    f->given = f->asked = f->bytes = 0;
}

static void
give_joined(struct value_feed *f)
{
    AUTO(treeobj) struct treeobj *joined = NULL;
    struct err err = {0};
    int rc = lookup_join_value(f->join, &joined, &err);

    if (rc == 0)
        f->ops->give(f->arg, joined);
    if (f->state == FEEDING)
        finish(f, rc, err.text);
}

static void
pump(struct value_feed *f)
{
    if (f->is_pumping)
        return;
    if (f->state == FEEDING && f->form == VALUE_FEED_JOINED && f->asked == 0 &&
        !f->ops->has_room(f->arg, JOINED_MIN))
        return;
    f->is_pumping = true;
    do {
        ask_for_more(f);
        give_what_is_there(f);
    } while (f->state == FEEDING && f->asked < f->count && f->asked - f->given < f->nslots);
    if (f->state == FEEDING && f->given == f->count) {
        if (f->form == VALUE_FEED_PIECES)
            finish(f, 0, "");
        else if (f->ops->has_room(f->arg, f->bytes))
            give_joined(f);
        else
            begin_again(f);
    }
    f->is_pumping = false;
    free_if_done(f);
}

/* --- a val --- */

static void
give_val(struct value_feed *f, size_t from)
{
    AUTO(treeobj) struct treeobj *rest = NULL;
    AUTO(free) void *data = NULL;
    size_t size;

    f->is_pumping = true;
    if (f->form == VALUE_FEED_JOINED || from == 0) {
        f->ops->give(f->arg, f->value);
    } else if (treeobj_val_decode(f->value, &data, &size) == 0 && from <= size) {
        rest = treeobj_new_val((const char *)data + from, size - from);
        f->ops->give(f->arg, rest);
    }
    if (f->state == FEEDING)
        finish(f, 0, "");
    f->is_pumping = false;
    free_if_done(f);
}

/* --- interface --- */

void
value_feed_start(enum digest_alg alg, struct content *content, const struct treeobj *value,
                 enum value_feed_form form, size_t from, const struct value_feed_ops *ops,
                 void *arg, struct value_feed **ret)
{
    struct value_feed *f = xcalloc(1, sizeof(*f));

    f->alg = alg;
    f->form = form;
    f->content = content;
    f->ops = ops;
    f->arg = arg;
    f->value = treeobj_ref(value);
    *ret = f;
    if (treeobj_type(value) == TREEOBJ_VAL) {
        give_val(f, from);
        return;
    }
    if (form == VALUE_FEED_JOINED) {
        f->join = lookup_join_new(value);
        f->refs = lookup_join_wanted(f->join, &f->count);
    } else {
        f->refs = treeobj_refs(value, &f->count);
        f->given = f->asked = MIN(from, f->count);
    }
    f->nslots = MIN(f->count, (size_t)(form == VALUE_FEED_JOINED ? SIZE_MAX : WINDOW));
    f->slots = xcalloc(f->nslots, sizeof(*f->slots));
    pump(f);
}

void
value_feed_resume(struct value_feed *f)
{
    pump(f);
}

void
value_feed_abandon(struct value_feed **feed)
{
    struct value_feed *f = TAKE(*feed);

    if (!f)
        return;
    f->state = GONE;
    free_if_done(f);
}
