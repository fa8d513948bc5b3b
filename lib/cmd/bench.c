/* SPDX-License-Identifier: MPL-2.0 */
/* bench.c - xylem-bench: how fast is this instance, seen from this rank?
 *
 * Opens a handle for each client, runs the chosen tests (bench_tests) one after the other with all
 * clients (bench_run), and prints what was measured (bench_report).  A test that cannot be run is
 * told on stderr, and the others are run all the same.  man page: xylem-bench(1).
 *
 * Threads: this one only waits while the clients' are running.
 */
#include "bench_report.h"
#include "bench_tests.h"
#include "opt.h"
#include "xmem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SIZE_LIMIT (UINT64_C(1) << 30) // bytes; the largest blob size limit of an instance
#define SIZE_UNSET UINT64_MAX          // each test has a size of its own
#define N_MAX 100000000                // a name is kept of each blob: 8 GB
#define WINDOW_MAX 100000              // a handle takes 500,000
#define CLIENTS_MAX 1024               // threads

static struct opt_list uris;
static const char *cert, *from_uri;
static const char *names = "all";
static long n = 10000, window = 64, clients = 1;
static long entries = 100000;
static uint64_t size = SIZE_UNSET;
static bool json;

static const struct opt options[] = {
    {'u', "uri", "URI", OPT_LIST, &uris,
     "rank to talk to ($XYLEM_URI); of several, each has its share of the clients", 0, 0},
    {0, "cert", "FILE", OPT_STRING, &cert, "certificate for tcp:// ($XYLEM_CERT)", 0, 0},
    {'t', "tests", "LIST", OPT_STRING, &names,
     "store,load-hot,load-cold,commit,lookup, all of these (all), or put-dir", 0, 0},
    {'n', "count", "N", OPT_LONG, &n, "operations of a test (10000)", 1, N_MAX},
    {'s', "size", "SIZE", OPT_SIZE, &size, "bytes of a blob (4096) or value (64)", 0, 0},
    {'w', "window", "W", OPT_LONG, &window, "requests in flight for each client (64)", 1,
     WINDOW_MAX},
    {'c', "clients", "C", OPT_LONG, &clients, "connections, a thread each (1)", 1, CLIENTS_MAX},
    {'e', "entries", "N", OPT_LONG, &entries, "of the directory of put-dir (100000)", 1, N_MAX},
    {0, "from", "URI", OPT_STRING, &from_uri, "rank to store blobs at that are loaded (--uri)", 0,
     0},
    {0, "json", NULL, OPT_FLAG, &json, "print JSON when all is done", 0, 0},
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-bench",
    .synopsis = "[OPTIONS]",
    .description = "Measure throughput and latency of an instance, as seen from one rank.",
    .options = options,
    .stop_at_operand = false,
};

/* The tests to run. */
struct plan {
    const struct bench_test **tests; // owned array of borrowed rows
    size_t count;
};

static void
complain(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program.name, what, why);
}

/* ---- options ---- */

static void
add_test(struct plan *p, const struct bench_test *test)
{
    p->tests = xrealloc(p->tests, (p->count + 1) * sizeof(p->tests[0]));
    p->tests[p->count++] = test;
}

static void
add_named(struct plan *p, const char *name, size_t len)
{
    const struct bench_test *test = bench_tests_find(name, len);

    if (test) {
        add_test(p, test);
        return;
    }
    if (len != 3 || memcmp(name, "all", 3) != 0)
        opt_usage_error(&program, "there is no test '%.*s'", (int)len, name);
    for (size_t i = 0; i < bench_tests_count; i++) {
        if (!bench_tests[i].is_extra)
            add_test(p, &bench_tests[i]);
    }
}

static struct plan
parse_names(void)
{
    struct plan p = {NULL, 0};
    const char *name = names;

    for (;;) {
        size_t len = strcspn(name, ",");

        add_named(&p, name, len);
        if (!name[len])
            return p;
        name += len + 1;
    }
}

