/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_repair.c - see fsck_repair.h.
 *
 * First all new roots and their tree objects are made in memory, then everything is written.  I1: until
 * write_all() nothing is changed; it is one transaction. */
#include "fsck_repair.h"
#include "map.h"
#include "store_db_mend.h"
#include "tree.h"
#include "xmem.h"

#include <errno.h>

#define TXN_OPS 10000   // operations applied at a time
#define DIRS_KEPT 10000 // decoded directories

/* A decoded directory. */
struct held {
    struct digest digest;
    struct treeobj *dir; // owned reference
};

/* A tree object to write. */
struct made {
    struct digest digest;
    struct blob *blob; // owned reference
};

struct repair {
    struct store_db *db;            // borrowed
    enum digest_alg alg;            // of db
    const struct fsck *fsck;        // borrowed
    const struct fsck_plans *plans; // borrowed
    double now;                     // seconds since the epoch
    struct map dirs;                // digest -> struct held, owned
    struct digest base;             // root that look() starts from
    struct made *made;              // owned array
    size_t nmade;
    size_t capacity;
    struct fsck_fixed *fixed; // owned array
    size_t nfixed;
};

/* --- looking into a tree --- */

static void
drop_dirs(struct repair *r)
{
    size_t pos = 0;
    struct held *h;

    while ((h = map_next(&r->dirs, &pos))) {
        treeobj_unref(&h->dir);
        free(h);
    }
    map_fini(&r->dirs);
    map_init(&r->dirs, offsetof(struct held, digest), sizeof(struct digest));
}

static int
decode_dir(struct repair *r, const struct digest *d, struct treeobj **ret)
{
    AUTO(blob) struct blob *b = NULL;
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc = store_db_load(r->db, d, &b);

    if (rc == 0)
        rc = treeobj_decode(r->alg, blob_data(b), blob_size(b), &obj, NULL);
    if (rc == 0 && treeobj_type(obj) != TREEOBJ_DIR && treeobj_type(obj) != TREEOBJ_HDIR)
        rc = -EPROTO;
    if (rc == 0)
        *ret = TAKE(obj);
    return rc;
}

/* Borrowed until the next call. */
static int
load_dir(struct repair *r, const struct digest *d, const struct treeobj **ret)
{
    struct held *h = map_get(&r->dirs, d);
    struct treeobj *dir = NULL;
    int rc;

    if (!h) {
        rc = decode_dir(r, d, &dir);
        if (rc < 0)
            return rc;
        if (r->dirs.count >= DIRS_KEPT)
            drop_dirs(r);
        h = xcalloc(1, sizeof(*h));
        h->digest = *d;
        h->dir = dir;
        map_put(&r->dirs, h);
    }
    *ret = h->dir;
    return 0;
}

/* The directory below entry; what cannot be loaded is in the way like a value. */
static int
go_down(struct repair *r, const struct treeobj *entry, const struct treeobj **dir)
{
    size_t count;

    if (treeobj_type(entry) == TREEOBJ_DIR) {
        *dir = entry;
        return 0;
    }
    if (treeobj_type(entry) != TREEOBJ_DIRREF)
        return -ENOTDIR;
    return load_dir(r, treeobj_refs(entry, &count), dir) < 0 ? -ENOTDIR : 0;
}

/* From a wide directory to the part with that name; -ENOENT, -ENOTDIR as above. */
static int
go_into_part(struct repair *r, const char *name, const struct treeobj **dir)
{
    uint64_t hash = hdir_hash(r->alg, name);

    for (unsigned level = 0; treeobj_type(*dir) == TREEOBJ_HDIR; level++) {
        const struct treeobj_slot *slot;
        struct digest d;

        if (level == HDIR_LEVELS)
            return -ENOTDIR;
        slot = &treeobj_hdir_slots(*dir)[hdir_slot(hash, level)];
        if (slot->count == 0)
            return -ENOENT;
        d = slot->ref;
        if (load_dir(r, &d, dir) < 0)
            return -ENOTDIR;
    }
    return 0;
}

/* fsck_look_fn */
static int
look(void *arg, const char *text, struct treeobj **ret)
{
    struct repair *r = arg;
    AUTO(key) struct key key = {.count = 0};
    const struct treeobj *dir, *entry = NULL;
    int rc = key_parse(text, &key, NULL);

    if (rc == 0)
        rc = load_dir(r, &r->base, &dir);
    for (size_t i = 0; rc == 0 && i < key.count; i++) {
        if (entry)
            rc = go_down(r, entry, &dir);
        if (rc == 0)
            rc = go_into_part(r, key.names[i], &dir);
        if (rc == 0)
            entry = treeobj_dir_get(dir, key.names[i]);
        if (rc == 0 && !entry)
            rc = -ENOENT;
    }
    if (rc == 0)
        *ret = treeobj_ref(entry);
    return rc;
}

