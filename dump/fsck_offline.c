/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_offline.c - see fsck_offline.h. */
#include "fsck_offline.h"
#include "clock.h"
#include "fsck_json.h"
#include "fsck_repair.h"
#include "store_db_mend.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define PROGRESS_MS 1000

struct check {
    const char *statedir;
    enum digest_alg alg;
    struct store_db *db;     // owned
    struct fsck *fsck;       // owned
    struct fsck_plans plans; // what is lost
    struct store_conf conf;  // db was opened with
    bool repair;
    struct fsck_report *report; // borrowed
};

static void
on_finding(void *arg, const struct fsck_finding *finding)
{
    struct check *c = arg;
    json_t *json = fsck_finding_to_json(c->alg, finding);

    fsck_report_finding(c->report, json);
    json_decref(json);
    fsck_plans_add(&c->plans, finding);
}

static int
open_store(struct check *c, bool read_only, int max_checkpoints, struct err *err)
{
    c->conf = (struct store_conf){.statedir = c->statedir,
                                  .alg = c->alg,
                                  .durability = STORE_FSYNC,
                                  .max_checkpoints = max_checkpoints,
                                  .read_only = read_only,
                                  .for_repair = true};
    return store_db_open(&c->db, &c->conf, err);
}

/* A repair adds a checkpoint; how many are to be kept is for the broker to say. */
static int
open_for_repair(struct check *c, struct err *err)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count = 0;
    int rc = open_store(c, true, 1, err);

    if (rc == 0 && (rc = store_db_checkpoints(c->db, &list, &count)) < 0)
        err_set(err, rc, "%s: cannot read the checkpoints", c->statedir);
    store_db_close(&c->db);
    return rc < 0 ? rc : open_store(c, false, (int)count + 1, err);
}

static int
parse_rootref(enum digest_alg alg, const char *text, struct digest *ret, struct err *err)
{
    enum digest_alg found;

    if (blobref_parse(text, &found, ret) < 0)
        return err_set(err, -EINVAL, "%s: not a blobref", text);
    if (found != alg)
        return err_set(err, -EINVAL, "%s: the store uses %s", text, digest_name(alg));
    return 0;
}

/* 1: not to the end, as the file must be salvaged first. */
static int
run(struct check *c, struct err *err)
{
    int64_t next = clock_ms() + PROGRESS_MS;
    int rc;

    while ((rc = fsck_step(c->fsck, c->db)) > 0) {
        const struct fsck_stats *s = fsck_stats(c->fsck);

        if (c->repair && strcmp(fsck_state_name(c->fsck), "roots") == 0 &&
            fsck_needs_salvage(c->fsck))
            return 1;
        if (clock_ms() < next)
            continue;
        next = clock_ms() + PROGRESS_MS;
        fsck_report_progress(c->report, fsck_state_name(c->fsck), s->blobs, s->keys);
    }
    return rc < 0 ? err_set(err, rc, "%s: cannot read: %s", c->statedir, err_name(rc)) : 0;
}

/* --- repair --- */

static json_t *
describe_fixed(const struct check *c, const struct fsck_fixed *f)
{
    static const char *const actions[] = {"mended", "checkpoint", "emptied", "removed"};
    char from[BLOBREF_MAX], to[BLOBREF_MAX];
    json_t *json = json_pack(
        "{s:s s:s s:s s:I s:I s:I}", "root", f->root->name, "action", actions[f->fix], "from",
        blobref_format(c->alg, &f->root->digest, from), "moved", (json_int_t)f->mended.moved,
        "removed", (json_int_t)f->mended.removed, "stuck", (json_int_t)f->mended.stuck);

    if (f->fix != FSCK_FIX_REMOVED)
        json_object_set_new(json, "to", json_string(blobref_format(c->alg, &f->now, to)));
    return json;
}

static void
report_fixed(const struct check *c, const struct fsck_fixed *f)
{
    AUTO(buf) struct buf text = BUF_INIT;
    char ref[BLOBREF_MAX];
    json_t *json = describe_fixed(c, f);

    blobref_format(c->alg, &f->root->digest, ref);
    if (f->fix == FSCK_FIX_REMOVED)
        buf_printf(&text, "removed: its root %s is lost", ref);
    else if (f->fix == FSCK_FIX_EMPTY)
        buf_printf(&text, "now empty: its root %s is lost", ref);
    else if (f->fix == FSCK_FIX_CHECKPOINT)
        buf_printf(&text, "now as in the newest checkpoint: its root %s is lost; ", ref);
    if (f->fix == FSCK_FIX_MENDED || f->fix == FSCK_FIX_CHECKPOINT)
        buf_printf(&text, "%" PRIu64 " keys moved to lost+found, %" PRIu64 " removed",
                   f->mended.moved, f->mended.removed);
    if (f->mended.stuck > 0)
        buf_printf(&text, ", %" PRIu64 " cannot be named", f->mended.stuck);
    c->report->stuck += f->mended.stuck;
    fsck_report_repair(c->report, f->root->name, buf_str(&text), &json);
}

static bool
needs_repair(const struct check *c)
{
    return fsck_stats(c->fsck)->findings > 0;
}

static int
repair_store(struct check *c, struct err *err)
{
    AUTO(free) struct fsck_fixed *fixed = NULL;
    size_t count = 0;
    int rc;

    if (!needs_repair(c))
        return 0;
    rc = fsck_repair(c->db, c->alg, c->fsck, &c->plans, clock_wall(), &fixed, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        report_fixed(c, &fixed[i]);
    return rc;
}

/* A new file, and a new check of it. */
static int
salvage(struct check *c, struct err *err)
{
    AUTO(free) char *old = NULL;
    AUTO(free) char *text = NULL;
    json_t *json;
    int rc = store_db_salvage(&c->db, &c->conf, &old, err);

    if (rc < 0)
        return rc;
    text = xasprintf("written anew without what could not be read; it was kept as %s", old);
    json = json_pack("{s:s s:s s:s}", "root", "", "action", "rewritten", "kept", old);
    fsck_report_repair(c->report, "content.sqlite", text, &json);
    fsck_free(&c->fsck);
    c->fsck = fsck_new(c->alg, on_finding, c);
    return run(c, err);
}

/* --- all --- */

static int
check(struct check *c, const char *rootref, bool repair, struct err *err)
{
    struct digest root;
    int rc = store_db_read_alg(c->statedir, &c->alg, err);

    if (rc == 0 && rootref)
        rc = parse_rootref(c->alg, rootref, &root, err);
    if (rc == 0)
        rc = repair ? open_for_repair(c, err) : open_store(c, true, 1, err);
    if (rc < 0)
        return rc;
    c->fsck = fsck_new(c->alg, on_finding, c);
    if (rootref)
        fsck_set_rootref(c->fsck, &root);
    c->repair = repair;
    rc = run(c, err);
    if (rc == 1)
        rc = salvage(c, err);
    if (rc == 1)
        return err_set(err, -EIO, "%s: damaged again after it was written anew", c->statedir);
    return rc == 0 && repair ? repair_store(c, err) : rc;
}

int
fsck_offline(const char *statedir, const char *rootref, bool repair, struct fsck_report *report,
             struct fsck_stats *ret, struct err *err)
{
    struct check c = {.statedir = statedir, .plans = FSCK_PLANS_INIT, .report = report};
    int rc = check(&c, rootref, repair, err);

    if (c.fsck)
        *ret = *fsck_stats(c.fsck);
    fsck_free(&c.fsck);
    fsck_plans_fini(&c.plans);
    store_db_close(&c.db);
    return rc;
}
