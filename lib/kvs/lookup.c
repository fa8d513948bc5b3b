/* SPDX-License-Identifier: MPL-2.0 */
/* lookup.c - walk a key from a root to its value.
 *
 * Model: `names` are what is left to walk, from `next` on, starting in the directory wanted.  A
 * directory that arrives is left again at the first entry that is a reference, a link or the last.
 * A wide directory is walked through from hdir to hdir: `level` says how many there were.
 * A link replaces the names up to it by those of its target and starts again at a root.
 *
 * state   event        becomes
 * ROOT    give_root    DIR, or DONE when the key is "." and only its reference is asked for
 * DIR     give_dir     DIR (one level down, or the root after a link), ROOT (a link into another
 *                      namespace), BLOBS (a valref), BUCKETS (a wide directory is to be listed),
 *                      DONE
 * BUCKETS give_bucket  BUCKETS, DONE after the last one
 * BLOBS   give_blob    BLOBS, DONE after the last one
 * any     fail         DONE
 * What is given in another state than it is wanted in is ignored.
 *
 * I1 DONE has either a result or a negative rc
 * I2 at most LOOKUP_SYMLINKS_MAX links are followed
 * See xylem-kvs(7), "Lookups".
 */
#include "lookup.h"

#include "blobref.h"
#include "gather.h"
#include "key.h"
#include "lookup_join.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define BUCKETS_MAX 256  // wanted at a time
#define KEY_SHOWN_MAX 96 // bytes of a key in an error

struct lookup {
    enum digest_alg alg;      // of the instance
    char *asked;              // owned; the key as it was asked for; NULL: it is none
    int flags;                // LOOKUP_READDIR ...
    enum lookup_want state;   // see the table above
    char *ns;                 // owned; namespace the walk is in
    struct digest root;       // where the walk in `ns` starts; valid after ROOT
    struct key key;           // owned; all names to walk from the root
    size_t next;              // index in key.names of the next entry
    int links;                // symbolic links followed
    struct digest wanted;     // DIR: the directory
    unsigned level;           // DIR: hdirs of the same directory that were walked through
    uint64_t expected;        // DIR, level > 0: entries that are below it
    struct gather *gather;    // owned; BUCKETS: the directory, else NULL
    struct digest *buckets;   // owned array; BUCKETS: those wanted
    size_t nbuckets;          // elements of it
    size_t outstanding;       // BUCKETS: of those, not given yet
    struct lookup_join *join; // owned; BLOBS: the pieces of the value, else NULL
    struct treeobj *result;   // owned; DONE: the result, NULL after an error
    struct err err;           // DONE: code 0 or the error
};

static void
finish(struct lookup *l, const struct treeobj *result)
{
    l->result = treeobj_ref(result);
    l->state = LOOKUP_DONE;
}

static void
fail(struct lookup *l, int code, const char *text)
{
    err_set(&l->err, code, "%s", text);
    l->state = LOOKUP_DONE;
}

static void
want_dir(struct lookup *l, const struct digest *d)
{
    l->wanted = *d;
    l->level = 0;
    l->state = LOOKUP_WANT_DIR;
}

static void
want_blobs(struct lookup *l, const struct treeobj *valref)
{
    l->join = lookup_join_new(valref);
    l->state = LOOKUP_WANT_BLOBS;
}

/* The key is ".": there is no entry, the root itself is the object. */
static void
enter_root_itself(struct lookup *l)
{
    AUTO(treeobj) struct treeobj *ref = treeobj_new_dirref(&l->root);

    if (l->flags & LOOKUP_TREEOBJ)
        finish(l, ref);
    else if (l->flags & LOOKUP_READLINK)
        fail(l, -EINVAL, "not a symbolic link");
    else if (!(l->flags & LOOKUP_READDIR))
        fail(l, -EISDIR, "is a directory");
    else if (l->flags & LOOKUP_COMPARE)
        finish(l, ref);
    else
        want_dir(l, &l->root);
}