/* --- new roots --- */

static void
add_made(void *arg, const struct digest *d, const struct blob *b)
{
    struct repair *r = arg;

    if (r->nmade == r->capacity) {
        r->capacity = MAX((size_t)64, 2 * r->capacity);
        r->made = xrealloc(r->made, r->capacity * sizeof(*r->made));
    }
    r->made[r->nmade++] = (struct made){*d, blob_ref(b)};
}

static int
provide(struct repair *r, struct tree *t, struct err *err)
{
    size_t count;
    const struct digest *needs = tree_needs(t, &count);
    AUTO(free) struct digest *wanted = xcalloc(count, sizeof(*wanted));
    int rc = 0;

    memcpy(wanted, needs, count * sizeof(*wanted));
    for (size_t i = 0; rc == 0 && i < count; i++) {
        AUTO(blob) struct blob *b = NULL;
        char ref[BLOBREF_MAX];

        rc = store_db_load(r->db, &wanted[i], &b);
        if (rc < 0)
            return err_set(err, rc, "cannot load %s: %s", blobref_format(r->alg, &wanted[i], ref),
                           err_name(rc));
        rc = tree_provide(t, &wanted[i], b, err);
    }
    return rc;
}

static int
apply_txn(struct repair *r, struct tree *t, const struct txn *txn, struct err *err)
{
    int rc;

    while ((rc = tree_apply(t, txn, err)) == 1) {
        rc = provide(r, t, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* *ret_entries: what was in them. */
static int
drop_parts_of(struct repair *r, struct tree *t, const char *text, const struct digest *parts,
              size_t count, uint64_t *ret_entries, struct err *err)
{
    AUTO(key) struct key key = {.count = 0};
    int rc = key_parse(text, &key, err);

    if (rc < 0)
        return rc;
    while ((rc = tree_drop_parts(t, &key, parts, count, ret_entries, err)) == 1) {
        rc = provide(r, t, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int
drop_parts(struct repair *r, struct tree *t, const struct fsck_plan *plan, struct fsck_mended *m,
           struct err *err)
{
    const char *key;
    struct digest *parts;
    size_t count;
    size_t pos = 0;
    int rc = 0;

    while (rc == 0 && fsck_plan_parts(plan, &pos, &key, &parts, &count)) {
        uint64_t entries = 0;

        rc = drop_parts_of(r, t, key, parts, count, &entries, err);
        m->removed += entries;
        free(parts);
    }
    return rc;
}

/* The tree at r->base without what is lost in it. */
static int
mend_tree(struct repair *r, const struct fsck_plan *plan, struct fsck_fixed *fixed, struct err *err)
{
    struct tree *t = tree_new(r->alg, &r->base);
    size_t pos = 0;
    int rc = plan ? drop_parts(r, t, plan, &fixed->mended, err) : 0;

    if (rc == 0 && plan)
        rc = 1;
    while (rc == 1) {
        AUTO(txn) struct txn txn = TXN_INIT;

        rc = fsck_plan_next(plan, &pos, TXN_OPS, look, r, &txn, &fixed->mended, err);
        if (rc >= 0) {
            int applied = apply_txn(r, t, &txn, err);

            rc = applied < 0 ? applied : rc;
        }
    }
    if (rc == 0)
        tree_write(t, add_made, r, &fixed->now);
    tree_free(&t);
    return rc;
}

/* --- what becomes of each tree --- */

static int
newest_checkpoint(const struct fsck_root *roots, size_t count, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (roots[i].kind == FSCK_CHECKPOINT && roots[i].state != FSCK_LOST) {
            *ret = i;
            return 0;
        }
    }
    return -ENOENT;
}

/* Choose what a namespace whose root is lost starts from; *i is the tree it has in common then. */
static enum fsck_fix
choose_base(struct repair *r, const struct fsck_root *root, size_t *i)
{
    AUTO(blob) struct blob *empty = NULL;
    size_t count;
    const struct fsck_root *roots = fsck_roots(r->fsck, &count);

    if (strcmp(root->name, "primary") == 0 && newest_checkpoint(roots, count, i) == 0) {
        r->base = roots[*i].digest;
        return FSCK_FIX_CHECKPOINT;
    }
    empty = tree_empty_dir(r->alg, &r->base);
    add_made(r, &r->base, empty);
    *i = SIZE_MAX; // nothing is lost in it
    return FSCK_FIX_EMPTY;
}

static int
mend_root(struct repair *r, const struct fsck_root *root, size_t i, struct err *err)
{
    struct fsck_fixed *fixed = &r->fixed[r->nfixed];
    int rc = 0;

    *fixed = (struct fsck_fixed){.root = root, .fix = FSCK_FIX_MENDED};
    r->base = root->digest;
    if (root->state == FSCK_LOST && root->kind == FSCK_CHECKPOINT)
        fixed->fix = FSCK_FIX_REMOVED;
    else if (root->state == FSCK_LOST)
        fixed->fix = choose_base(r, root, &i);
    if (fixed->fix != FSCK_FIX_REMOVED)
        rc = mend_tree(r, fsck_plans_get(r->plans, i), fixed, err);
    if (rc < 0)
        return err_prefix(err, rc, "%s", root->name);
    r->nfixed++;
    return 0;
}

static int
mend_all(struct repair *r, struct err *err)
{
    size_t count;
    const struct fsck_root *roots = fsck_roots(r->fsck, &count);
    int rc = 0;

    r->fixed = xcalloc(MAX((size_t)1, count), sizeof(*r->fixed));
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (roots[i].state != FSCK_WHOLE)
            rc = mend_root(r, &roots[i], i, err);
    }
    return rc;
}

/* --- writing --- */

static int
write_namespace(struct repair *r, const struct fsck_fixed *fixed)
{
    const struct fsck_root *from = fixed->root;
    struct store_root root = {
        .owner = from->owner, .sequence = from->sequence + 1, .root = fixed->now};
    struct checkpoint c = {fixed->now, root.sequence, r->now};
    int rc;

    if (digest_equal(&from->digest, &fixed->now))
        return 0; // nothing in it could be mended
    memcpy(root.name, from->name, sizeof(root.name) - 1);
    rc = store_db_put_root(r->db, &root);
    if (rc == 0)
        rc = store_db_put_history(r->db, &root, r->now, NULL);
    if (rc == 0 && strcmp(root.name, "primary") == 0)
        rc = store_db_put_checkpoint(r->db, &c);
    return rc;
}

static int
write_checkpoint(struct repair *r, const struct fsck_fixed *fixed)
{
    const struct fsck_root *from = fixed->root;
    struct checkpoint old = {from->digest, from->sequence, from->timestamp};

    return store_db_mend_checkpoint(r->db, &old,
                                    fixed->fix == FSCK_FIX_REMOVED ? NULL : &fixed->now);
}

/* Checkpoints before namespaces: those push out the oldest. */
static int
write_roots(struct repair *r, enum fsck_root_kind kind)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->nfixed; i++) {
        if (r->fixed[i].root->kind != kind)
            continue;
        rc = kind == FSCK_CHECKPOINT ? write_checkpoint(r, &r->fixed[i])
                                     : write_namespace(r, &r->fixed[i]);
    }
    return rc;
}

/* Before anything is stored: a new tree object may be what a damaged row should have been. */
static int
remove_damaged(struct repair *r)
{
    size_t count;
    AUTO(free) int64_t *ids = fsck_damaged_ids(r->fsck, &count);

    return store_db_remove(r->db, ids, count);
}

static int
write_all(struct repair *r, struct err *err)
{
    int rc = store_db_begin(r->db);

    if (rc == 0)
        rc = remove_damaged(r);
    for (size_t i = 0; rc == 0 && i < r->nmade; i++)
        rc = store_db_put(r->db, &r->made[i].digest, r->made[i].blob);
    if (rc == 0)
        rc = write_roots(r, FSCK_CHECKPOINT);
    if (rc == 0)
        rc = write_roots(r, FSCK_NAMESPACE);
    if (rc == 0)
        rc = store_db_commit(r->db);
    if (rc < 0)
        return err_set(err, rc, "cannot write the repair: %s", err_name(rc));
    return 0;
}

int
fsck_repair(struct store_db *db, enum digest_alg alg, const struct fsck *f,
            const struct fsck_plans *plans, double now, struct fsck_fixed **ret, size_t *ret_count,
            struct err *err)
{
    struct repair r = {.db = db, .alg = alg, .fsck = f, .plans = plans, .now = now};
    int rc;

    map_init(&r.dirs, offsetof(struct held, digest), sizeof(struct digest));
    rc = mend_all(&r, err);
    if (rc == 0)
        rc = write_all(&r, err);
    drop_dirs(&r);
    map_fini(&r.dirs);
    for (size_t i = 0; i < r.nmade; i++)
        blob_unref(&r.made[i].blob);
    free(r.made);
    if (rc < 0) {
        free(r.fixed);
        return rc;
    }
    *ret = r.fixed;
    *ret_count = r.nfixed;
    return 0;
}
