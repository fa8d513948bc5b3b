/* SPDX-License-Identifier: MPL-2.0 */
/* gc.c - xylem-gc: remove the blobs that nothing refers to any more.
 *
 * With --statedir the database is opened here (gc.h); with --online rank 0 is asked to do the same
 * while it serves (topic content-backing.gc).  Either way `struct result` says what came of it.
 * man page: xylem-gc(1).
 */
#include "gc.h"
#include "clock.h"
#include "job.h"
#include "xmem.h"
#include "xylem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define REPORT_MS 1000 // between two lines of --verbose

static const char *statedir;
static bool online, dry_run, force, as_json;
static int64_t grace_ms = 600000;

static const struct opt options[] = {
    {0, "statedir", "DIR", OPT_STRING, &statedir,
     "collect in the state directory of a rank 0 that is not running", 0, 0},
    {0, "online", NULL, OPT_FLAG, &online, "have rank 0 collect while it serves", 0, 0},
    {0, "grace", "TIME", OPT_DURATION, &grace_ms,
     "online: keep what was stored within this time (10m)", 0, 0},
    {0, "dry-run", NULL, OPT_FLAG, &dry_run, "find out what would go, and change nothing", 0, 0},
    {0, "force", NULL, OPT_FLAG, &force,
     "offline: go on though directories are damaged, or nothing is a root", 0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "print the figures on stdout as JSON", 0, 0},
    {'v', "verbose", NULL, OPT_FLAG, &job_options.verbose, "say how far it is, every second", 0, 0},
    {'q', "quiet", NULL, OPT_FLAG, &job_options.quiet, "no summary on stderr", 0, 0},
    JOB_OPTION_URI,
    JOB_OPTION_CERT,
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-gc",
    .synopsis = "[OPTIONS] --statedir=DIR|--online",
    .description =
        "Remove the blobs that no namespace and no checkpoint refers to, and give their\n"
        "space back to the file system.",
    .options = options,
    .stop_at_operand = false,
};

struct result {
    struct gc_stats stats;
    char state[32];                  // what it is doing
    int64_t file_before, file_after; // bytes of content.sqlite
};

struct collection {
    struct job job; // messages
    xylem_t *x;     // online: owned
    struct result result;
    int64_t told_ms;     // when --verbose has said something
    char told_state[32]; // and what it was doing then
    int rc;              // online: of the request
    bool is_over;        // online: no more answers will come
    struct err *err;     // online: of the caller
};

static void
report(struct collection *c)
{
    const struct result *r = &c->result;
    int64_t now = clock_ms();

    if (!job_options.verbose || job_options.quiet ||
        (strcmp(r->state, c->told_state) == 0 && now - c->told_ms < REPORT_MS))
        return;
    fprintf(stderr,
            "%s: %s: %" PRIu64 " directories read, %" PRIu64 " blobs looked at, %" PRIu64 " %s\n",
            program.name, r->state, r->stats.trees, r->stats.examined, r->stats.removed,
            dry_run ? "to remove" : "removed");
    memcpy(c->told_state, r->state, sizeof(r->state));
    c->told_ms = now;
}

/* --- offline --- */

/* Bytes of content.sqlite. */
static int64_t
file_bytes(void)
{
    AUTO(free) char *path = xasprintf("%s/content.sqlite", statedir);
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static int
open_store(struct store_db **ret, enum digest_alg *ret_alg, struct err *err)
{
    struct store_conf conf = {.statedir = statedir,
                              .durability = STORE_COMMIT,
                              .max_checkpoints = INT32_MAX,
                              .read_only = dry_run};
    int rc = store_db_read_alg(statedir, &conf.alg, err);

    *ret_alg = conf.alg;
    return rc == 0 ? store_db_open(ret, &conf, err) : rc;
}

static int
run_steps(struct collection *c, struct gc *gc, struct store_db *db, struct err *err)
{
    int rc;

    do {
        rc = gc_step(gc, db, &gc_limits_offline, err);
        gc_stats(gc, &c->result.stats);
        snprintf(c->result.state, sizeof(c->result.state), "%s", gc_state_name(gc_state(gc)));
        report(c);
    } while (rc == 1);
    return rc < 0 ? err_prefix(err, rc, "%s", statedir) : 0;
}

static int
collect_offline(struct collection *c, struct err *err)
{
    struct gc_conf conf = {.mode = GC_OFFLINE, .dry_run = dry_run, .force = force};
    struct store_db *db = NULL;
    struct gc *gc;
    int rc;

    c->result.file_before = file_bytes();
    if ((rc = open_store(&db, &conf.alg, err)) < 0)
        return rc;
    gc = gc_new(&conf);
    rc = run_steps(c, gc, db, err);
    gc_free(&gc);
    store_db_close(&db);
    c->result.file_after = file_bytes();
    return rc;
}

/* --- online --- */

/* One answer of rank 0, as in xylem-message(7). */
static int
parse_result(const char *text, struct result *ret)
{
    json_int_t trees, examined, removed, bytes, kept, spared, missing, before, after;
    const char *state;
    json_t *json = json_loads(text, 0, NULL);
    int rc = json_unpack(json, "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "state",
                         &state, "trees", &trees, "examined", &examined, "removed", &removed,
                         "bytes", &bytes, "kept", &kept, "spared", &spared, "missing_values",
                         &missing, "file_before", &before, "file_after", &after);

    if (rc == 0) {
        *ret = (struct result){.file_before = before, .file_after = after};
        ret->stats = (struct gc_stats){.trees = (uint64_t)trees,
                                       .examined = (uint64_t)examined,
                                       .removed = (uint64_t)removed,
                                       .bytes = (uint64_t)bytes,
                                       .kept = (uint64_t)kept,
                                       .spared = (uint64_t)spared,
                                       .missing_values = (uint64_t)missing};
        snprintf(ret->state, sizeof(ret->state), "%s", state);
    }
    json_decref(json);
    return rc == 0 ? 0 : -EPROTO;
}

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct collection *c = arg;

    c->is_over = reply->rc != 0;
    if (reply->rc < 0 && reply->rc != -ENODATA) {
        c->rc = err_set(c->err, reply->rc, "%s", reply->error);
    } else if (reply->rc == 0 && c->rc == 0) {
        if (reply->size == 0 || parse_result(reply->data, &c->result) < 0)
            c->rc = err_set(c->err, -EPROTO, "malformed answer of rank 0");
        report(c);
    }
}

