/* SPDX-License-Identifier: MPL-2.0 */
/* bench_tests.c - what each test does, before and while the clock runs.
 *
 *   test        before                                    operation i
 *   store       -                                         store blob i
 *   load-hot    store a small set, load it once           load blob i % set
 *   load-cold   store n blobs, flush, drop this cache     load blob i
 *   commit      -                                         put key i, one transaction
 *   lookup      put a set of keys, look each up once      look key i % set up
 *   put-dir     fill one directory                        put one of its keys, one transaction
 *
 * Preparations are jobs like the tests themselves.  Keys are in one directory for each test, which
 * is removed afterwards; blobs stay, as there is no way to remove one.
 *
 * Threads: send and take run in those of the clients; all they write is the ref of operation i and
 * the client's own blob.
 */
#include "bench_tests.h"

#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HOT_BYTES (8 * 1024 * 1024) // of the set of load-hot; an eighth of a rank's default cache
#define HOT_MAX 1000                // blobs or keys of a set that is asked for again and again
#define PREPARE_WINDOW 64           // in flight while preparing
#define BLOB_SIZE 4096
#define VALUE_SIZE 64
#define FILL_OPS 100000     // of a transaction that fills a directory
#define SCATTER 2654435761u // odd, and far from any pattern in how names are hashed

/* ---- operations ---- */

static int
send_store(void *bench, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg)
{
    const struct bench *b = bench;

    bench_data_stamp(&b->data, i, client->blob);
    return xylem_store_async(client->x, client->blob, b->data.size, 0, fn, fn_arg);
}

static bool
take_store(void *bench, uint64_t i, const struct xylem_reply *reply)
{
    struct bench *b = bench;

    if (reply->size > XYLEM_BLOBREF_MAX)
        return false;
    memcpy(b->data.refs[i], reply->data, reply->size);
    return true;
}

static int
send_load(void *bench, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg)
{
    const struct bench *b = bench;

    return xylem_load_async(client->x, b->data.refs[i % b->data.count], 0, fn, fn_arg);
}

static bool
take_load(void *bench, uint64_t i, const struct xylem_reply *reply)
{
    const struct bench *b = bench;

    return bench_data_is(&b->data, i % b->data.count, reply->data, reply->size);
}

static int
send_commit(void *bench, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg)
{
    const struct bench *b = bench;
    xylem_txn_t *txn = xylem_txn_new();
    char key[BENCH_KEY_MAX];
    int rc;

    bench_data_stamp(&b->data, i, client->blob);
    rc = xylem_txn_put(txn, bench_data_key(&b->data, i, key), client->blob, b->data.size);
    if (rc == 0)
        rc = xylem_commit_async(client->x, NULL, txn, 0, fn, fn_arg);
    xylem_txn_free(txn);
    return rc;
}

/* Entry i of a single directory, with value number `stamp`. */
static int
add_entry(const struct bench *b, xylem_txn_t *txn, uint64_t i, uint64_t stamp, uint8_t *value)
{
    char dir[BENCH_KEY_MAX];
    char key[2 * BENCH_KEY_MAX];

    bench_data_stamp(&b->data, stamp, value);
    snprintf(key, sizeof(key), "%s.%" PRIu64, bench_data_dir(&b->data, dir), i);
    return xylem_txn_put(txn, key, value, b->data.size);
}

static int
send_entry(void *bench, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg)
{
    const struct bench *b = bench;
    xylem_txn_t *txn = xylem_txn_new();
    int rc = add_entry(b, txn, i * SCATTER % b->entries, b->entries + i, client->blob);

    if (rc == 0)
        rc = xylem_commit_async(client->x, NULL, txn, 0, fn, fn_arg);
    xylem_txn_free(txn);
    return rc;
}

static int
send_lookup(void *bench, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg)
{
    const struct bench *b = bench;
    char key[BENCH_KEY_MAX];

    bench_data_key(&b->data, i % b->data.count, key);
    return xylem_lookup_async(client->x, NULL, key, NULL, 0, fn, fn_arg, NULL);
}

/* ---- preparations ---- */

/* Run a job for each blob or key there is; all must go well. */
static int
do_for_each(struct bench *b, xylem_t *x, struct bench_job job, struct err *err)
{
    struct bench_client client = {x, xmalloc(b->data.size)};
    struct bench_outcome *out = xcalloc(1, sizeof(*out));
    int rc = 0;

    bench_data_fill(&b->data, client.blob);
    job.arg = b;
    job.n = b->data.count;
    job.window = PREPARE_WINDOW;
    bench_run(&job, &client, 1, out);
    if (out->failed > 0)
        rc = err_set(err, -EIO, "%s", out->error);
    free(out);
    free(client.blob);
    return rc;
}

static int
say_why(struct err *err, const char *what, const xylem_t *x, int rc)
{
    return rc < 0 ? err_set(err, rc, "%s: %s", what, xylem_error(x)) : rc;
}

static int
store_blobs(struct bench *b, struct err *err)
{
    struct bench_job store = {.send = send_store, .take = take_store};
    int rc = do_for_each(b, b->from, store, err);

    if (rc < 0)
        return err_prefix(err, rc, "store");
    return say_why(err, "flush", b->from, xylem_flush(b->from, XYLEM_RANK_ANY));
}

