/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_live.c - see fsck_live.h.
 *
 * content-backing.fsck is a stream of findings, progress, and a sum.  For a repair the losses of each
 * namespace are kept, and become transactions when the check is over.  Keys are looked at again then:
 * one that was changed meanwhile is left alone. */
#include "fsck_live.h"
#include "blobref.h"
#include "depot_rank.h"
#include "fsck_json.h"
#include "fsck_plan.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define TXN_OPS 5000 // operations in a commit

/* What is lost in a namespace. */
struct losses {
    char *name;             // owned
    struct fsck_plan *plan; // owned
    bool is_root_lost;
};

struct live {
    xylem_t *x; // owned
    enum digest_alg alg;
    struct fsck_report *report; // borrowed
    struct losses *namespaces;  // owned array
    size_t count;
    const char *current;     // namespace that is repaired
    struct fsck_stats stats; // the sum
    bool has_sum;
    int rc; // of the stream; 1 = it goes on
    struct err *err;
};

/* --- the stream --- */

static struct losses *
find_losses(struct live *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->namespaces[i].name, name) == 0)
            return &l->namespaces[i];
    }
    l->namespaces = xrealloc(l->namespaces, (l->count + 1) * sizeof(*l->namespaces));
    l->namespaces[l->count] = (struct losses){xstrdup(name), fsck_plan_new(), false};
    return &l->namespaces[l->count++];
}

static enum fsck_object
parse_object(const char *text)
{
    if (strcmp(text, fsck_object_name(FSCK_PART)) == 0)
        return FSCK_PART;
    return strcmp(text, fsck_object_name(FSCK_DIRECTORY)) == 0 ? FSCK_DIRECTORY : FSCK_VALUE;
}

static int
keep_loss(struct live *l, const json_t *finding)
{
    const char *root, *type, *key, *object, *ref;
    enum digest_alg alg;
    struct digest d;

    if (json_unpack((json_t *)(uintptr_t)finding, "{s:s s:s s:s s:s s:s}", "root", &root, "type",
                    &type, "key", &key, "object", &object, "blobref", &ref) < 0 ||
        blobref_parse(ref, &alg, &d) < 0 || alg != l->alg)
        return -EPROTO;
    if (strcmp(type, "namespace") != 0)
        return 0;
    if (strcmp(key, ".") == 0 && parse_object(object) != FSCK_PART)
        find_losses(l, root)->is_root_lost = true;
    else
        fsck_plan_add(find_losses(l, root)->plan, key, parse_object(object), &d);
    return 0;
}

static int
take_answer(struct live *l, const json_t *json)
{
    const json_t *finding = json_object_get(json, "finding");
    const json_t *sum = json_object_get(json, "summary");
    const json_t *progress = json_object_get(json, "progress");
    const char *state = "";
    json_int_t blobs = 0, keys = 0;

    if (sum) {
        l->has_sum = true;
        return fsck_stats_from_json(sum, &l->stats);
    }
    if (finding) {
        fsck_report_finding(l->report, finding);
        return keep_loss(l, finding);
    }
    if (json_unpack((json_t *)(uintptr_t)progress, "{s:s s:I s:I}", "state", &state, "blobs",
                    &blobs, "keys", &keys) < 0)
        return -EPROTO;
    fsck_report_progress(l->report, state, (uint64_t)blobs, (uint64_t)keys);
    return 0;
}

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct live *l = arg;
    json_t *json;

    if (reply->rc == -ENODATA && l->has_sum) {
        l->rc = 0;
        return;
    }
    if (reply->rc < 0) {
        l->rc = err_set(l->err, reply->rc, "%s", reply->error);
        return;
    }
    json = json_loads(reply->data, 0, NULL);
    if (l->rc == 1 && take_answer(l, json) < 0)
        l->rc = err_set(l->err, -EPROTO, "malformed answer to content-backing.fsck");
    json_decref(json);
}

