/* SPDX-License-Identifier: MPL-2.0 */
/* committer.c - see committer.h.
 *
 * A namespace       run: queue not empty      all blobs arrived     written(0)        written(error)
 * IDLE              check, apply; WRITING,    -                     -                 -
 *                   or LOADING if a
 *                   directory is missing
 * LOADING           -                         IDLE                  -                 -
 * WRITING           -                         -                     IDLE; group done  IDLE; group
 *                                                                                     failed
 *
 * Invariants:
 *  I1  commits are applied in the order they were submitted.
 *  I2  `group` holds what has been applied to the tree and is not durable; it is answered as a
 *      whole, by one root.
 *  I3  after a failed write the tree is at the last durable root again.
 *  I4  what a commit expects is checked right before it is applied, against all commits before it.  Where
 *      that shows only in a root (a version, the digest of a directory), the group is written first, and
 *      the commit begins the next one.
 */
#include "committer.h"
#include "blobref.h"
#include "group_keys.h"
#include "list.h"
#include "tree.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GROUP_MAX 4096               // commits merged into one root
#define TREE_MEMORY_MAX (256u << 20) // bytes of directories kept parsed, for a namespace

struct commit {
    struct list node;             // on space.queue, then on space.group
    struct txn txn;               // owned
    int flags;                    // COMMIT_*
    void *cookie;                 // the submitter's
    char id[STORE_COMMIT_ID_MAX]; // "": it has none
};

enum space_state { SPACE_IDLE, SPACE_LOADING, SPACE_WRITING };

struct space {
    struct list node;       // on committer.spaces
    struct store_root root; // the last durable one
    struct store_root next; // the one being written
    struct tree *tree;      // owned
    enum space_state state;
    struct list queue; // commits not applied
    struct list group; // commits applied (I2)
    size_t group_size;
    struct group_keys keys; // of the group
    struct commit *asker;   // LOADING: the one that needs them; NULL when it has failed
    struct digest *missing; // owned array: asked for, not yet provided
    size_t nmissing;
    bool removed; // goes as soon as it is IDLE
};

struct committer {
    enum digest_alg alg;
    size_t blob_limit;               // bytes
    struct hdir_form form;           // of directories
    const struct committer_ops *ops; // borrowed
    void *arg;                       // borrowed
    struct list spaces;
};

struct committer *
committer_new(enum digest_alg alg, size_t blob_limit, uint64_t maxdirent,
              const struct committer_ops *ops, void *arg)
{
    struct committer *c = xcalloc(1, sizeof(*c));

    c->alg = alg;
    c->blob_limit = blob_limit;
    c->form = hdir_form(alg, maxdirent);
    c->ops = ops;
    c->arg = arg;
    list_init(&c->spaces);
    return c;
}

static void
finish(struct committer *c, struct commit *commit, int rc, const char *text,
       const struct store_root *root)
{
    list_remove(&commit->node);
    c->ops->done(c->arg, commit->cookie, rc, text, root);
    txn_fini(&commit->txn);
    free(commit);
}

static void
finish_all(struct committer *c, struct list *commits, int rc, const struct store_root *root)
{
    LIST_FOR_EACH (node, commits)
        finish(c, list_entry(node, struct commit, node), rc, "", root);
}

static void
free_space(struct committer *c, struct space *s, int rc)
{
    finish_all(c, &s->group, rc, NULL);
    finish_all(c, &s->queue, rc, NULL);
    list_remove(&s->node);
    tree_free(&s->tree);
    group_keys_fini(&s->keys);
    free(s->missing);
    free(s);
}

void
committer_free(struct committer **committer)
{
    struct committer *c = TAKE(*committer);

    if (!c)
        return;
    LIST_FOR_EACH (node, &c->spaces)
        free_space(c, list_entry(node, struct space, node), -ECANCELED);
    free(c);
}

static struct space *
find_space(struct committer *c, const char *ns)
{
    LIST_FOR_EACH (node, &c->spaces) {
        struct space *s = list_entry(node, struct space, node);

        if (!s->removed && strcmp(s->root.name, ns) == 0)
            return s;
    }
    return NULL;
}

void
committer_add_root(struct committer *c, const struct store_root *root)
{
    struct space *s = xcalloc(1, sizeof(*s));

    assert(!find_space(c, root->name));
    s->root = *root;
    s->tree = tree_new(c->alg, &root->root);
    tree_set_namespace(s->tree, root->name);
    tree_set_blob_limit(s->tree, c->blob_limit);
    tree_set_form(s->tree, &c->form);
    list_init(&s->queue);
    list_init(&s->group);
    list_init(&s->node);
    list_push_back(&c->spaces, &s->node);
}