static int
prepare_hot(struct bench *b, struct err *err)
{
    struct bench_job load = {.send = send_load, .take = take_load};
    int rc = store_blobs(b, err);

    return rc < 0 ? rc : do_for_each(b, b->clients[0].x, load, err);
}

static int
prepare_cold(struct bench *b, struct err *err)
{
    xylem_t *x = b->clients[0].x;
    int rc = store_blobs(b, err);

    return rc < 0 ? rc : say_why(err, "dropcache", x, xylem_dropcache(x));
}

static int
prepare_keys(struct bench *b, struct err *err)
{
    struct bench_job commit = {.send = send_commit};
    struct bench_job lookup = {.send = send_lookup};
    int rc = do_for_each(b, b->clients[0].x, commit, err);

    if (rc < 0)
        return err_prefix(err, rc, "commit");
    return do_for_each(b, b->clients[0].x, lookup, err);
}

/* The entries from `first` on, at most FILL_OPS. */
static int
fill_some(struct bench *b, uint64_t first, uint8_t *value, struct err *err)
{
    xylem_t *x = b->clients[0].x;
    uint64_t end = MIN(first + FILL_OPS, b->entries);
    xylem_txn_t *txn = xylem_txn_new();
    int rc = 0;

    for (uint64_t i = first; i < end && rc == 0; i++)
        rc = add_entry(b, txn, i, i, value);
    if (rc == 0)
        rc = xylem_commit(x, NULL, txn, 0, NULL);
    xylem_txn_free(txn);
    return say_why(err, "commit", x, rc);
}

static int
prepare_dir(struct bench *b, struct err *err)
{
    AUTO(free) uint8_t *value = xmalloc(b->data.size);
    int rc = 0;

    bench_data_fill(&b->data, value);
    for (uint64_t first = 0; first < b->entries && rc == 0; first += FILL_OPS)
        rc = fill_some(b, first, value, err);
    return rc;
}

static int
remove_keys(struct bench *b, struct err *err)
{
    xylem_t *x = b->clients[0].x;
    xylem_txn_t *txn = xylem_txn_new();
    char dir[BENCH_KEY_MAX];
    int rc = xylem_txn_unlink(txn, bench_data_dir(&b->data, dir));

    assert(rc == 0); // the key is ours
    rc = xylem_commit(x, NULL, txn, 0, NULL);
    xylem_txn_free(txn);
    return say_why(err, "unlink", x, rc);
}

static uint64_t
count_all(const struct bench *b)
{
    return b->n;
}

static uint64_t
count_hot_blobs(const struct bench *b)
{
    return MIN(MAX(HOT_BYTES / b->size, 1), MIN(b->n, HOT_MAX));
}

static uint64_t
count_hot_keys(const struct bench *b)
{
    return MIN(b->n, HOT_MAX);
}

/* ---- the table ---- */

const struct bench_test bench_tests[] = {
    {"store", BLOB_SIZE, count_all, NULL, send_store, take_store, NULL, false},
    {"load-hot", BLOB_SIZE, count_hot_blobs, prepare_hot, send_load, take_load, NULL, false},
    {"load-cold", BLOB_SIZE, count_all, prepare_cold, send_load, take_load, NULL, false},
    {"commit", VALUE_SIZE, count_all, NULL, send_commit, NULL, remove_keys, false},
    {"lookup", VALUE_SIZE, count_hot_keys, prepare_keys, send_lookup, NULL, remove_keys, false},
    {"put-dir", VALUE_SIZE, count_all, prepare_dir, send_entry, NULL, remove_keys, true},
};
const size_t bench_tests_count = ARRAY_SIZE(bench_tests);

const struct bench_test *
bench_tests_find(const char *name, size_t size)
{
    for (size_t i = 0; i < bench_tests_count; i++) {
        const char *candidate = bench_tests[i].name;

        if (strlen(candidate) == size && memcmp(candidate, name, size) == 0)
            return &bench_tests[i];
    }
    return NULL;
}

static void
measure(const struct bench_test *test, struct bench *b, struct bench_outcome *ret)
{
    const struct bench_job job = {test->send, test->take, b, b->n, b->window};

    for (size_t i = 0; i < b->client_count; i++) {
        b->clients[i].blob = xmalloc(b->size);
        bench_data_fill(&b->data, b->clients[i].blob);
    }
    bench_run(&job, b->clients, b->client_count, ret);
    for (size_t i = 0; i < b->client_count; i++)
        free(TAKE(b->clients[i].blob));
}

int
bench_tests_run(const struct bench_test *test, struct bench *b, struct bench_outcome *ret,
                struct err *err)
{
    int rc = 0;

    bench_data_init(&b->data, b->size, test->count(b));
    if (test->prepare)
        rc = test->prepare(b, err);
    if (rc == 0)
        measure(test, b, ret);
    if (rc == 0 && test->clean)
        rc = test->clean(b, err);
    bench_data_fini(&b->data);
    return rc;
}
