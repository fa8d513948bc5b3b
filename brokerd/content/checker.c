/* SPDX-License-Identifier: MPL-2.0 */
/* checker.c - see checker.h.
 *
 * state      request      step done, more    roots are known    flushed     the end, or an error
 * IDLE       STEPPING     -                  -                  -           -
 * STEPPING   EBUSY        STEPPING           FLUSHING           -           IDLE
 * FLUSHING   EBUSY        -                  -                  STEPPING    IDLE
 *
 * Each step is a task of the store, and the next one is asked for when the rank's thread has taken what
 * the last one told: so others come in between.  The flush is for --durability=memory: a root may be
 * stored before the values it names.
 *
 * I1  While a task is under way `fsck` and `lines` are the store thread's, else ours.
 * I2  `request` NULL and not IDLE: the asker is gone, and the check ends with the step under way. */
#include "checker.h"
#include "clock.h"
#include "fsck_json.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>

#define PROGRESS_MS 500

enum checker_state { IDLE, STEPPING, FLUSHING };

struct checker {
    uint32_t rank;
    enum digest_alg alg;
    struct router *router;   // borrowed
    struct content *content; // borrowed
    struct store *store;     // borrowed; NULL: not here
    enum checker_state state;
    bool is_stopping;
    bool is_flushed;         // since the roots are known
    struct request *request; // owned; see I2
    struct fsck *fsck;       // owned; NULL while IDLE
    char **lines;            // owned array of owned texts: findings of the step
    size_t count;            // lines
    int64_t told;            // ms: when progress was last told
    struct task_waiter ran;
    struct content_waiter flushed;
};

/* --- on the store's thread --- */

static void
on_finding(void *arg, const struct fsck_finding *finding)
{
    struct checker *c = arg;
    json_t *json = json_pack("{s:o}", "finding", fsck_finding_to_json(c->alg, finding));

    c->lines = xrealloc(c->lines, (c->count + 1) * sizeof(*c->lines));
    c->lines[c->count++] = json_dumps(json, JSON_COMPACT);
    json_decref(json);
}

static int
run_step(void *task, struct store_db *db)
{
    return fsck_step(((struct checker *)task)->fsck, db);
}

/* --- on the rank's --- */

static void
send_lines(struct checker *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->request)
            router_stream_text(c->router, c->request, c->lines[i]);
        free(c->lines[i]);
    }
    free(TAKE(c->lines));
    c->count = 0;
}

/* Consumes *json. */
static void
send_json(struct checker *c, json_t **json)
{
    AUTO(free) char *text = json_dumps(*json, JSON_COMPACT);

    json_decref(TAKE(*json));
    router_stream_text(c->router, c->request, text);
}

static void
send_progress(struct checker *c)
{
    const struct fsck_stats *s = fsck_stats(c->fsck);
    json_t *json;

    if (clock_ms() - c->told < PROGRESS_MS)
        return;
    c->told = clock_ms();
    json = json_pack("{s:{s:s s:I s:I}}", "progress", "state", fsck_state_name(c->fsck), "blobs",
                     (json_int_t)s->blobs, "keys", (json_int_t)s->keys);
    send_json(c, &json);
}

static void
finish(struct checker *c, int errnum, const char *text)
{
    c->state = IDLE;
    fsck_free(&c->fsck);
    if (c->request)
        router_respond_error(c->router, c->request, errnum, "%s", text);
    request_free(&c->request);
}

static void
finish_whole(struct checker *c)
{
    json_t *json = json_pack("{s:o}", "summary", fsck_stats_to_json(fsck_stats(c->fsck)));

    send_json(c, &json);
    finish(c, ENODATA, "the check is done");
}

static void
ask_step(struct checker *c)
{
    c->state = STEPPING;
    store_run(c->store, run_step, c, &c->ran);
}