static void
enter_root(struct lookup *l)
{
    l->next = 0;
    if (l->key.count == 0)
        enter_root_itself(l);
    else
        want_dir(l, &l->root);
}

/* --- links --- */

/* Replace the names up to and including the link by those of the target. */
static int
substitute(struct lookup *l, const struct key *target)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct key joined;
    int rc;

    key_format(target, &text);
    for (size_t i = l->next + 1; i < l->key.count; i++) {
        buf_add_char(&text, '.');
        key_quote_name(l->key.names[i], &text);
    }
    rc = key_parse(buf_str(&text), &joined, &l->err);
    if (rc < 0)
        return rc;
    key_fini(&l->key);
    l->key = joined;
    return 0;
}

static void
enter_namespace(struct lookup *l, const char *ns)
{
    if (!ns || strcmp(ns, l->ns) == 0) {
        enter_root(l);
        return;
    }
    free(l->ns);
    l->ns = xstrdup(ns);
    l->state = LOOKUP_WANT_ROOT;
}

static void
follow(struct lookup *l, const struct treeobj *link)
{
    AUTO(key) struct key target = {0, NULL, NULL};
    int rc;

    if (l->links++ == LOOKUP_SYMLINKS_MAX) { /* I2 */
        fail(l, -ELOOP, "too many symbolic links");
        return;
    }
    rc = key_parse(treeobj_link_target(link), &target, &l->err);
    if (rc == 0)
        rc = substitute(l, &target);
    if (rc < 0) {
        err_prefix(&l->err, rc, "symbolic link");
        l->state = LOOKUP_DONE;
        return;
    }
    enter_namespace(l, treeobj_link_namespace(link));
}

/* --- entries --- */

static void
finish_dir(struct lookup *l, const struct treeobj *entry)
{
    size_t count;

    if (!(l->flags & LOOKUP_READDIR)) {
        fail(l, -EISDIR, "is a directory");
    } else if (treeobj_type(entry) == TREEOBJ_DIR || (l->flags & LOOKUP_COMPARE)) {
        finish(l, entry);
    } else {
        l->next = l->key.count;
        want_dir(l, treeobj_refs(entry, &count));
    }
}

static void
finish_value(struct lookup *l, const struct treeobj *entry)
{
    if (l->flags & LOOKUP_READDIR)
        fail(l, -ENOTDIR, "not a directory");
    else if (treeobj_type(entry) == TREEOBJ_VAL || (l->flags & LOOKUP_UNJOINED))
        finish(l, entry);
    else
        want_blobs(l, entry);
}

/* `entry` is what the whole key names. */
static void
take_last(struct lookup *l, const struct treeobj *entry)
{
    enum treeobj_type type = treeobj_type(entry);

    if (l->flags & LOOKUP_TREEOBJ)
        finish(l, entry);
    else if (l->flags & LOOKUP_READLINK && type != TREEOBJ_SYMLINK)
        fail(l, -EINVAL, "not a symbolic link");
    else if (l->flags & LOOKUP_READLINK)
        finish(l, entry);
    else if (type == TREEOBJ_SYMLINK)
        follow(l, entry);
    else if (type == TREEOBJ_DIR || type == TREEOBJ_DIRREF)
        finish_dir(l, entry);
    else
        finish_value(l, entry);
}

/* `entry` is on the way.  Returns the directory to go on in when it is at hand, else NULL. */
static const struct treeobj *
take_middle(struct lookup *l, const struct treeobj *entry)
{
    size_t count;

    switch (treeobj_type(entry)) {
    case TREEOBJ_DIR:
        l->next++;
        return entry;
    case TREEOBJ_DIRREF:
        l->next++;
        want_dir(l, treeobj_refs(entry, &count));
        return NULL;
    case TREEOBJ_SYMLINK:
        follow(l, entry);
        return NULL;
    case TREEOBJ_VAL:
    case TREEOBJ_VALREF:
    case TREEOBJ_HDIR: // never an entry
        break;
    }
    fail(l, -ENOENT, "no such key");
    return NULL;
}

