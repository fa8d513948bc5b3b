/* SPDX-License-Identifier: MPL-2.0 */
/* scrub.c - see scrub.h.
 *
 * state     tick with credit    task done, credit left    task done, else    stop
 * WAITING   READING             -                         -                  STOPPED
 * READING   -                   READING                   WAITING            STOPPED
 *
 * A tick earns its part of the rate, at most what a second earns is kept, and what a task has read is
 * paid for afterwards: a blob larger than a tick's part makes the next ticks pass idle.
 *
 * A pass goes through the rows by age, and the next one begins not before PASS_MS after it.  A pass
 * that is at its end looks for new rows every LOOK_MS.
 *
 * I1  While READING the fields below `task` are the store thread's, else ours.
 * I2  A row is told and logged once: `known`. */
#include "scrub.h"
#include "blobref.h"
#include "elog.h"
#include "map.h"
#include "waiter.h"
#include "xmem.h"

#include <inttypes.h>

#define TICKS 10
#define PASS_MS 60000
#define LOOK_MS 1000
#define RATE_MAX ((uint64_t)1 << 40)
/* A task: half a millisecond. */
#define TASK_ROWS 64
#define TASK_BYTES ((size_t)256 << 10)

enum scrub_state { WAITING, READING, STOPPED };

/* A damaged row that has been told. */
struct known {
    int64_t id; // key in scrub.known
};

struct scrub {
    enum digest_alg alg;
    int64_t rate;        // bytes per second
    struct loop *loop;   // borrowed
    struct store *store; // borrowed
    void (*damaged)(void *arg, const struct digest *d);
    void *arg; // of damaged
    enum scrub_state state;
    struct loop_timer timer;
    struct task_waiter ran;
    struct scrub_stats stats;
    struct map known;   // id -> struct known, owned
    int64_t credit;     // bytes earned; negative: read in advance
    int64_t ticked;     // ms: earned up to then
    int64_t pass_began; // ms
    int64_t look_at;    // ms: not before
    bool is_over;       // this pass has been at the end
    /* task: */
    int64_t position;           // in, and out
    size_t max_bytes;           // in
    bool is_end;                // out: there is nothing behind `position`
    uint64_t blobs, bytes;      // out
    struct store_db_row *found; // out: damaged rows, owned array
    size_t count;               // of them
};

/* --- on the store's thread --- */

static void
on_row(void *arg, const struct store_db_row *row)
{
    struct scrub *s = arg;

    s->blobs++;
    s->bytes += (uint64_t)MAX(0, row->size);
    if (row->rc == 0)
        return;
    s->found = xrealloc(s->found, (s->count + 1) * sizeof(*s->found));
    s->found[s->count++] = *row;
}

static int
read_rows(void *task, struct store_db *db)
{
    struct scrub *s = task;
    int64_t newest;
    int rc = store_db_newest(db, &newest);

    s->blobs = 0;
    s->bytes = 0;
    s->is_end = rc == 0 && s->position >= newest;
    if (rc < 0 || s->is_end)
        return rc;
    return store_db_verify(db, s->position, newest, TASK_ROWS, s->max_bytes, on_row, s,
                           &s->position);
}

/* --- on the owner's --- */

static void
tell(struct scrub *s, const struct store_db_row *row)
{
    char ref[BLOBREF_MAX];
    struct known *k;

    if (map_get(&s->known, &row->id))
        return;
    k = xmalloc(sizeof(*k));
    k->id = row->id;
    map_put(&s->known, k); /* I2 */
    s->stats.damaged++;
    elog(ELOG_ERR, "scrub: %s is damaged", blobref_format(s->alg, &row->digest, ref));
    if (s->damaged)
        s->damaged(s->arg, &row->digest);
}

/* Nothing is left to read, or nothing can be read.  What comes is looked for now and then. */
static void
at_end(struct scrub *s, int rc)
{
    if (rc < 0 && !s->is_over)
        elog(ELOG_WARN, "scrub: cannot read on behind row %" PRId64 ": %s", s->position,
             err_name(rc));
    if (rc == 0 && !s->is_over)
        s->stats.passes++;
    s->is_over = true;
    s->look_at = loop_now(s->loop) + LOOK_MS;
    if (loop_now(s->loop) - s->pass_began < PASS_MS)
        return;
    s->pass_began = loop_now(s->loop);
    s->position = 0;
    s->is_over = false;
}

static void
read_some(struct scrub *s)
{
    s->state = READING;
    s->max_bytes = MIN((size_t)s->credit, TASK_BYTES);
    store_run(s->store, read_rows, s, &s->ran);
}

static void
take_result(struct scrub *s)
{
    s->stats.blobs += s->blobs;
    s->stats.bytes += s->bytes;
    s->stats.position = s->position;
    s->credit -= (int64_t)s->bytes;
    for (size_t i = 0; i < s->count; i++)
        tell(s, &s->found[i]);
    free(TAKE(s->found));
    s->count = 0;
}

static void
on_ran(struct task_waiter *w, int rc)
{
    struct scrub *s = container_of(w, struct scrub, ran);

    take_result(s);
    if (s->state == STOPPED)
        return;
    s->state = WAITING;
    if (rc < 0 || s->is_end)
        at_end(s, rc);
    else if (s->credit > 0)
        read_some(s);
}

static void
earn(struct scrub *s)
{
    int64_t now = loop_now(s->loop);

    s->credit = MIN(s->rate, s->credit + s->rate * MIN(now - s->ticked, 1000) / 1000);
    s->ticked = now;
}

static void
on_tick(void *arg)
{
    struct scrub *s = arg;

    loop_timer_start(s->loop, &s->timer, 1000 / TICKS);
    earn(s);
    if (s->state == WAITING && s->credit > 0 && loop_now(s->loop) >= s->look_at)
        read_some(s);
}

/* --- life --- */

struct scrub *
scrub_start(enum digest_alg alg, uint64_t rate, struct loop *loop, struct store *store,
            void (*damaged)(void *arg, const struct digest *d), void *arg)
{
    struct scrub *s = xcalloc(1, sizeof(*s));

    assert(rate > 0);
    s->alg = alg;
    s->rate = (int64_t)MIN(rate, RATE_MAX);
    s->loop = loop;
    s->store = store;
    s->damaged = damaged;
    s->arg = arg;
    s->ran.fn = on_ran;
    s->ticked = s->pass_began = loop_now(loop);
    map_init(&s->known, offsetof(struct known, id), sizeof(int64_t));
    loop_timer_init(&s->timer, on_tick, s);
    loop_timer_start(loop, &s->timer, 1000 / TICKS);
    return s;
}

void
scrub_stop(struct scrub *s)
{
    if (!s)
        return;
    loop_timer_stop(&s->timer);
    s->state = STOPPED;
}

void
scrub_free(struct scrub **sp)
{
    struct scrub *s = TAKE(*sp);
    struct known *k;
    size_t pos = 0;

    if (!s)
        return;
    scrub_stop(s);
    while ((k = map_next(&s->known, &pos)))
        free(k);
    map_fini(&s->known);
    free(s);
}

void
scrub_stats(const struct scrub *s, struct scrub_stats *ret)
{
    *ret = s ? s->stats : (struct scrub_stats){0};
}
