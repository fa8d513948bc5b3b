/* SPDX-License-Identifier: MPL-2.0 */
/* bench_run.c - workers that keep a window of requests in flight.
 *
 * A worker has a slot for each request in flight.  The completion of a slot's request sends the
 * next one at once: it travels with those of other completions of the same dispatch, as it would
 * in a server.  Nothing is allocated, printed or locked while the clock runs.
 *
 * I1  next is the first operation not sent yet; each number in [first, end) is sent once.
 * I2  When a worker ends, done + failed == end - first: an operation that could not be sent has
 *     failed, and a lost connection makes those fail which are left.
 *
 * Threads: one for each worker; they meet at a barrier before the clock starts.
 */
#include "bench_run.h"

#include "clock.h"
#include "xmem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct slot {
    struct worker *worker; // borrowed
    uint64_t i;            // operation in flight
    int64_t sent_us;       // clock_us() when it was sent
};

struct worker {
    pthread_t thread;            // runs work()
    pthread_barrier_t *start;    // borrowed
    const struct bench_job *job; // borrowed
    struct bench_client *client; // borrowed
    struct slot *slots;          // owned; job->window of them
    uint64_t first;              // its operations: from here
    uint64_t next;               // I1
    uint64_t end;                // up to, but not including
    int64_t begin_us;            // clock_us() before the first request
    int64_t end_us;              // clock_us() after the last answer
    struct bench_outcome out;    // its share of the result; without seconds
};

static void
note_failure(struct worker *w, const char *why)
{
    if (w->out.failed++ == 0)
        snprintf(w->out.error, sizeof(w->out.error), "%s", why);
}

static void on_reply(void *arg, const struct xylem_reply *reply);

static void
send_next(struct slot *slot, int64_t now_us)
{
    struct worker *w = slot->worker;
    const struct bench_job *job = w->job;

    while (w->next < w->end) {
        slot->i = w->next++;
        slot->sent_us = now_us;
        if (job->send(job->arg, w->client, slot->i, on_reply, slot) == 0)
            return;
        note_failure(w, xylem_error(w->client->x)); /* I2 */
    }
}

static void
on_reply(void *arg, const struct xylem_reply *reply)
{
    struct slot *slot = arg;
    struct worker *w = slot->worker;
    const struct bench_job *job = w->job;
    int64_t now_us = clock_us();

    if (reply->rc != 0) {
        note_failure(w, reply->error);
    } else if (job->take && !job->take(job->arg, slot->i, reply)) {
        note_failure(w, "the answer is not what was asked for");
    } else {
        w->out.done++;
        hist_add(&w->out.latency, now_us - slot->sent_us);
    }
    send_next(slot, now_us);
}

static void *
work(void *arg)
{
    struct worker *w = arg;
    int rc = 0;

    pthread_barrier_wait(w->start);
    w->begin_us = clock_us();
    for (size_t i = 0; i < w->job->window; i++)
        send_next(&w->slots[i], clock_us());
    while (rc >= 0 && xylem_pending(w->client->x) > 0)
        rc = xylem_dispatch(w->client->x, -1);
    w->end_us = clock_us();
    assert(w->out.done + w->out.failed == w->end - w->first); /* I2 */
    return NULL;
}

static void
init_worker(struct worker *w, const struct bench_job *job, struct bench_client *client,
            pthread_barrier_t *start)
{
    w->job = job;
    w->client = client;
    w->start = start;
    w->slots = xcalloc(job->window, sizeof(w->slots[0]));
    for (size_t i = 0; i < job->window; i++)
        w->slots[i].worker = w;
}

static void
run_workers(struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int rc = pthread_create(&workers[i].thread, NULL, work, &workers[i]);

        assert(rc == 0); // as with memory: a process that gets no threads has no use going on
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
}

static void
add_up(const struct worker *workers, size_t count, struct bench_outcome *ret)
{
    int64_t begin_us = workers[0].begin_us;
    int64_t end_us = workers[0].end_us;

    *ret = (struct bench_outcome){.done = 0};
    for (size_t i = 0; i < count; i++) {
        const struct worker *w = &workers[i];

        begin_us = MIN(begin_us, w->begin_us);
        end_us = MAX(end_us, w->end_us);
        ret->done += w->out.done;
        ret->failed += w->out.failed;
        if (!ret->error[0])
            memcpy(ret->error, w->out.error, sizeof(ret->error));
        hist_merge(&ret->latency, &w->out.latency);
    }
    ret->seconds = (double)MAX(end_us - begin_us, 1) / 1e6;
}

void
bench_run(const struct bench_job *job, struct bench_client *clients, size_t count,
          struct bench_outcome *ret)
{
    struct worker *workers = xcalloc(count, sizeof(workers[0]));
    pthread_barrier_t start;

    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        init_worker(&workers[i], job, &clients[i], &start);
        workers[i].first = workers[i].next = job->n * i / count; /* I1 */
        workers[i].end = job->n * (i + 1) / count;
    }
    run_workers(workers, count);
    add_up(workers, count, ret);
    for (size_t i = 0; i < count; i++)
        free(workers[i].slots);
    free(workers);
    pthread_barrier_destroy(&start);
}