static int
check(struct live *l, const char *rootref, struct err *err)
{
    json_t *json = json_object();
    AUTO(free) char *request = NULL;
    uint32_t tag;
    int rc;

    if (rootref)
        json_object_set_new(json, "rootref", json_string(rootref));
    request = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    l->rc = 1;
    rc = xylem_rpc_async(l->x, "content-backing.fsck", 0, request, strlen(request),
                         XYLEM_STREAMING | XYLEM_TEXT, on_answer, l, &tag);
    while (rc >= 0 && l->rc == 1)
        rc = xylem_dispatch(l->x, -1);
    if (l->rc == 1)
        return err_set(err, rc, "%s", xylem_error(l->x));
    return l->rc;
}

/* --- looking at keys --- */

static int
lookup(struct live *l, const char *key, struct treeobj **ret)
{
    AUTO(free) char *text = NULL;
    json_t *json;
    int rc = xylem_lookup(l->x, l->current, key, NULL, XYLEM_TREEOBJ, &text);

    if (rc < 0)
        return rc;
    json = json_loads(text, 0, NULL);
    rc = treeobj_from_json(l->alg, json, ret, NULL);
    json_decref(json);
    return rc;
}

static bool
is_dir(const struct treeobj *obj)
{
    return treeobj_type(obj) == TREEOBJ_DIR || treeobj_type(obj) == TREEOBJ_DIRREF;
}

/* Nothing is at the key: is that because a value or a link is on the way? */
static int
look_on_the_way(struct live *l, const char *key)
{
    AUTO(free) char *text = xstrdup(key);

    for (char *dot = strchr(text, '.'); dot; dot = strchr(dot + 1, '.')) {
        AUTO(treeobj) struct treeobj *obj = NULL;
        int rc;

        *dot = '\0';
        rc = lookup(l, text, &obj);
        *dot = '.';
        if (rc == -ENOENT)
            return -ENOENT;
        if (rc < 0 || !is_dir(obj))
            return -ENOTDIR;
    }
    return -ENOENT;
}

/* fsck_look_fn */
static int
look(void *arg, const char *key, struct treeobj **ret)
{
    struct live *l = arg;
    int rc = lookup(l, key, ret);

    if (rc == -ENOENT)
        return look_on_the_way(l, key);
    if (rc == -EIO || rc == -EPROTO || rc == -ELOOP || rc == -ENOTSUP)
        return -ENOTDIR; // whatever is there, it is in the way
    return rc;
}

/* --- repair --- */

static int
add_op(xylem_txn_t *t, const struct txn_op *op, enum digest_alg alg, struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;
    AUTO(buf) struct buf obj = BUF_INIT;
    int rc;

    key_format(&op->key, &key);
    if (op->dirent)
        treeobj_encode(alg, op->dirent, &obj);
    rc = op->dirent ? xylem_txn_put_treeobj(t, buf_str(&key), buf_str(&obj), digest_name(alg))
                    : xylem_txn_unlink(t, buf_str(&key));
    return rc < 0 ? err_set(err, rc, "%s", xylem_txn_error(t)) : 0;
}

static int
commit(struct live *l, const struct txn *txn, struct err *err)
{
    int flags = strcmp(l->current, "primary") == 0 ? XYLEM_SYNC : 0;
    xylem_txn_t *t = xylem_txn_new();
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < txn->count; i++)
        rc = add_op(t, &txn->ops[i], l->alg, err);
    if (rc == 0 && txn->count > 0) {
        rc = xylem_commit(l->x, l->current, t, flags, NULL);
        if (rc < 0)
            err_set(err, rc, "%s", xylem_error(l->x));
    }
    xylem_txn_free(t);
    return rc;
}

static void
report_mended(struct live *l, const struct fsck_mended *m)
{
    AUTO(free)
    char *text = xasprintf("%" PRIu64 " keys moved to lost+found, %" PRIu64 " removed", m->moved,
                           m->removed);
    json_t *json = json_pack("{s:s s:s s:I s:I s:I}", "root", l->current, "action", "mended",
                             "moved", (json_int_t)m->moved, "removed", (json_int_t)m->removed,
                             "stuck", (json_int_t)m->stuck);

    l->report->stuck += m->stuck;
    fsck_report_repair(l->report, l->current, text, &json);
}

