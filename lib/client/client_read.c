/* SPDX-License-Identifier: MPL-2.0 */
/* client_read.c - a value of any length, blob by blob.
 *
 * Model: the tree object of the key is looked up; its blobs are loaded, some at a time, and handed
 * on in their order.  Blob number i of the value is in slot i % WINDOW while given <= i < asked.  How
 * many are asked for at a time follows from the largest one so far.
 *
 * A look-up of the tree object does not follow a link at the end of the key.  Where there is one, the
 * walk is done here, from directory to directory: only so it is known in which namespace it ends.
 *
 * I1 asked - given <= WINDOW
 * I2 when it ends, whatever the reason, no load has this reader as its argument
 */
#include "client.h"
#include "blobref.h"
#include "lookup.h"
#include "treeobj.h"
#include "xmem.h"

#include <errno.h>

#define WINDOW 64                       // loads at a time
#define WINDOW_BYTES ((size_t)16 << 20) // so much they may bring, about
#define WINDOW_FIRST 2                  // loads before it is known how large blobs are

struct slot {
    struct xylem *x;          // borrowed
    const struct digest *ref; // borrowed
    bool done;
    uint32_t tag;   // until done
    struct err err; // done: code 0, or why there is no data
    char *data;     // owned; done without an error
    size_t size;
};

struct reader {
    struct xylem *x;           // borrowed
    const struct digest *refs; // borrowed: the blobs of the value
    size_t count;              // of them
    size_t asked;              // blobs asked for
    size_t given;              // blobs handed on
    size_t largest;            // bytes of a blob so far
    xylem_read_fn fn;
    void *arg; // borrowed, for fn
    struct slot slots[WINDOW];
};

/* --- loads --- */

static void
on_blob(void *arg, const struct xylem_reply *reply)
{
    struct slot *s = arg;
    char ref[BLOBREF_MAX];

    s->done = true;
    s->size = reply->size;
    if (reply->rc < 0) {
        err_set(&s->err, reply->rc, "blob %s: %s", blobref_format(s->x->alg, s->ref, ref),
                reply->error);
        return;
    }
    s->data = xmem_try(reply->size + 1);
    if (s->data)
        memcpy(s->data, reply->data, reply->size);
    else
        err_set(&s->err, -ENOMEM, "%s", err_name(ENOMEM));
}

static size_t
window(const struct reader *r)
{
    if (r->given == 0)
        return WINDOW_FIRST;
    return MAX(1, MIN(WINDOW, WINDOW_BYTES / (r->largest + 1)));
}

static int
ask(struct reader *r)
{
    const struct client_request spec = {
        .topic = "content.load", .rank = XYLEM_RANK_ANY, .form = CLIENT_BYTES};
    struct slot *s = &r->slots[r->asked % WINDOW];
    struct blob *payload;
    int rc;

    *s = (struct slot){.x = r->x, .ref = &r->refs[r->asked]};
    payload = blob_new(s->ref->bytes, digest_size(r->x->alg));
    rc = client_request(r->x, &spec, &payload, on_blob, s, &s->tag);
    if (rc == 0)
        r->asked++;
    return rc;
}

static int
ask_ahead(struct reader *r)
{
    int rc = 0;

    while (rc == 0 && r->asked < r->count && r->asked - r->given < window(r)) /* I1 */
        rc = ask(r);
    return rc;
}

static int
hand_on(struct reader *r)
{
    struct slot *s = &r->slots[r->given % WINDOW];
    int rc = 0;

    while (!s->done && rc >= 0)
        rc = xylem_dispatch(r->x, -1);
    if (!s->done)
        return rc;
    r->given++;
    r->largest = MAX(r->largest, s->size);
    rc = s->err.code;
    if (rc < 0) // the handle's last error may be of a later blob, or of something else
        client_fail(r->x, rc, "%s", s->err.text);
    else if (s->size > 0)
        rc = r->fn(r->arg, s->data, s->size);
    free(TAKE(s->data));
    return rc;
}

static int
read_blobs(struct reader *r)
{
    int rc = 0;

    while (rc == 0 && r->given < r->count) {
        rc = ask_ahead(r);
        if (rc == 0)
            rc = hand_on(r);
    }
    for (; r->given < r->asked; r->given++) { /* I2 */
        struct slot *s = &r->slots[r->given % WINDOW];

        if (!s->done)
            xylem_cancel(r->x, s->tag);
        free(s->data);
    }
    return rc;
}

