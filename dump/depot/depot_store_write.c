/* SPDX-License-Identifier: MPL-2.0 */
/* depot_store_write.c - writing to the state directory of an instance that is not running.
 *
 * Blobs are collected and written some thousand in a transaction: nothing refers to them, so nobody sees them.
 * Roots and checkpoints are staged in memory; flush writes them, with the blobs that are left, in the last
 * transaction (I2 of depot_store.c). */
#include "depot_store.h"
#include "blobref.h"
#include "clock.h"
#include "tree.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* In a transaction. */
#define BLOBS_MAX 4096
#define BYTES_MAX ((size_t)16 << 20)

/* ---- blobs ---- */

/* Consumes *b. */
static void
add_blob(struct store_blobs *list, const struct digest *digest, struct blob **b)
{
    if (list->count == list->capacity) {
        list->capacity = MAX((size_t)64, 2 * list->capacity);
        list->digests = xrealloc(list->digests, list->capacity * sizeof(*list->digests));
        list->blobs = xrealloc(list->blobs, list->capacity * sizeof(struct blob *));
    }
    list->bytes += blob_size(*b);
    list->digests[list->count] = *digest;
    list->blobs[list->count++] = TAKE(*b);
}

static void
drop_blobs(struct store_blobs *list)
{
    for (size_t i = 0; i < list->count; i++)
        blob_unref(&list->blobs[i]);
    list->count = 0;
    list->bytes = 0;
}

static void
add_bytes(struct depot_store *s, const void *data, size_t size, struct digest *ret)
{
    struct blob *b = blob_new(data, size);

    digest_compute(s->offline.base.layout.alg, data, size, ret);
    add_blob(&s->blobs, ret, &b);
}

static int
put_blobs(struct depot_store *s)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->blobs.count; i++)
        rc = store_db_put(s->db, &s->blobs.digests[i], s->blobs.blobs[i]);
    return rc;
}

/* One transaction of the blobs, and of what `more` writes (NULL: nothing). */
static int
write_all(struct depot_store *s, int (*more)(struct depot_store *s))
{
    int rc;

    do {
        rc = store_db_begin(s->db);
        if (rc == 0)
            rc = put_blobs(s);
        if (rc == 0 && more)
            rc = more(s);
        if (rc == 0)
            rc = store_db_commit(s->db);
        if (rc < 0)
            store_db_rollback(s->db);
    } while (rc == -EUCLEAN); // each time one more damaged row is known
    if (rc == 0)
        drop_blobs(&s->blobs);
    return rc;
}

int
depot_store_put_blobs(struct depot_store *s, struct err *err)
{
    int rc = s->blobs.count > 0 ? write_all(s, NULL) : 0;

    return rc < 0 ? depot_store_fail(s, rc, "write blobs", err) : 0;
}

int
depot_store_store(struct depot *d, const void *data, size_t size, depot_fn fn, void *arg,
                  struct err *err)
{
    struct depot_store *s = store_of(d);
    struct digest digest;
    int rc = 0;

    if (s->blobs.count >= BLOBS_MAX || s->blobs.bytes >= BYTES_MAX)
        rc = depot_store_put_blobs(s, err);
    if (rc < 0)
        return rc;
    add_bytes(s, data, size, &digest);
    depot_offline_stored(&s->offline, &digest, fn, arg);
    return 0;
}

/* ---- staging ---- */

struct depot_root *
depot_store_staged(struct depot_store *s, const char *ns)
{
    for (size_t i = 0; i < s->staged.nroots; i++) {
        if (strcmp(s->staged.roots[i].ns, ns) == 0)
            return &s->staged.roots[i];
    }
    return NULL;
}

static void
stage_root(struct depot_store *s, const struct depot_root *root)
{
    struct depot_root *there = depot_store_staged(s, root->ns);

    if (!there) {
        s->staged.roots =
            xrealloc(s->staged.roots, (s->staged.nroots + 1) * sizeof(*s->staged.roots));
        there = &s->staged.roots[s->staged.nroots++];
    }
    *there = *root;
}

static void
stage_checkpoint(struct depot_store *s, const struct checkpoint *c)
{
    struct store_staged *staged = &s->staged;

    staged->checkpoints =
        xrealloc(staged->checkpoints, (staged->ncheckpoints + 1) * sizeof(*staged->checkpoints));
    staged->checkpoints[staged->ncheckpoints++] = *c;
}

