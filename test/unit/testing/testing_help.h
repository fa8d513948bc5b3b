/* SPDX-License-Identifier: MPL-2.0 */
/* testing_help.h - what the tests of xylem-testing.h share. */
#ifndef XYLEM_TEST_TESTING_HELP_H
#define XYLEM_TEST_TESTING_HELP_H

#include "cmocka_all.h"
#include "xylem-testing.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define SOON_MS 20000 // what must come comes by then, on a machine that is busy, too
#define NEVER_MS 300  // what must not come has not come by then

static inline xylem_cluster_t *
start(const struct xylem_testing_conf *conf)
{
    char why[XYLEM_ERROR_MAX] = "";
    xylem_cluster_t *c;

    if (xylem_testing_start(&c, conf, why) < 0)
        fail_msg("%s", why);
    return c;
}

static inline void
check_done(xylem_cluster_t *c, int rc)
{
    if (rc < 0)
        fail_msg("%s", xylem_testing_error(c));
}

static inline xylem_t *
open_rank(xylem_cluster_t *c, uint32_t rank)
{
    xylem_t *x = NULL;

    check_done(c, xylem_testing_open(c, rank, &x));
    return x;
}

/* An asynchronous operation: all zero before. */
struct outcome {
    bool done;
    int rc;
    char data[256];
    size_t size;
};

static inline void
on_done(void *arg, const struct xylem_reply *reply)
{
    struct outcome *o = arg;

    o->done = true;
    o->rc = reply->rc;
    o->size = reply->size < sizeof(o->data) ? reply->size : sizeof(o->data);
    memcpy(o->data, reply->data, o->size);
}

static inline int64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Is it done within that time? */
static inline bool
is_done(xylem_t *x, const struct outcome *o, int64_t ms)
{
    int64_t end = now_ms() + ms;

    while (!o->done && now_ms() < end)
        assert_true(xylem_dispatch(x, 20) >= 0);
    return o->done;
}

static inline void
store_text(xylem_cluster_t *c, uint32_t rank, const char *text, char *blobref)
{
    xylem_t *x = open_rank(c, rank);

    if (xylem_store(x, text, strlen(text), 0, blobref) < 0)
        fail_msg("%s", xylem_error(x));
    xylem_close(x);
}

static inline void
check_load(xylem_cluster_t *c, uint32_t rank, const char *blobref, const char *text)
{
    xylem_t *x = open_rank(c, rank);
    void *data;
    size_t size;

    if (xylem_load(x, blobref, 0, &data, &size) < 0)
        fail_msg("%s", xylem_error(x));
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
    free(data);
    xylem_close(x);
}

#endif
