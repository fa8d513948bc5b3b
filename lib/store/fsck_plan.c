/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_plan.c - see fsck_plan.h.  Pure: what is in the tree is asked through a function. */
#include "fsck_plan.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

#define TRIES_MAX 1000 // names below lost+found that may be taken

/* A key and the blobs it has lost. */
struct loss {
    char *key; // owned
    enum fsck_object object;
    struct digest *lost; // owned array
    size_t count;        // digests
    size_t capacity;     // allocated
};

struct fsck_plan {
    struct loss *losses; // owned array
    size_t count;
    size_t capacity;
};

/* What fsck_plan_next() works with. */
struct work {
    fsck_look_fn look;
    void *arg; // of look
    struct txn *txn;
    struct fsck_mended *m;
    struct err *err;
};

/* --- collecting --- */

struct fsck_plan *
fsck_plan_new(void)
{
    return xcalloc(1, sizeof(struct fsck_plan));
}

void
fsck_plan_free(struct fsck_plan **pp)
{
    struct fsck_plan *p = TAKE(*pp);

    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free(p->losses[i].key);
        free(p->losses[i].lost);
    }
    free(p->losses);
    free(p);
}

static struct loss *
add_loss(struct fsck_plan *p, const char *key, enum fsck_object object)
{
    if (p->count == p->capacity) {
        p->capacity = MAX((size_t)16, 2 * p->capacity);
        p->losses = xrealloc(p->losses, p->capacity * sizeof(*p->losses));
    }
    p->losses[p->count] = (struct loss){.key = xstrdup(key), .object = object};
    return &p->losses[p->count++];
}

void
fsck_plan_add(struct fsck_plan *p, const char *key, enum fsck_object object,
              const struct digest *lost)
{
    struct loss *l = p->count > 0 ? &p->losses[p->count - 1] : NULL;

    if (!l || object == FSCK_PART || l->object == FSCK_PART || strcmp(l->key, key) != 0)
        l = add_loss(p, key, object);
    if (l->count == l->capacity) {
        l->capacity = MAX((size_t)1, 2 * l->capacity);
        l->lost = xrealloc(l->lost, l->capacity * sizeof(*l->lost));
    }
    l->lost[l->count++] = *lost;
}

void
fsck_plans_add(struct fsck_plans *plans, const struct fsck_finding *finding)
{
    size_t i = finding->root_index;

    if (!finding->root || (finding->object != FSCK_PART && strcmp(finding->key, ".") == 0))
        return;
    if (i >= plans->count) {
        plans->list = xrealloc(plans->list, (i + 1) * sizeof(struct fsck_plan *));
        while (plans->count <= i)
            plans->list[plans->count++] = NULL;
    }
    if (!plans->list[i])
        plans->list[i] = fsck_plan_new();
    fsck_plan_add(plans->list[i], finding->key, finding->object, &finding->digest);
}

const struct fsck_plan *
fsck_plans_get(const struct fsck_plans *plans, size_t root_index)
{
    return root_index < plans->count ? plans->list[root_index] : NULL;
}

void
fsck_plans_fini(struct fsck_plans *plans)
{
    for (size_t i = 0; i < plans->count; i++)
        fsck_plan_free(&plans->list[i]);
    free(plans->list);
    *plans = (struct fsck_plans)FSCK_PLANS_INIT;
}

/* --- planning --- */

static bool
is_no_key(int rc)
{
    return rc == -EINVAL || rc == -ENAMETOOLONG;
}

/* malloc()ed key where nothing is, in *ret.  0, -EEXIST, -errno of look. */
static int
find_free(const struct work *w, const char *key, size_t number, char **ret)
{
    AUTO(free) char *plain = xstrdup(key);

    for (int i = 1; i <= TRIES_MAX; i++) {
        AUTO(treeobj) struct treeobj *there = NULL;
        char suffix[16] = "";
        char *text;
        int rc;

        if (i > 1)
            snprintf(suffix, sizeof(suffix), "-%d", i);
        text = xasprintf("lost+found%s.%s", suffix, plain);
        rc = w->look(w->arg, text, &there);
        if (rc == -ENOENT) {
            *ret = text;
            return 0;
        }
        free(text);
        if (is_no_key(rc)) {
            free(plain);
            plain = xasprintf("long-%zu", number);
        } else if (rc < 0 && rc != -ENOTDIR) {
            return err_set(w->err, rc, "%s", err_name(rc));
        }
    }
    return err_set(w->err, -EEXIST, "every name for it below lost+found is taken");
}

static bool
is_lost(const struct loss *l, const struct digest *d)
{
    for (size_t i = 0; i < l->count; i++) {
        if (digest_equal(&l->lost[i], d))
            return true;
    }
    return false;
}

