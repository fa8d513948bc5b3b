/* SPDX-License-Identifier: MPL-2.0 */
/* watch.c - see watch.h.
 *
 * state     object          missing                         other error
 * WAITING   OBJECT; SEEN    NOTHING if WAITCREATE, else END  END
 * SEEN      as below; SEEN  END                             END
 *
 * In SEEN, what is said about an object that differs from the last one / that is equal:
 *
 * plain     OBJECT / OBJECT if a commit named the key
 * UNIQ      OBJECT / NOTHING
 * FULL      OBJECT / NOTHING (also of a directory)
 * APPEND    PARTS, if the old value is the beginning of the new one, else END / NOTHING */
#include "watch.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define ANY_OF_WATCH (LOOKUP_WATCH_FULL | LOOKUP_WATCH_UNIQ | LOOKUP_WATCH_APPEND)

struct watch {
    enum digest_alg alg;
    int flags;
    struct treeobj *last; // owned reference; NULL: WAITING
};

int
watch_check_flags(int flags, bool streaming, struct err *err)
{
    bool watch = (flags & LOOKUP_WATCH) != 0;
    bool stream = (flags & LOOKUP_STREAM) != 0;

    if ((watch || stream) && !streaming)
        return err_set(err, -EPROTO, "lookup: WATCH and STREAM need a request that streams");
    if (watch && stream)
        return err_set(err, -EINVAL, "lookup: WATCH and STREAM exclude each other");
    if (!watch && (flags & ANY_OF_WATCH))
        return err_set(err, -EINVAL, "lookup: FULL, UNIQ and APPEND need WATCH");
    if ((flags & LOOKUP_READDIR) && (stream || (flags & LOOKUP_WATCH_APPEND)))
        return err_set(err, -EISDIR, "lookup: STREAM and APPEND are not for directories");
    return 0;
}

struct watch *
watch_new(enum digest_alg alg, int flags)
{
    struct watch *w = xcalloc(1, sizeof(*w));

    w->alg = alg;
    w->flags = flags;
    return w;
}

void
watch_free(struct watch **watch)
{
    struct watch *w = TAKE(*watch);

    if (!w)
        return;
    treeobj_unref(&w->last);
    free(w);
}

int
watch_lookup_flags(const struct watch *w)
{
    return (w->flags & (LOOKUP_READDIR | LOOKUP_READLINK | LOOKUP_TREEOBJ)) | LOOKUP_UNJOINED |
           LOOKUP_COMPARE;
}

/* What changes below a directory does not name it, nor does what comes by a link. */
static bool
looks_at_all(const struct watch *w)
{
    return (w->flags & (LOOKUP_WATCH_FULL | LOOKUP_READDIR)) != 0 || !w->last;
}

bool
watch_wants(const struct watch *w, bool named)
{
    return named || looks_at_all(w);
}

/* --- appends --- */

/* How much of the new value is the old one: refs, or bytes of a val.  -EINVAL: it does not begin with
 * it. */

static int
refs_kept(const struct treeobj *before, const struct treeobj *after, size_t *ret)
{
    size_t nbefore;
    size_t nafter;
    const struct digest *old = treeobj_refs(before, &nbefore);
    const struct digest *now = treeobj_refs(after, &nafter);

    if (nbefore > nafter || memcmp(old, now, nbefore * sizeof(*old)) != 0)
        return -EINVAL;
    *ret = nbefore;
    return 0;
}

static int
bytes_kept(const struct treeobj *before, const struct treeobj *after, size_t *ret)
{
    AUTO(free) void *old = NULL;
    AUTO(free) void *now = NULL;
    size_t nold;
    size_t nnow;

    if (treeobj_val_decode(before, &old, &nold) < 0 || treeobj_val_decode(after, &now, &nnow) < 0 ||
        nold > nnow || memcmp(old, now, nold) != 0)
        return -EINVAL;
    *ret = nold;
    return 0;
}