static int
collect_online(struct collection *c, struct err *err)
{
    AUTO(free)
    char *request = xasprintf("{\"grace\":%" PRId64 ".%03d,\"dry_run\":%s}", grace_ms / 1000,
                              (int)(grace_ms % 1000), dry_run ? "true" : "false");
    char text[XYLEM_ERROR_MAX];
    int rc = xylem_open(&c->x, job_options.uri, NULL, text);

    if (rc < 0)
        return err_set(err, rc, "%s", text);
    c->err = err;
    rc = xylem_rpc_async(c->x, "content-backing.gc", 0, request, strlen(request),
                         XYLEM_STREAMING | XYLEM_TEXT, on_answer, c, NULL);
    if (rc < 0)
        return err_set(err, rc, "%s", xylem_error(c->x));
    while (!c->is_over) // a rank that is lost answers too
        xylem_dispatch(c->x, -1);
    return c->rc;
}

/* --- results --- */

static void
print_json(const struct result *r)
{
    const struct gc_stats *s = &r->stats;

    printf("{\"dry_run\":%s,\"removed\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"kept\":%" PRIu64
           ",\"spared\":%" PRIu64 ",\"examined\":%" PRIu64 ",\"trees\":%" PRIu64
           ",\"missing_values\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"file_before\":%" PRId64
           ",\"file_after\":%" PRId64 "}\n",
           dry_run ? "true" : "false", s->removed, s->bytes, s->kept, s->spared, s->examined,
           s->trees, s->missing_values, s->damaged, r->file_before, r->file_after);
}

static void
print_summary(const struct result *r)
{
    const struct gc_stats *s = &r->stats;

    if (dry_run)
        fprintf(stderr,
                "%s: would remove %" PRIu64 " blobs, %" PRIu64 " bytes; keep %" PRIu64
                " blobs; file %" PRId64 " bytes\n",
                program.name, s->removed, s->bytes, s->kept, r->file_before);
    else
        fprintf(stderr,
                "%s: removed %" PRIu64 " blobs, %" PRIu64 " bytes; kept %" PRIu64
                " blobs; file %" PRId64 " -> %" PRId64 " bytes\n",
                program.name, s->removed, s->bytes, s->kept, r->file_before, r->file_after);
}

static void
tell(struct collection *c)
{
    const struct gc_stats *s = &c->result.stats;

    if (s->missing_values > 0)
        progress_warn(&c->job.progress, "%" PRIu64 " values that keys refer to are missing",
                      s->missing_values);
    if (s->damaged > 0)
        progress_warn(&c->job.progress, "%" PRIu64 " directories are missing or damaged",
                      s->damaged);
    if (as_json)
        print_json(&c->result);
    if (!job_options.quiet)
        print_summary(&c->result);
}

static void
check_usage(int operands)
{
    const bool *given = opt_given();

    if (operands > 0)
        opt_usage_error(&program, "there are no arguments besides options");
    if (!statedir == !online)
        opt_usage_error(&program, "either --statedir or --online is needed");
    if (online && force)
        opt_usage_error(&program, "--force is for --statedir only");
    for (size_t i = 0; !online && options[i].name; i++) {
        if (given[i] && (options[i].dest == &grace_ms || options[i].dest == &job_options.uri ||
                         options[i].dest == &job_options.cert))
            opt_usage_error(&program, "--%s is for --online only", options[i].name);
    }
}

int
main(int argc, char **argv)
{
    struct collection c = {.rc = 0};
    struct err err;
    int first = opt_parse(&program, argc, argv);
    int rc;

    check_usage(argc - first);
    job_init(&c.job, program.name, "removed");
    rc = online ? collect_online(&c, &err) : collect_offline(&c, &err);
    xylem_close(c.x);
    if (rc < 0) {
        progress_warn(&c.job.progress, "%s", err.text);
        return 1;
    }
    tell(&c);
    if (fflush(stdout) != 0) {
        progress_warn(&c.job.progress, "standard output: %s", err_name(errno));
        return 1;
    }
    return 0;
}
