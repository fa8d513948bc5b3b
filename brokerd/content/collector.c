/* SPDX-License-Identifier: MPL-2.0 */
/* collector.c - see collector.h.  Runs the steps of a gc (gc.h) as tasks of the store, one at a time,
 * with a pause as long as the step was between two of them, so that clients notice little.
 *
 *   state     request    step: more  step: end      timer     client gone  store goes
 *   IDLE      STEPPING   -           -              -         -            -
 *   STEPPING  EBUSY      PAUSING     IDLE, answer   -         LEFT         -
 *   PAUSING   EBUSY      -           -              STEPPING  IDLE         IDLE, ECANCELED
 *   LEFT      EBUSY      IDLE        IDLE           -         -            -
 *
 * Trust: a rank whose cache knows a blob to be stored answers a store of it at once, and the store
 * hears nothing of it.  What was removed meanwhile would be lost to whoever stored it again, and what
 * is still there would not count as stored again within the grace period.  So all ranks are told to
 * forget before a collection begins, and from time to time, so that no answer of theirs is older.
 *
 * I1  gc and err are the store's thread's while STEPPING or LEFT, ours otherwise.
 * I2  request is there but for IDLE and LEFT, and is answered when its state ends. */
#include "collector.h"
#include "blobref.h"
#include "clock.h"
#include "elog.h"
#include "gc.h"
#include "json_reply.h"
#include "pins.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define GRACE_DEFAULT 600 // seconds
#define GRACE_MAX 1e9
#define PROGRESS_MS 200 // between two answers of a stream
#define PAUSE_MAX_MS 100
#define PIN_SECONDS_MAX 3600

enum state { IDLE, STEPPING, PAUSING, LEFT };

struct collector {
    uint32_t rank;
    enum digest_alg alg;
    struct loop *loop;     // borrowed
    struct router *router; // borrowed
    struct store *store;   // borrowed; NULL: not here
    char *path;            // of content.sqlite, owned
    void (*distrust)(void *arg);
    void *distrust_arg; // borrowed
    void (*removed)(void *arg);
    void *removed_arg;    // borrowed
    bool removed_is_told; // in this collection
    enum state state;
    struct request *request; // owned; see I2
    bool dry_run;            // as asked for
    struct gc *gc;           // owned; see I1
    struct err err;          // see I1
    int64_t step_us;         // how long the last step took; like err
    struct task_waiter stepped;
    struct pins pins;         // what is kept for its readers
    struct loop_timer pause;  // PAUSING
    struct loop_timer expiry; // of what the ranks know; runs while there is a store
    int64_t told_ms;          // when the last answer of the stream was sent
    int64_t bytes_before;     // of the file
};

/* --- answers --- */