void
committer_remove_root(struct committer *c, const char *ns)
{
    struct space *s = find_space(c, ns);

    if (!s)
        return;
    if (s->state == SPACE_WRITING)
        s->removed = true;
    else
        free_space(c, s, -ENOTSUP);
}

static void
refuse(struct committer *c, const char *ns, void *cookie)
{
    char text[ERR_TEXT_MAX];

    snprintf(text, sizeof(text), "namespace %.128s does not exist", ns);
    c->ops->done(c->arg, cookie, -ENOTSUP, text, NULL);
}

void
committer_submit(struct committer *c, const char *ns, int flags, struct txn *txn, const char *id,
                 void *cookie)
{
    struct space *s = find_space(c, ns);
    struct commit *commit;

    if (!s) {
        refuse(c, ns, cookie);
        txn_fini(txn);
        return;
    }
    commit = xmalloc(sizeof(*commit));
    commit->txn = *txn;
    *txn = (struct txn)TXN_INIT;
    commit->flags = flags;
    commit->cookie = cookie;
    snprintf(commit->id, sizeof(commit->id), "%s", id);
    list_init(&commit->node);
    list_push_back(&s->queue, &commit->node);
}

/* --- loading --- */

static void
ask_for_missing(struct committer *c, struct space *s)
{
    size_t count;
    const struct digest *needs = tree_needs(s->tree, &count);
    size_t size = count * sizeof(*needs);
    struct digest *asked = memcpy(xmalloc(size), needs, size);

    assert(count > 0);
    free(s->missing);
    s->missing = memcpy(xmalloc(size), needs, size);
    s->nmissing = count;
    s->asker = list_entry(s->queue.next, struct commit, node);
    s->state = SPACE_LOADING;
    /* An answer from inside changes s->missing and the tree: walk a list of our own. */
    for (size_t i = 0; i < count; i++)
        c->ops->need(c->arg, &asked[i]);
    free(asked);
}

static bool
strike_off(struct space *s, const struct digest *d)
{
    for (size_t i = 0; i < s->nmissing; i++) {
        if (digest_equal(&s->missing[i], d)) {
            s->missing[i] = s->missing[--s->nmissing];
            return true;
        }
    }
    return false;
}

/* Only the commit that needs the blob fails, and only once: more of its blobs may be lost. */
static void
fail_asker(struct committer *c, struct space *s, const struct digest *d, int rc, const char *why)
{
    struct commit *asker = TAKE(s->asker);
    const char *key = tree_need_key(s->tree, d);
    char text[ERR_TEXT_MAX];

    if (!asker)
        return;
    if (key)
        snprintf(text, sizeof(text), "key '%.128s': directory %.300s", key, why);
    else
        snprintf(text, sizeof(text), "directory %.300s", why);
    finish(c, asker, rc, text, NULL);
}

static void
provide_to(struct committer *c, struct space *s, const struct digest *d, int rc,
           const struct blob *b)
{
    struct err err = {0};
    char ref[BLOBREF_MAX];

    if (s->state != SPACE_LOADING || !strike_off(s, d))
        return;
    if (rc < 0)
        err_set(&err, rc, "%s: %s", blobref_format(c->alg, d, ref), err_name(rc));
    else
        rc = tree_provide(s->tree, d, b, &err);
    if (rc < 0)
        fail_asker(c, s, d, rc, err.text);
    if (s->nmissing == 0)
        s->state = SPACE_IDLE;
}

void
committer_provide(struct committer *c, const struct digest *d, int rc, const struct blob *b)
{
    LIST_FOR_EACH (node, &c->spaces)
        provide_to(c, list_entry(node, struct space, node), d, rc, b);
}

/* --- writing --- */

static void
add_blob(void *arg, const struct digest *d, const struct blob *b)
{
    store_change_add_blob(arg, d, b);
}

static bool
group_wants_checkpoint(const struct space *s)
{
    LIST_FOR_EACH (node, &s->group) {
        if (list_entry(node, struct commit, node)->flags & COMMIT_SYNC)
            return true;
    }
    return false;
}