static void
ask_more(struct checker *c)
{
    send_progress(c);
    if (c->is_flushed || strcmp(fsck_state_name(c->fsck), "keys") != 0) {
        ask_step(c);
        return;
    }
    c->is_flushed = true;
    c->state = FLUSHING;
    content_flush(c->content, &c->flushed);
}

static void
on_ran(struct task_waiter *w, int rc)
{
    struct checker *c = container_of(w, struct checker, ran);

    send_lines(c);
    if (c->is_stopping || !c->request)
        finish(c, ECANCELED, "the rank stops");
    else if (rc < 0)
        finish(c, -rc, "the store cannot be read");
    else if (rc == 0)
        finish_whole(c);
    else
        ask_more(c);
}

static void
on_flushed(struct content_waiter *w, int rc, const struct blob *none)
{
    struct checker *c = container_of(w, struct checker, flushed);

    (void)none;
    if (c->is_stopping || !c->request)
        finish(c, ECANCELED, "the rank stops");
    else if (rc < 0)
        finish(c, -rc, "not everything could be stored");
    else
        ask_step(c);
}

/* --- requests --- */

static int
read_request(const struct checker *c, const struct request *req, bool *has_root,
             struct digest *ret_root)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : json_object();
    json_t *value = json_object_get(json, "rootref");
    const char *ref = json_string_value(value);
    enum digest_alg alg;
    int rc = 0;

    if (!json_is_object(json) || (value && !ref))
        rc = -EPROTO;
    else if (ref && (blobref_parse(ref, &alg, ret_root) < 0 || alg != c->alg))
        rc = -EINVAL;
    *has_root = ref != NULL;
    json_decref(json);
    return rc;
}

static void
begin(struct checker *c, struct request *req, const struct digest *root)
{
    c->request = request_keep(req);
    c->fsck = fsck_new(c->alg, on_finding, c);
    if (root)
        fsck_set_rootref(c->fsck, root);
    c->is_flushed = false;
    c->told = clock_ms();
    ask_step(c);
}

static void
serve(void *arg, struct request *req)
{
    struct checker *c = arg;
    struct digest root;
    bool has_root;
    int rc = read_request(c, req, &has_root, &root);

    if (!c->store && c->rank > 0)
        router_pass_on(c->router, req,
                       &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
    else if (!c->store)
        router_respond_error(c->router, req, ENOSYS, "there is no backing store to check");
    else if (rc < 0)
        router_respond_error(c->router, req, -rc, "content-backing.fsck: %s",
                             rc == -EINVAL ? "rootref is no blobref of this instance"
                                           : "malformed request");
    else if (!(req->msg.flags & MSG_STREAMING))
        router_respond_error(c->router, req, EPROTO, "content-backing.fsck is a stream");
    else if (c->state != IDLE || c->is_stopping)
        router_respond_error(c->router, req, EBUSY, "a check is under way");
    else
        begin(c, req, has_root ? &root : NULL);
}

/* --- life --- */

static const struct service services[] = {{"content-backing.fsck", serve}};

struct checker *
checker_new(uint32_t rank, enum digest_alg alg, struct router *router, struct content *content,
            struct service_table *table)
{
    struct checker *c = xcalloc(1, sizeof(*c));

    c->rank = rank;
    c->alg = alg;
    c->router = router;
    c->content = content;
    c->ran.fn = on_ran;
    c->flushed.fn = on_flushed;
    service_table_add(table, services, ARRAY_SIZE(services), c);
    return c;
}

void
checker_set_store(struct checker *c, struct store *store)
{
    c->store = store;
}

void
checker_forget(struct checker *c, const struct origin *client)
{
    if (c->request && request_is_from(c->request, client))
        request_free(&c->request); /* I2 */
}

void
checker_stop(struct checker *c)
{
    c->is_stopping = true;
    if (c->request)
        router_respond_error(c->router, c->request, ECANCELED, "the rank stops");
    request_free(&c->request);
}

void
checker_free(struct checker **cp)
{
    struct checker *c = TAKE(*cp);

    if (!c)
        return;
    assert(c->state == IDLE);
    free(c);
}