/* A valref of the blobs that are left.  NULL: none are, and *ret_left is 0; or nothing is lost, and
 * *ret_left is their number. */
static struct treeobj *
remains(const struct loss *l, const struct treeobj *value, size_t *ret_left)
{
    size_t count;
    const struct digest *refs = treeobj_refs(value, &count);
    AUTO(free) struct digest *rest = xcalloc(count, sizeof(*rest));
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        if (!is_lost(l, &refs[i]))
            rest[left++] = refs[i];
    }
    *ret_left = left;
    return left > 0 && left < count ? treeobj_new_valref(rest, left) : NULL;
}

/* 1: the key is removed; 0: it cannot be named. */
static int
plan_unlink(const struct work *w, const struct loss *l)
{
    struct treeobj *nothing = NULL;
    int rc = txn_add(w->txn, l->key, 0, &nothing, w->err);

    if (is_no_key(rc))
        w->m->stuck++;
    return rc < 0 ? (is_no_key(rc) ? 0 : rc) : 1;
}

static int
plan_value(const struct work *w, const struct loss *l, const struct treeobj *value, size_t number)
{
    AUTO(treeobj) struct treeobj *rest = NULL;
    AUTO(free) char *target = NULL;
    size_t left;
    int rc;

    if (treeobj_type(value) != TREEOBJ_VALREF)
        return 0;
    rest = remains(l, value, &left);
    if (!rest && left > 0)
        return 0;
    if (rest && (rc = find_free(w, l->key, number, &target)) < 0)
        return rc;
    rc = plan_unlink(w, l);
    if (rc <= 0)
        return rc;
    if (!rest) {
        w->m->removed++;
        return 0;
    }
    w->m->moved++;
    return txn_add(w->txn, target, 0, &rest, w->err);
}

/* A directory that has come in its place since is not touched; one that lies in the directory above
 * is lost only by being too deep. */
static int
plan_directory(const struct work *w, const struct loss *l, const struct treeobj *obj)
{
    size_t count;
    int rc;

    if (treeobj_type(obj) == TREEOBJ_DIRREF) {
        if (!is_lost(l, treeobj_refs(obj, &count)))
            return 0;
    } else if (treeobj_type(obj) != TREEOBJ_DIR) {
        return 0;
    }
    rc = plan_unlink(w, l);
    if (rc == 1)
        w->m->removed++;
    return MIN(rc, 0);
}

static int
plan_loss(const struct work *w, const struct loss *l, size_t number)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc = l->object == FSCK_PART ? -ENOENT : w->look(w->arg, l->key, &obj);

    if (rc == -ENOENT || rc == -ENOTDIR)
        return 0;
    if (is_no_key(rc)) {
        w->m->stuck++;
        return 0;
    }
    if (rc < 0)
        return err_set(w->err, rc, "%s", err_name(rc));
    if (l->object == FSCK_DIRECTORY)
        return plan_directory(w, l, obj);
    return plan_value(w, l, obj, number);
}

/* A directory is told of by its first part. */
static bool
is_first_part(const struct fsck_plan *p, const struct loss *l)
{
    if (l->object != FSCK_PART)
        return false;
    for (const struct loss *before = p->losses; before < l; before++) {
        if (before->object == FSCK_PART && strcmp(before->key, l->key) == 0)
            return false;
    }
    return true;
}

static struct digest *
collect_parts(const struct fsck_plan *p, const struct loss *first, size_t *ret_count)
{
    struct digest *parts = xcalloc(p->count, sizeof(*parts));
    size_t count = 0;

    for (const struct loss *l = first; l < p->losses + p->count; l++) {
        if (l->object == FSCK_PART && strcmp(l->key, first->key) == 0)
            parts[count++] = l->lost[0];
    }
    *ret_count = count;
    return parts;
}

bool
fsck_plan_parts(const struct fsck_plan *p, size_t *pos, const char **ret_key, struct digest **ret,
                size_t *ret_count)
{
    while (*pos < p->count) {
        const struct loss *l = &p->losses[(*pos)++];

        if (!is_first_part(p, l))
            continue;
        *ret_key = l->key;
        *ret = collect_parts(p, l, ret_count);
        return true;
    }
    return false;
}

int
fsck_plan_next(const struct fsck_plan *p, size_t *pos, size_t max_ops, fsck_look_fn look, void *arg,
               struct txn *txn, struct fsck_mended *m, struct err *err)
{
    struct work w = {look, arg, txn, m, err};

    while (*pos < p->count && txn->count < max_ops) {
        const struct loss *l = &p->losses[(*pos)++];
        int rc = plan_loss(&w, l, *pos);

        if (rc < 0)
            return err_prefix(err, rc, "%.200s", l->key);
    }
    return *pos < p->count;
}