void
depot_store_discard(struct depot_store *s)
{
    drop_blobs(&s->blobs);
    free(s->blobs.digests);
    free(s->blobs.blobs);
    free(s->staged.roots);
    free(s->staged.checkpoints);
    s->blobs = (struct store_blobs){.count = 0};
    s->staged = (struct store_staged){.nroots = 0};
}

/* ---- a tree at a key ---- */

static int
provide(struct depot *d, struct tree *t, struct err *err)
{
    size_t count;
    const struct digest *needs = tree_needs(t, &count);
    AUTO(free) struct digest *wanted = xcalloc(count, sizeof(*wanted));
    int rc = 0;

    memcpy(wanted, needs, count * sizeof(*wanted));
    for (size_t i = 0; rc == 0 && i < count; i++) {
        AUTO(blob) struct blob *b = NULL;
        char ref[BLOBREF_MAX];

        rc = offline_of(d)->read(offline_of(d), &wanted[i], &b, err);
        if (rc == 0)
            rc = tree_provide(t, &wanted[i], b, err);
        if (rc < 0)
            err_prefix(err, rc, "%s", blobref_format(d->layout.alg, &wanted[i], ref));
    }
    return rc;
}

/* what: tree_expect() or tree_apply(). */
static int
run_txn(struct depot *d, struct tree *t, const struct txn *txn,
        int (*what)(struct tree *t, const struct txn *txn, struct err *err), struct err *err)
{
    int rc;

    while ((rc = what(t, txn, err)) == 1) {
        if ((rc = provide(d, t, err)) < 0)
            return rc;
    }
    return rc;
}

static void
on_made(void *arg, const struct digest *digest, const struct blob *b)
{
    struct depot_store *s = arg;
    struct blob *ref = blob_ref(b);

    add_blob(&s->blobs, digest, &ref);
}

static int
make_txn(const struct depot_change *c, struct txn *txn, struct err *err)
{
    struct treeobj *ref = treeobj_new_dirref(&c->tree);
    struct treeobj *expected = c->expected ? treeobj_new_dirref(c->expected) : NULL;
    int rc = txn_add(txn, c->key, 0, &ref, err);

    if (rc == 0 && expected)
        return txn_expect(txn, c->key, &expected, err);
    treeobj_unref(&expected);
    return rc;
}

/* *root: of the namespace, before and after. */
static int
put_at_key(struct depot_store *s, const struct depot_change *c, struct digest *root,
           struct err *err)
{
    const struct layout *layout = &s->offline.base.layout;
    struct hdir_form form = hdir_form(layout->alg, layout->maxdirent);
    AUTO(txn) struct txn txn = TXN_INIT;
    struct tree *t = tree_new(layout->alg, root);
    int rc = make_txn(c, &txn, err);

    tree_set_namespace(t, c->ns);
    tree_set_blob_limit(t, (size_t)layout->blob_size);
    tree_set_form(t, &form);
    if (rc == 0)
        rc = run_txn(&s->offline.base, t, &txn, tree_expect, err);
    if (rc == 0)
        rc = run_txn(&s->offline.base, t, &txn, tree_apply, err);
    if (rc == 0)
        tree_write(t, on_made, s, root);
    tree_free(&t);
    return rc;
}

/* ---- changes ---- */

static bool
is_whole_root(const struct depot_change *c)
{
    return strspn(c->key, ".") == strlen(c->key);
}

static int
replace_root(struct depot_store *s, const struct depot_change *c, struct digest *root,
             struct err *err)
{
    enum digest_alg alg = s->offline.base.layout.alg;
    char is[BLOBREF_MAX], expected[BLOBREF_MAX];

    if (c->expected && !digest_equal(root, c->expected))
        return err_set(err, -EAGAIN, "the current root of %s is %s, not %s", c->ns,
                       blobref_format(alg, root, is), blobref_format(alg, c->expected, expected));
    *root = c->tree;
    return 0;
}

/* In a file a blob may be as large as it is. */
static void
add_wide(struct depot_store *s, const struct depot_change *c)
{
    struct digest unused;

    for (size_t i = 0; i < c->nwide; i++)
        add_bytes(s, c->wide[i].json, strlen(c->wide[i].json), &unused);
}