static void
check_options(int argc, int first)
{
    if (first < argc)
        opt_usage_error(&program, "it takes no operands");
    if (size != SIZE_UNSET && (size < BENCH_DATA_MIN || size > SIZE_LIMIT))
        opt_usage_error(&program, "--size: not between %d bytes and 1G", BENCH_DATA_MIN);
}

/* ---- the tests ---- */

/* Run one.  Returns whether all of it went well; *ret_row is filled in if it was run at all
 * (ret_row->n > 0). */
static bool
run_test(const struct bench_test *test, struct bench *b, struct bench_row *ret_row)
{
    struct bench_outcome *out = xcalloc(1, sizeof(*out));
    struct err err;
    bool is_well;
    int rc;

    b->size = size != SIZE_UNSET ? (size_t)size : test->size;
    rc = bench_tests_run(test, b, out, &err);
    if (rc < 0)
        complain(test->name, err.text);
    if (out->done + out->failed > 0) {
        *ret_row = (struct bench_row){.test = test->name, .n = b->n, .size = b->size};
        ret_row->window = b->window;
        ret_row->clients = b->client_count;
        bench_report_measured(ret_row, out);
    }
    if (out->failed > 0)
        fprintf(stderr, "%s: %s: %" PRIu64 " of %" PRIu64 " failed: %s\n", program.name, test->name,
                out->failed, b->n, out->error);
    is_well = rc == 0 && out->failed == 0;
    free(out);
    return is_well;
}

static void
print(const struct buf *text)
{
    fputs(buf_str(text), stdout);
    fflush(stdout);
}

static void
print_row(const struct bench_row *row, bool is_first)
{
    AUTO(buf) struct buf text = BUF_INIT;

    if (is_first)
        bench_report_titles(&text);
    bench_report_row(&text, row);
    print(&text);
}

static void
print_json(const struct bench_row *rows, size_t count)
{
    AUTO(buf) struct buf text = BUF_INIT;

    bench_report_json(&text, rows, count);
    print(&text);
}

/* Returns whether all went well. */
static bool
run_tests(const struct plan *p, struct bench *b)
{
    AUTO(free) struct bench_row *rows = xcalloc(p->count, sizeof(rows[0]));
    size_t count = 0;
    bool is_well = true;

    for (size_t i = 0; i < p->count; i++) {
        is_well &= run_test(p->tests[i], b, &rows[count]);
        if (rows[count].n == 0)
            continue;
        if (!json)
            print_row(&rows[count], count == 0);
        count++;
    }
    if (json)
        print_json(rows, count);
    if (ferror(stdout)) {
        complain("standard output", "not all of it could be written");
        return false;
    }
    return is_well;
}

/* ---- connections ---- */

/* NULL: the default. */
static const char *
uri_of(long client)
{
    return uris.count > 0 ? uris.values[(size_t)client % uris.count] : NULL;
}

/* Open all handles.  Those that are open are in *b even if that fails. */
static bool
connect_all(struct bench *b)
{
    char error[XYLEM_ERROR_MAX];
    int rc = 0;

    for (long i = 0; i < clients && rc == 0; i++) {
        rc = xylem_open(&b->clients[i].x, uri_of(i), cert, error);
        b->client_count += rc == 0;
    }
    if (rc == 0)
        rc = xylem_open(&b->from, from_uri ? from_uri : uri_of(0), cert, error);
    if (rc < 0)
        complain("connect", error);
    return rc == 0;
}

static void
disconnect_all(struct bench *b)
{
    for (size_t i = 0; i < b->client_count; i++)
        xylem_close(b->clients[i].x);
    xylem_close(b->from);
    free(b->clients);
}

int
main(int argc, char **argv)
{
    int first = opt_parse(&program, argc, argv);
    struct bench b = {.n = (uint64_t)n, .window = (size_t)window, .entries = (uint64_t)entries};
    struct plan plan;
    bool is_well;

    check_options(argc, first);
    plan = parse_names();
    b.clients = xcalloc((size_t)clients, sizeof(b.clients[0]));
    is_well = connect_all(&b) && run_tests(&plan, &b);
    disconnect_all(&b);
    free(plan.tests);
    free(uris.values);
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