/* No transaction can take them out. */
static void
count_parts(struct live *l, const struct fsck_plan *plan, struct fsck_mended *m)
{
    struct digest *parts;
    const char *key;
    size_t count;
    size_t pos = 0;

    while (fsck_plan_parts(plan, &pos, &key, &parts, &count)) {
        fsck_report_warn(l->report,
                         "%s: a part of the directory is lost: stop the instance and repair with "
                         "--statedir",
                         key);
        m->stuck++;
        free(parts);
    }
}

static int
mend(struct live *l, const struct fsck_plan *plan, struct err *err)
{
    struct fsck_mended m = {0, 0, 0};
    size_t pos = 0;
    int rc = 1;

    while (rc == 1) {
        AUTO(txn) struct txn txn = TXN_INIT;
        int done;

        rc = fsck_plan_next(plan, &pos, TXN_OPS, look, l, &txn, &m, err);
        done = rc < 0 ? rc : commit(l, &txn, err);
        rc = done < 0 ? done : rc;
    }
    if (rc == 0)
        count_parts(l, plan, &m);
    if (rc == 0)
        report_mended(l, &m);
    return rc;
}

static int
repair_namespace(struct live *l, const struct losses *losses, struct err *err)
{
    struct xylem_root root;
    int rc;

    l->current = losses->name;
    if (losses->is_root_lost)
        return err_set(err, -EIO,
                       "%s: its root is lost: stop the instance and repair with "
                       "--statedir",
                       losses->name);
    rc = xylem_getroot(l->x, losses->name, &root);
    if (rc == -ENOSYS)
        return err_set(err, rc,
                       "no key-value store runs here: stop the instance and repair with "
                       "--statedir");
    if (rc < 0)
        return err_set(err, rc, "%s: %s", losses->name, xylem_error(l->x));
    rc = mend(l, losses->plan, err);
    return rc < 0 ? err_prefix(err, rc, "%s", losses->name) : 0;
}

/* What only gets better when the instance has stopped. */
static void
report_rest(struct live *l)
{
    l->report->stuck += l->stats.lost_older + l->stats.damaged;
    if (l->stats.lost_older > 0)
        fsck_report_warn(l->report, "checkpoints stay as they are while the instance runs");
    if (l->stats.damaged > 0)
        fsck_report_warn(l->report, "damaged blobs stay until garbage is collected");
}

static int
repair_all(struct live *l, struct err *err)
{
    int rc = 0;

    if (l->stats.unindexed > 0)
        return err_set(err, -EIO,
                       "the index of the database is damaged: stop the instance and repair with "
                       "--statedir");
    for (size_t i = 0; rc == 0 && i < l->count; i++)
        rc = repair_namespace(l, &l->namespaces[i], err);
    if (rc == 0)
        report_rest(l);
    return rc;
}

/* --- all --- */

static int
run(struct live *l, const char *uri, const char *rootref, bool repair, struct err *err)
{
    char text[XYLEM_ERROR_MAX];
    int rc = xylem_open(&l->x, uri, NULL, text);

    if (rc < 0)
        return err_set(err, rc, "%s", text);
    rc = depot_rank_hash(l->x, &l->alg, err);
    if (rc == 0)
        rc = check(l, rootref, err);
    if (rc == 0 && repair)
        rc = repair_all(l, err);
    return rc;
}

int
fsck_live(const char *uri, const char *rootref, bool repair, struct fsck_report *report,
          struct fsck_stats *ret, struct err *err)
{
    struct live l = {.report = report, .err = err};
    int rc = run(&l, uri, rootref, repair, err);

    if (l.x)
        xylem_close(l.x);
    for (size_t i = 0; i < l.count; i++) {
        free(l.namespaces[i].name);
        fsck_plan_free(&l.namespaces[i].plan);
    }
    free(l.namespaces);
    *ret = l.stats;
    return rc;
}