static int
read_valref(struct xylem *x, const struct treeobj *valref, xylem_read_fn fn, void *arg)
{
    struct reader *r = xcalloc(1, sizeof(*r));
    int rc;

    r->x = x;
    r->refs = treeobj_refs(valref, &r->count);
    r->fn = fn;
    r->arg = arg;
    rc = read_blobs(r);
    free(r);
    return rc;
}

static int
read_val(struct xylem *x, const struct treeobj *val, xylem_read_fn fn, void *arg)
{
    AUTO(free) void *data = NULL;
    size_t size;
    int rc = treeobj_val_decode(val, &data, &size);

    if (rc < 0)
        return client_fail(x, rc, "%s", err_name(rc));
    return size > 0 ? fn(arg, data, size) : 0;
}

/* --- links --- */

static int
give_root(struct xylem *x, struct lookup *l)
{
    struct xylem_root root;
    enum digest_alg alg;
    struct digest d;
    int rc = xylem_getroot(x, lookup_namespace(l), &root);

    if (rc < 0)
        return rc;
    if (blobref_parse(root.rootref, &alg, &d) < 0 || alg != x->alg)
        return client_fail(x, -EPROTO, "the rank's answer is not a root");
    lookup_give_root(l, &d);
    return 0;
}

static int
give_dir(struct xylem *x, struct lookup *l)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    AUTO(free) void *data = NULL;
    char ref[BLOBREF_MAX];
    size_t size;
    size_t count;
    int rc;

    blobref_format(x->alg, lookup_wanted(l, &count), ref);
    rc = xylem_load(x, ref, 0, &data, &size);
    if (rc < 0)
        return rc;
    rc = treeobj_decode(x->alg, data, size, &dir, &x->error);
    if (rc < 0)
        return err_prefix(&x->error, rc, "blob %s", ref);
    lookup_give_dir(l, dir);
    return 0;
}

static int
walk(struct xylem *x, struct lookup *l, struct treeobj **ret)
{
    int rc = 0;

    while (rc == 0) {
        switch (lookup_step(l)) {
        case LOOKUP_WANT_ROOT:
            rc = give_root(x, l);
            break;
        case LOOKUP_WANT_DIR:
            rc = give_dir(x, l);
            break;
        case LOOKUP_WANT_BUCKETS:
        case LOOKUP_WANT_BLOBS: // without READDIR, and with UNJOINED, there are none
            assert(false);
            break;
        case LOOKUP_DONE:
            return lookup_result(l, ret, &x->error);
        }
    }
    return rc;
}

/* What the key leads to, links followed. */
static int
follow(struct xylem *x, const char *ns, const char *key, const char *at, struct treeobj **ret)
{
    enum digest_alg alg;
    struct digest root;
    struct lookup *l;
    int rc;

    if (at && (blobref_parse(at, &alg, &root) < 0 || alg != x->alg))
        return client_fail(x, -EINVAL, "not a blobref of this instance");
    l = lookup_new(x->alg, client_namespace(ns), at ? &root : NULL, key, LOOKUP_UNJOINED);
    rc = walk(x, l, ret);
    lookup_free(&l);
    return rc;
}

/* --- the value --- */

/* One request for all but links. */
static int
find(struct xylem *x, const char *ns, const char *key, const char *at, struct treeobj **ret)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(free) char *text = NULL;
    int rc = xylem_lookup(x, ns, key, at, XYLEM_TREEOBJ, &text);

    if (rc == 0)
        rc = treeobj_decode(x->alg, text, strlen(text), &obj, &x->error);
    if (rc < 0)
        return rc;
    if (treeobj_type(obj) == TREEOBJ_SYMLINK)
        return follow(x, ns, key, at, ret);
    *ret = TAKE(obj);
    return 0;
}

int
xylem_read(xylem_t *x, const char *ns, const char *key, const char *at, xylem_read_fn fn, void *arg)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc = find(x, ns, key, at, &obj);

    if (rc < 0)
        return rc;
    switch (treeobj_type(obj)) {
    case TREEOBJ_VAL:
        return read_val(x, obj, fn, arg);
    case TREEOBJ_VALREF:
        return read_valref(x, obj, fn, arg);
    case TREEOBJ_DIR:
    case TREEOBJ_DIRREF:
        return client_fail(x, -EISDIR, "%s", err_name(EISDIR));
    case TREEOBJ_SYMLINK:
    case TREEOBJ_HDIR:
        break;
    }
    return client_fail(x, -EPROTO, "the rank's answer is not a value");
}