/* An append has made a blob of the val. */
static int
val_kept_as_ref(const struct watch *w, const struct treeobj *before, const struct treeobj *after,
                size_t *ret)
{
    AUTO(free) void *old = NULL;
    size_t size;
    size_t count;
    struct digest d;

    if (treeobj_val_decode(before, &old, &size) < 0)
        return -EINVAL;
    digest_compute(w->alg, old, size, &d);
    if (!digest_equal(&d, &treeobj_refs(after, &count)[0]))
        return -EINVAL;
    *ret = 1;
    return 0;
}

static int
find_kept(const struct watch *w, const struct treeobj *before, const struct treeobj *after,
          size_t *ret)
{
    enum treeobj_type from = treeobj_type(before);
    enum treeobj_type to = treeobj_type(after);

    if (from == TREEOBJ_VALREF && to == TREEOBJ_VALREF)
        return refs_kept(before, after, ret);
    if (from == TREEOBJ_VAL && to == TREEOBJ_VAL)
        return bytes_kept(before, after, ret);
    if (from == TREEOBJ_VAL && to == TREEOBJ_VALREF)
        return val_kept_as_ref(w, before, after, ret);
    return -EINVAL;
}

/* --- steps --- */

static void
say_end(struct watch_step *ret, int errnum, const char *text)
{
    ret->say = WATCH_SAY_END;
    ret->errnum = errnum;
    snprintf(ret->text, sizeof(ret->text), "%s", text);
}

static bool
is_value(const struct treeobj *object)
{
    return treeobj_type(object) == TREEOBJ_VAL || treeobj_type(object) == TREEOBJ_VALREF;
}

static bool
is_directory(const struct treeobj *object)
{
    return treeobj_type(object) == TREEOBJ_DIR || treeobj_type(object) == TREEOBJ_DIRREF;
}

static void
say_first(const struct watch *w, const struct treeobj *object, struct watch_step *ret)
{
    bool in_parts = (w->flags & (LOOKUP_STREAM | LOOKUP_WATCH_APPEND)) != 0 &&
                    !(w->flags & LOOKUP_TREEOBJ) && is_value(object);

    if ((w->flags & LOOKUP_WATCH_APPEND) && is_directory(object)) {
        say_end(ret, EISDIR, "is a directory");
        return;
    }
    ret->say = in_parts ? WATCH_SAY_PARTS : WATCH_SAY_OBJECT;
    ret->object = treeobj_ref(object);
    ret->is_first = true;
    ret->is_last = !(w->flags & LOOKUP_WATCH);
}

static void
say_appended(const struct watch *w, const struct treeobj *object, struct watch_step *ret)
{
    size_t kept;

    if (find_kept(w, w->last, object, &kept) < 0) {
        say_end(ret, EINVAL, "the value was overwritten or shortened");
        return;
    }
    ret->say = WATCH_SAY_PARTS;
    ret->object = treeobj_ref(object);
    ret->from = kept;
}

static void
say_next(const struct watch *w, const struct treeobj *object, bool named, struct watch_step *ret)
{
    bool only_changes = (w->flags & (ANY_OF_WATCH | LOOKUP_READDIR)) != 0 || !named;

    if (only_changes && treeobj_equal(w->last, object))
        return;
    if (w->flags & LOOKUP_WATCH_APPEND) {
        say_appended(w, object, ret);
        return;
    }
    ret->say = WATCH_SAY_OBJECT;
    ret->object = treeobj_ref(object);
}

void
watch_take(struct watch *w, int rc, const char *text, const struct treeobj *object, bool named,
           struct watch_step *ret)
{
    *ret = (struct watch_step){.say = WATCH_SAY_NOTHING};
    if (rc < 0) {
        if (rc != -ENOENT || w->last || !(w->flags & LOOKUP_WAITCREATE))
            say_end(ret, -rc, text);
        return;
    }
    if (w->last)
        say_next(w, object, named, ret);
    else
        say_first(w, object, ret);
    treeobj_unref(&w->last);
    w->last = treeobj_ref(object);
}