static int64_t
file_bytes(const struct collector *c)
{
    struct stat st;

    return stat(c->path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static char *
format_progress(const struct collector *c, bool done)
{
    struct gc_stats s;

    gc_stats(c->gc, &s);
    return xasprintf("{\"state\":\"%s\",\"trees\":%" PRIu64 ",\"examined\":%" PRIu64
                     ",\"removed\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"kept\":%" PRIu64
                     ",\"spared\":%" PRIu64 ",\"missing_values\":%" PRIu64
                     ",\"file_before\":%" PRId64 ",\"file_after\":%" PRId64
                     ",\"dry_run\":%s,\"done\":%s}",
                     gc_state_name(gc_state(c->gc)), s.trees, s.examined, s.removed, s.bytes,
                     s.kept, s.spared, s.missing_values, c->bytes_before, file_bytes(c),
                     c->dry_run ? "true" : "false", done ? "true" : "false");
}

static bool
is_stream(const struct collector *c)
{
    return c->request->msg.flags & MSG_STREAMING;
}

static void
tell_progress(struct collector *c)
{
    AUTO(free) char *text = NULL;

    if (!is_stream(c) || loop_now(c->loop) - c->told_ms < PROGRESS_MS)
        return;
    text = format_progress(c, false);
    router_stream_text(c->router, c->request, text);
    c->told_ms = loop_now(c->loop);
}

static void
tell_end(struct collector *c, int rc)
{
    AUTO(free) char *text = format_progress(c, true);

    if (rc < 0) {
        router_respond_error(c->router, c->request, -rc, "%s", c->err.text);
    } else if (is_stream(c)) {
        router_stream_text(c->router, c->request, text);
        router_respond_error(c->router, c->request, ENODATA, NULL);
    } else {
        router_respond_text(c->router, c->request, text);
    }
}

static void
log_end(const struct collector *c, int rc)
{
    struct gc_stats s;

    gc_stats(c->gc, &s);
    if (rc < 0)
        elog(ELOG_ERR, "collecting garbage: %s", c->err.text);
    elog(ELOG_INFO,
         "garbage%s: removed %" PRIu64 " blobs of %" PRIu64 " bytes, kept %" PRIu64
         ", of which spared %" PRIu64,
         c->dry_run ? " (dry run)" : "", s.removed, s.bytes, s.kept, s.spared);
}

/* --- the collection --- */

static void
finish(struct collector *c, int rc)
{
    log_end(c, rc);
    if (c->request)
        tell_end(c, rc);
    request_free(&c->request);
    gc_free(&c->gc);
    loop_timer_stop(&c->pause);
    c->state = IDLE;
}

static void
cancel(struct collector *c, const char *why)
{
    finish(c, err_set(&c->err, -ECANCELED, "%s", why));
}

/* On the store's thread. */
static int
step(void *task, struct store_db *db)
{
    struct collector *c = task;
    int64_t began = clock_us();
    int rc = gc_step(c->gc, db, &gc_limits_online, &c->err);

    c->step_us = clock_us() - began;
    return rc;
}

/* Each time anew: one may have come since, and walking what was walked costs nothing. */
static void
add_pins(struct collector *c)
{
    pins_expire(&c->pins, loop_now(c->loop));
    for (size_t i = 0; i < c->pins.count; i++)
        gc_pin(c->gc, &c->pins.list[i].root);
}

static void
start_step(void *arg)
{
    struct collector *c = arg;

    add_pins(c);
    c->state = STEPPING;
    store_run(c->store, step, c, &c->stepped);
}

static void
tell_removed(struct collector *c)
{
    struct gc_stats s;

    gc_stats(c->gc, &s);
    if (c->removed_is_told || c->dry_run || s.removed == 0 || !c->removed)
        return;
    c->removed_is_told = true;
    c->removed(c->removed_arg);
}

static void
on_stepped(struct task_waiter *w, int rc)
{
    struct collector *c = container_of(w, struct collector, stepped);

    tell_removed(c);
    if (c->state == LEFT) {
        cancel(c, "nobody waits for it any more");
    } else if (rc != 1) {
        finish(c, rc);
    } else {
        c->state = PAUSING;
        tell_progress(c);
        loop_timer_start(c->loop, &c->pause, MIN(c->step_us / 1000, PAUSE_MAX_MS));
    }
}

static void
start(struct collector *c, struct request *req, double grace)
{
    struct gc_conf conf = {.alg = c->alg,
                           .mode = GC_ONLINE,
                           .dry_run = c->dry_run,
                           .spare_since = clock_wall() - grace};

    if (c->distrust)
        c->distrust(c->distrust_arg); // before the first look at the database
    c->request = request_keep(req);
    c->removed_is_told = false;
    c->gc = gc_new(&conf);
    c->bytes_before = file_bytes(c);
    c->told_ms = loop_now(c->loop);
    start_step(c);
}

/* --- requests --- */

static int
decode(const struct request *req, double *ret_grace, bool *ret_dry_run)
{
    const char *text = req->msg.payload ? msg_text(&req->msg) : "{}";
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const json_t *grace = json_object_get(json, "grace");
    const json_t *dry_run = json_object_get(json, "dry_run");
    bool fine = json_is_object(json) && (!grace || json_is_number(grace)) &&
                (!dry_run || json_is_boolean(dry_run));

    *ret_grace = grace ? json_number_value(grace) : GRACE_DEFAULT;
    *ret_dry_run = json_is_true(dry_run);
    json_decref(json);
    return fine && *ret_grace >= 0 && *ret_grace <= GRACE_MAX ? 0 : -EPROTO;
}

static void
serve_here(struct collector *c, struct request *req)
{
    bool dry_run;
    double grace;

    if (decode(req, &grace, &dry_run) < 0) {
        router_respond_error(c->router, req, EPROTO, "gc: malformed request");
    } else if (c->state != IDLE) {
        router_respond_error(c->router, req, EBUSY, "garbage is being collected already");
    } else {
        c->dry_run = dry_run;
        start(c, req, grace);
    }
}

/* {"root":REF,"seconds":N} */
static int
decode_pin(const struct collector *c, const struct request *req, struct digest *ret_root,
           double *ret_seconds, struct err *err)
{
    const char *text = msg_text(&req->msg);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *ref = json_string_value(json_object_get(json, "root"));
    const json_t *seconds = json_object_get(json, "seconds");
    enum digest_alg alg;
    int rc = 0;

    *ret_seconds = json_number_value(seconds);
    if (!ref || !json_is_number(seconds))
        rc = err_set(err, -EPROTO, "pin: malformed request");
    else if (blobref_parse(ref, &alg, ret_root) < 0 || alg != c->alg)
        rc = err_set(err, -EINVAL, "pin: root is no blobref of this instance");
    else if (!(*ret_seconds >= 0 && *ret_seconds <= PIN_SECONDS_MAX))
        rc = err_set(err, -EINVAL, "pin: seconds is not 0 to %d", PIN_SECONDS_MAX);
    json_decref(json);
    return rc;
}

static void
pin_here(struct collector *c, struct request *req)
{
    int64_t now = loop_now(c->loop);
    struct blob *none = NULL;
    struct digest root;
    double seconds;
    struct err err;
    int rc = decode_pin(c, req, &root, &seconds, &err);

    if (rc == 0 && (rc = pins_add(&c->pins, &root, now + (int64_t)(seconds * 1000), now)) < 0)
        err_set(&err, rc, "pin: there are %d already", PINS_MAX);
    if (rc < 0)
        router_respond_error(c->router, req, -rc, "%s", err.text);
    else
        router_respond(c->router, req, &none);
}

/* At rank 0 with a backing store. */
static void
serve(struct collector *c, struct request *req, void (*here)(struct collector *, struct request *))
{
    if (c->rank > 0)
        router_pass_on(c->router, req,
                       &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
    else if (!c->store)
        router_respond_error(c->router, req, ENOSYS, "there is no backing store to collect in");
    else
        here(c, req);
}

static void
serve_gc(void *arg, struct request *req)
{
    serve(arg, req, serve_here);
}

static void
serve_pin(void *arg, struct request *req)
{
    serve(arg, req, pin_here);
}

void
collector_forget(struct collector *c, const struct origin *client)
{
    if (!c->request || !request_is_from(c->request, client))
        return;
    request_free(&c->request);
    if (c->state == PAUSING)
        cancel(c, "nobody waits for it any more");
    else
        c->state = LEFT;
}

/* --- trust --- */

static void
on_expiry(void *arg)
{
    struct collector *c = arg;

    if (c->distrust)
        c->distrust(c->distrust_arg);
    loop_timer_start(c->loop, &c->expiry, COLLECTOR_TRUST_MS);
}

void
collector_set_distrust_handler(struct collector *c, void (*distrust)(void *arg), void *arg)
{
    c->distrust = distrust;
    c->distrust_arg = arg;
}

void
collector_set_removed_handler(struct collector *c, void (*removed)(void *arg), void *arg)
{
    c->removed = removed;
    c->removed_arg = arg;
}

/* --- life --- */

static const struct service services[] = {
    {"content-backing.gc", serve_gc},
    {"content-backing.pin", serve_pin},
};

struct collector *
collector_new(uint32_t rank, enum digest_alg alg, struct loop *loop, struct router *router,
              struct service_table *table)
{
    struct collector *c = xcalloc(1, sizeof(*c));

    c->rank = rank;
    c->alg = alg;
    c->loop = loop;
    c->router = router;
    c->stepped.fn = on_stepped;
    loop_timer_init(&c->pause, start_step, c);
    loop_timer_init(&c->expiry, on_expiry, c);
    service_table_add(table, services, ARRAY_SIZE(services), c);
    return c;
}

void
collector_set_store(struct collector *c, struct store *store, const char *statedir)
{
    assert(c->state == IDLE || c->state == PAUSING);
    if (c->state == PAUSING)
        cancel(c, "the rank stops");
    c->store = store;
    free(c->path);
    c->path = statedir ? xasprintf("%s/content.sqlite", statedir) : NULL;
    loop_timer_stop(&c->expiry);
    if (store)
        loop_timer_start(c->loop, &c->expiry, COLLECTOR_TRUST_MS);
}

void
collector_free(struct collector **collector)
{
    struct collector *c = TAKE(*collector);

    if (!c)
        return;
    collector_set_store(c, NULL, NULL);
    free(c->path);
    free(c);
}