/* malloc()ed, NULL: none has one. */
static char *
ids_of_group(const struct space *s)
{
    struct buf ids = BUF_INIT;

    LIST_FOR_EACH (node, &s->group) {
        const char *id = list_entry(node, struct commit, node)->id;

        if (id[0])
            buf_printf(&ids, "%s%s", ids.size > 0 ? " " : "", id);
    }
    return ids.size > 0 ? buf_detach(&ids, NULL) : NULL;
}

static void
write_group(struct committer *c, struct space *s, double now)
{
    struct store_change *change = store_change_new();

    s->next = s->root;
    s->next.sequence++;
    tree_write(s->tree, add_blob, change, &s->next.root);
    store_change_add_root(change, &s->next);
    if (group_wants_checkpoint(s)) {
        change->checkpoint = xmalloc(sizeof(*change->checkpoint));
        *change->checkpoint = (struct checkpoint){s->next.root, s->next.sequence, now};
    }
    s->state = SPACE_WRITING;
    change->ncommits = s->group_size;
    change->time = now;
    change->ids = ids_of_group(s);
    change->keys = group_keys_take(&s->keys);
    c->ops->write(c->arg, s->root.name, &change);
}

static struct space *
find_writing(struct committer *c, const char *ns)
{
    LIST_FOR_EACH (node, &c->spaces) {
        struct space *s = list_entry(node, struct space, node);

        if (s->state == SPACE_WRITING && strcmp(s->root.name, ns) == 0)
            return s;
    }
    return NULL;
}

void
committer_written(struct committer *c, const char *ns, int rc)
{
    struct space *s = find_writing(c, ns);
    struct list group = LIST_INIT(group);

    assert(s);
    if (rc == 0) {
        tree_accept(s->tree);
        s->root = s->next;
        tree_trim(s->tree, TREE_MEMORY_MAX);
    } else {
        tree_discard(s->tree); // I3
    }
    s->state = SPACE_IDLE;
    s->group_size = 0;
    list_splice_back(&group, &s->group);
    finish_all(c, &group, rc, rc == 0 ? &s->root : NULL);
    if (s->removed)
        free_space(c, s, -ENOTSUP);
}

/* --- applying --- */

/* 0, -EAGAIN with text, or TREE_EXPECT_UNWRITTEN: commits of one group have the same version. */
static int
check_version(const struct space *s, const struct txn *txn, struct err *err)
{
    int64_t version = s->root.sequence + (s->group_size > 0 ? 1 : 0);

    if (txn->version == TXN_ANY_VERSION)
        return 0;
    if (txn->version != version)
        return err_set(err, -EAGAIN, "version %" PRId64 " was expected, but it is %" PRId64,
                       txn->version, version);
    return s->group_size > 0 ? TREE_EXPECT_UNWRITTEN : 0;
}

/* Results as of tree_expect() (I4). */
static int
try_commit(struct space *s, const struct commit *commit, struct err *err)
{
    int rc = check_version(s, &commit->txn, err);

    if (rc == 0)
        rc = tree_expect(s->tree, &commit->txn, err);
    assert(rc != TREE_EXPECT_UNWRITTEN || s->group_size > 0);
    return rc == 0 ? tree_apply(s->tree, &commit->txn, err) : rc;
}

/* Move commits from the queue into the group while they may be merged.  false: a directory is
 * missing. */
static bool
fill_group(struct committer *c, struct space *s)
{
    while (!list_is_empty(&s->queue) && s->group_size < GROUP_MAX) {
        struct commit *commit = list_entry(s->queue.next, struct commit, node);
        bool alone = (commit->flags & COMMIT_NO_MERGE) != 0;
        struct err err = {0};
        int rc;

        if (alone && s->group_size > 0)
            return true;
        rc = try_commit(s, commit, &err);
        if (rc > 0)
            return rc == TREE_EXPECT_UNWRITTEN;
        if (rc < 0) {
            finish(c, commit, rc, err.text, NULL);
            continue;
        }
        list_remove(&commit->node);
        list_push_back(&s->group, &commit->node);
        s->group_size++;
        group_keys_add(&s->keys, &commit->txn);
        if (alone)
            return true;
    }
    return true;
}

static void
run_space(struct committer *c, struct space *s, double now)
{
    while (s->state == SPACE_IDLE && (!list_is_empty(&s->queue) || s->group_size > 0)) {
        if (!fill_group(c, s))
            ask_for_missing(c, s);
        else if (s->group_size > 0)
            write_group(c, s, now);
    }
}

void
committer_run(struct committer *c, double now)
{
    LIST_FOR_EACH (node, &c->spaces)
        run_space(c, list_entry(node, struct space, node), now);
}