int
depot_store_change(struct depot *d, const struct depot_change *c, struct depot_root *ret,
                   struct err *err)
{
    struct depot_store *s = store_of(d);
    struct digest before;
    int rc = depot_root(d, c->ns, ret, err);

    if (rc < 0)
        return rc;
    before = ret->root;
    add_wide(s, c);
    rc = is_whole_root(c) ? replace_root(s, c, &ret->root, err) : put_at_key(s, c, &ret->root, err);
    if (rc < 0)
        return rc;
    ret->sequence += !digest_equal(&before, &ret->root);
    stage_root(s, ret);
    return 0;
}

static bool
is_namespace(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.+@:";
    size_t len = strnlen(name, DEPOT_NAMESPACE_MAX);

    return len > 0 && len < DEPOT_NAMESPACE_MAX && strspn(name, allowed) == len;
}

int
depot_store_create(struct depot *d, const struct depot_root *root, struct err *err)
{
    struct depot_store *s = store_of(d);
    struct depot_root there;
    int rc;

    if (!is_namespace(root->ns))
        return err_set(err, -EINVAL, "'%.63s' is no name of a namespace", root->ns);
    rc = depot_store_recorded(s, root->ns, &there, err);
    if (rc > 0 || depot_store_staged(s, root->ns))
        rc = err_set(err, -EEXIST, "namespace %s: %s", root->ns, err_name(EEXIST));
    if (rc == 0)
        stage_root(s, root);
    return rc;
}

int
depot_store_put_checkpoint(struct depot *d, const struct checkpoint *c, struct err *err UNUSED)
{
    stage_checkpoint(store_of(d), c);
    return 0;
}

/* ---- flush ---- */

/* A broker goes on from a checkpoint that was put while none was running; and one that ends records where it
 * was. */
static int
complete_staged(struct depot_store *s, struct err *err)
{
    const struct depot_root *primary = depot_store_staged(s, "primary");
    const struct checkpoint *last;
    struct depot_root root;
    int rc;

    if (primary && s->staged.ncheckpoints == 0)
        stage_checkpoint(s, &(struct checkpoint){primary->root, primary->sequence, clock_wall()});
    if (primary || s->staged.ncheckpoints == 0)
        return 0;
    rc = depot_root(&s->offline.base, "primary", &root, err);
    if (rc < 0)
        return rc;
    last = &s->staged.checkpoints[s->staged.ncheckpoints - 1];
    root.root = last->root;
    root.sequence = MAX(last->sequence, MIN(root.sequence, INT64_MAX - 1) + 1);
    stage_root(s, &root);
    return 0;
}

static int
put_root(struct depot_store *s, const struct depot_root *from)
{
    struct store_root root = {.owner = from->owner, .sequence = from->sequence, .root = from->root};
    int rc = store_db_exists(s->db, &root.root);

    memcpy(root.name, from->ns, sizeof(root.name));
    if (rc == 0)
        rc = store_db_put_root(s->db, &root);
    return rc == 0 ? store_db_put_history(s->db, &root, 0, NULL) : rc;
}

static int
put_staged(struct depot_store *s)
{
    const struct store_staged *staged = &s->staged;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < staged->ncheckpoints; i++) {
        rc = store_db_exists(s->db, &staged->checkpoints[i].root);
        if (rc == 0)
            rc = store_db_put_checkpoint(s->db, &staged->checkpoints[i]);
    }
    for (size_t i = 0; rc == 0 && i < staged->nroots; i++)
        rc = put_root(s, &staged->roots[i]);
    return rc;
}

int
depot_store_flush(struct depot *d, struct err *err)
{
    struct depot_store *s = store_of(d);
    int rc = complete_staged(s, err);

    if (rc < 0)
        return rc;
    rc = write_all(s, put_staged);
    if (rc == -ENOENT)
        return err_set(err, rc, "%s: a root that is to be recorded is not stored", s->statedir);
    if (rc < 0)
        return depot_store_fail(s, rc, "write", err);
    s->made_dir = s->made_file = false; // they stay
    s->staged.nroots = s->staged.ncheckpoints = 0;
    return 0;
}