static void
walk(struct lookup *l, const struct treeobj *dir)
{
    while (dir) {
        const struct treeobj *entry = treeobj_dir_get(dir, l->key.names[l->next]);

        if (!entry) {
            fail(l, -ENOENT, "no such key");
            return;
        }
        if (l->next + 1 == l->key.count) {
            take_last(l, entry);
            return;
        }
        dir = take_middle(l, entry);
    }
}

/* --- wide directories --- */

static void
fail_damaged(struct lookup *l, const struct digest *d, const char *why)
{
    lookup_fail_blob(l, d, EPROTO, why);
}

/* One hdir further, to where the next name must be. */
static void
walk_into_slot(struct lookup *l, const struct treeobj *hdir)
{
    uint64_t hash = hdir_hash(l->alg, l->key.names[l->next]);
    const struct treeobj_slot *slot;

    if (l->level == HDIR_LEVELS) {
        fail_damaged(l, &l->wanted, "hdirs are nested too deep");
        return;
    }
    slot = &treeobj_hdir_slots(hdir)[hdir_slot(hash, l->level)];
    if (slot->count == 0) {
        fail(l, -ENOENT, "no such key");
        return;
    }
    l->wanted = slot->ref;
    l->expected = slot->count;
    l->level++;
}

static void
finish_gather(struct lookup *l)
{
    struct err why = {0};

    if (gather_finish(l->gather, &l->result, &why) < 0)
        fail_damaged(l, &l->wanted, why.text);
    gather_free(&l->gather);
    l->state = LOOKUP_DONE;
}

static void
want_buckets(struct lookup *l)
{
    const struct digest *d;

    l->nbuckets = 0;
    while (l->nbuckets < BUCKETS_MAX && (d = gather_next(l->gather)))
        l->buckets[l->nbuckets++] = *d;
    l->outstanding = l->nbuckets;
    l->state = LOOKUP_WANT_BUCKETS;
    if (l->nbuckets == 0)
        finish_gather(l);
}

static void
list_wide_dir(struct lookup *l, const struct treeobj *hdir)
{
    struct err why = {0};

    if (gather_new(hdir, &l->gather, &why) < 0) {
        fail_damaged(l, &l->wanted, why.text);
        return;
    }
    l->buckets = xcalloc(BUCKETS_MAX, sizeof(*l->buckets));
    want_buckets(l);
}

void
lookup_give_bucket(struct lookup *l, const struct digest *d, const struct treeobj *dir)
{
    struct err why = {0};

    if (l->state != LOOKUP_WANT_BUCKETS)
        return;
    if (gather_give(l->gather, d, dir, &why) < 0)
        fail_damaged(l, d, why.text);
    else if (--l->outstanding == 0)
        want_buckets(l);
}

/* --- interface --- */

struct lookup *
lookup_new(enum digest_alg alg, const char *ns, const struct digest *root, const char *key,
           int flags)
{
    struct lookup *l = xcalloc(1, sizeof(*l));

    l->alg = alg;
    l->flags = flags;
    l->ns = xstrdup(ns);
    l->state = LOOKUP_WANT_ROOT;
    if (key_parse(key, &l->key, &l->err) < 0) {
        l->state = LOOKUP_DONE;
        return l;
    }
    l->asked = xstrdup(key);
    if (root)
        lookup_give_root(l, root);
    return l;
}

void
lookup_free(struct lookup **l)
{
    struct lookup *old = TAKE(*l);

    if (!old)
        return;
    free(old->ns);
    free(old->asked);
    key_fini(&old->key);
    lookup_join_free(&old->join);
    gather_free(&old->gather);
    free(old->buckets);
    treeobj_unref(&old->result);
    free(old);
}

enum lookup_want
lookup_step(struct lookup *l)
{
    return l->state;
}

const char *
lookup_namespace(const struct lookup *l)
{
    return l->ns;
}

const struct digest *
lookup_wanted(const struct lookup *l, size_t *ret_count)
{
    if (l->state == LOOKUP_WANT_BLOBS)
        return lookup_join_wanted(l->join, ret_count);
    if (l->state == LOOKUP_WANT_BUCKETS) {
        *ret_count = l->nbuckets;
        return l->buckets;
    }
    *ret_count = l->state == LOOKUP_WANT_DIR ? 1 : 0;
    return l->state == LOOKUP_WANT_DIR ? &l->wanted : NULL;
}

void
lookup_give_root(struct lookup *l, const struct digest *root)
{
    if (l->state != LOOKUP_WANT_ROOT)
        return;
    l->root = *root;
    enter_root(l);
}

void
lookup_give_dir(struct lookup *l, const struct treeobj *dir)
{
    struct err why = {0};

    if (l->state != LOOKUP_WANT_DIR)
        return;
    if (treeobj_type(dir) != TREEOBJ_DIR && treeobj_type(dir) != TREEOBJ_HDIR)
        fail_damaged(l, &l->wanted, "not a directory object");
    else if (l->level > 0 && hdir_check_count(l->expected, dir, &why) < 0)
        fail_damaged(l, &l->wanted, why.text);
    else if (treeobj_type(dir) == TREEOBJ_HDIR && l->next == l->key.count)
        list_wide_dir(l, dir);
    else if (treeobj_type(dir) == TREEOBJ_HDIR)
        walk_into_slot(l, dir);
    else if (l->next == l->key.count)
        finish(l, dir);
    else
        walk(l, dir);
}

void
lookup_give_blob(struct lookup *l, const struct digest *d, const struct blob *b)
{
    int rc;

    if (l->state != LOOKUP_WANT_BLOBS)
        return;
    lookup_join_give(l->join, d, b);
    if (!lookup_join_is_complete(l->join))
        return;
    rc = lookup_join_value(l->join, &l->result, &l->err);
    assert(rc == 0 || l->err.code == rc); /* I1 */
    lookup_join_free(&l->join);
    l->state = LOOKUP_DONE;
}

void
lookup_fail(struct lookup *l, int errnum, const char *text)
{
    if (l->state == LOOKUP_DONE)
        return;
    lookup_join_free(&l->join);
    gather_free(&l->gather);
    fail(l, errnum < 0 ? errnum : -errnum, text ? text : err_name(errnum));
}

void
lookup_fail_blob(struct lookup *l, const struct digest *d, int errnum, const char *why)
{
    char text[ERR_TEXT_MAX];
    char ref[BLOBREF_MAX];

    if (errnum == ENOENT && (l->flags & LOOKUP_COMPARE))
        errnum = EIO;
    snprintf(text, sizeof(text), "%s %s: %.200s", errnum == EPROTO ? "damaged tree object" : "blob",
             blobref_format(l->alg, d, ref), why);
    lookup_fail(l, errnum, text);
}

/* The key in front of an error: of a long one the beginning. */
static int
name_key(const struct lookup *l, struct err *err)
{
    size_t len = strlen(l->asked);
    size_t shown = MIN(len, (size_t)KEY_SHOWN_MAX);

    while (shown < len && ((unsigned char)l->asked[shown] & 0xc0) == 0x80)
        shown--; // no part of a character
    return err_prefix(err, l->err.code, "%.*s%s", (int)shown, l->asked, shown < len ? "..." : "");
}

int
lookup_result(const struct lookup *l, struct treeobj **ret, struct err *err)
{
    assert(l->state == LOOKUP_DONE);
    if (!l->result) {
        err_set(err, l->err.code, "%s", l->err.text);
        return l->asked ? name_key(l, err) : l->err.code;
    }
    *ret = treeobj_ref(l->result);
    return 0;
}
