/* SPDX-License-Identifier: MPL-2.0 */
/* dump.c - xylem-dump: archive one root of the key-value store.
 *
 * root (source) -> walk, fed by fetch -> pack -> archive_writer -> output.  Everything is decided before
 * the first byte is written: options, format, root, prefix.  --list and --verify only read an archive
 * (inspect).  man page: xylem-dump(1).
 */
#include "dump_all.h"
#include "dump_diff.h"
#include "dump_since.h"
#include "fetch.h"
#include "inspect.h"
#include "job.h"
#include "output.h"
#include "pack.h"
#include "prefix.h"
#include "source.h"
#include "summary.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool use_checkpoint, ignore_failed_read, as_json, is_diff, is_exact, is_all;
static long maxreqs = 2;
static const char *ns, *rootref, *prefix, *list_path, *verify_path, *since;
static struct filter filter;

static const struct opt options[] = {
    JOB_OPTION_VERBOSE("archived"),
    JOB_OPTION_QUIET,
    {0, "checkpoint", NULL, OPT_FLAG, &use_checkpoint,
     "archive the newest checkpoint, not the current root", 0, 0},
    {0, "namespace", "NS", OPT_STRING, &ns, "archive this namespace (primary)", 0, 0},
    {0, "root", "BLOBREF", OPT_STRING, &rootref, "archive this root", 0, 0},
    {0, "prefix", "KEY", OPT_STRING, &prefix, "only this key, or what is below it", 0, 0},
    FILTER_OPTIONS(&filter, "archived"),
    JOB_OPTION_NO_CACHE,
    {0, "maxreqs", "N", OPT_LONG, &maxreqs, "requests under way at the same time (2)", 1, 1000000},
    {0, "ignore-failed-read", NULL, OPT_FLAG, &ignore_failed_read,
     "warn about keys that cannot be read and leave them out", 0, 0},
    {0, "exact", NULL, OPT_FLAG, &is_exact, "archive all that makes the root what it is (only tar)",
     0, 0},
    {0, "all", NULL, OPT_FLAG, &is_all, "archive all namespaces and checkpoints (only tar)", 0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "a summary as JSON on stdout", 0, 0},
    {0, "list", "FILE", OPT_STRING, &list_path, "list the keys in an archive", 0, 0},
    {0, "verify", "FILE", OPT_STRING, &verify_path, "check an archive against its root", 0, 0},
    {0, "since", "BLOBREF|FILE", OPT_STRING, &since,
     "archive what is different since a root, or the root of an archive", 0, 0},
    {0, "diff", NULL, OPT_FLAG, &is_diff, "compare two archives, two roots, or one of each", 0, 0},
    JOB_OPTION_SD_NOTIFY,
    JOB_OPTION_URI,
    JOB_OPTION_CERT,
    JOB_OPTION_STATEDIR("archive what is in this directory, without an instance"),
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-dump",
    .synopsis = "[OPTIONS] OUTFILE | --list FILE | --verify FILE | --diff A B",
    .description = "Archive a snapshot of the key-value store.  The ending of OUTFILE chooses the\n"
                   "format; - is standard output (tar).",
    .options = options,
    .stop_at_operand = false,
};

struct dump {
    struct job job;                 // the rank, and what is said
    struct source source;           // what is archived
    struct key at;                  // --prefix: its names; none = the whole root
    struct treeobj *object;         // --prefix: owned reference; what is there
    struct since since;             // --since
    struct dump_all all;            // --all
    struct walk *walk;              // owned; without --since and --all
    struct fetch fetch;             // feeds walk
    struct output output;           // where it goes
    struct archive_writer *archive; // owned
    struct pack pack;               // from walk to archive
};

static bool
is_full(void)
{
    return !prefix && filter_is_empty(&filter);
}

/* ---- the tree ---- */

static enum archive_header_kind
kind(void)
{
    if (is_all)
        return ARCHIVE_ALL;
    if (since)
        return ARCHIVE_INCREMENTAL;
    return is_full() ? ARCHIVE_FULL : ARCHIVE_PARTIAL;
}

static int
end_archive(struct dump *d, struct err *err)
{
    pack_finish(&d->pack);
    if (d->walk && !walk_is_canonical(d->walk))
        d->pack.done.is_exact = false;
    return archive_writer_close(d->archive, &d->pack.done, err);
}

static void
open_walk(struct dump *d)
{
    if (d->object)
        d->walk = walk_new_at(d->source.alg, &d->at, &d->object, (size_t)maxreqs);
    else
        d->walk = walk_new(d->source.alg, &d->source.root, (size_t)maxreqs);
    fetch_init(&d->fetch, d->job.depot, d->walk);
    if (is_exact)
        walk_set_exact(d->walk);
    if (!filter_is_empty(&filter))
        walk_set_filter(d->walk, &filter);
}

static int
archive_tree(struct dump *d, struct err *err)
{
    open_walk(d);
    return pack_walk(&d->pack, &d->fetch, err);
}

/* ---- set-up ---- */

static int
find_given_root(struct dump *d, struct err *err)
{
    int rc = source_root(&d->source, d->job.depot, rootref, ns, err);

    if (rc < 0)
        return rc;
    rc = source_check_stored(d->job.depot, &d->source.root, err);
    return rc < 0 ? err_prefix(err, rc, "--root") : 0;
}

static int
find_root(struct dump *d, struct err *err)
{
    if (is_all)
        return dump_all_open(&d->all, d->job.depot, (size_t)maxreqs, &d->source, err);
    if (use_checkpoint)
        return source_checkpoint(&d->source, d->job.depot, err);
    if (rootref)
        return find_given_root(d, err);
    return source_live(&d->source, d->job.depot, ns ? ns : "primary", err);
}

static int
find_prefix(struct dump *d, struct err *err)
{
    int rc = key_parse(prefix, &d->at, err);

    if (rc == 0 && d->at.count == 0)
        prefix = NULL; // the root: all of it
    else if (rc == 0)
        rc = prefix_find(d->job.depot, d->source.ns, &d->source.root, prefix, &d->object, err);
    return rc;
}

static int
find_source(struct dump *d, struct err *err)
{
    int rc = job_open(&d->job, err);

    if (rc == 0)
        rc = find_root(d, err);
    if (rc == 0)
        depot_keep(d->job.depot, &d->source.root);
    if (rc == 0 && prefix)
        rc = find_prefix(d, err);
    if (rc == 0 && since)
        rc = since_open(&d->since, since, d->job.depot, (size_t)maxreqs, program.name, err);
    if (rc == 0 && since)
        depot_keep(d->job.depot, &d->since.root);
    return rc;
}

static int
write_header(struct dump *d, struct err *err)
{
    struct archive_header header = {
        .kind = kind(),
        .alg = d->source.alg,
        .root = d->source.root,
        .ns = d->source.ns ? xstrdup(d->source.ns) : NULL,
        .has_sequence = d->source.has_sequence,
        .sequence = d->source.sequence,
        .maxdirent = d->job.depot->layout.maxdirent,
        .blob_size_limit = d->job.depot->layout.blob_size,
        .is_exact = is_exact,
        .since = d->since.root,
        .prefix = prefix ? xstrdup(prefix) : NULL,
    };
    int rc = archive_writer_header(d->archive, &header, err);

    archive_header_fini(&header);
    return rc;
}

static int
open_archive(struct dump *d, const char *path, const struct archive_format *format, struct err *err)
{
    struct archive_stamp stamp = {geteuid(), getegid(), d->source.mtime};
    int rc = output_open(&d->output, path, err);

    if (rc == 0)
        rc = archive_writer_open(&d->archive, format, d->output.fd, &stamp, err);
    if (rc == 0)
        rc = write_header(d, err);
    pack_init(&d->pack, &d->job.depot->layout, &d->job.progress);
    d->pack.archive = d->archive;
    d->pack.ignore_failed_read = ignore_failed_read;
    d->pack.is_exact = is_exact;
    return rc;
}

/* The next one needs it as it is. */
static int
check_not_since(const char *path, struct err *err)
{
    struct stat out, in;

    if (!since || stat(path, &out) < 0 || stat(since, &in) < 0)
        return 0;
    if (out.st_dev != in.st_dev || out.st_ino != in.st_ino)
        return 0;
    return err_set(err, -EEXIST, "%s: OUTFILE is the archive of --since", path);
}

static int
dump_to(struct dump *d, const char *path, struct err *err)
{
    const struct archive_format *format = archive_format_tar();
    int rc = 0;

    if (strcmp(path, "-") != 0)
        rc = archive_format_by_path(path, &format, err);
    if (rc == 0)
        rc = check_not_since(path, err);
    if (rc == 0 && is_exact && format->container != CONTAINER_TAR)
        rc = err_set(err, -ENOTSUP, "%s: only tar archives can be exact", path);
    if (rc == 0)
        rc = find_source(d, err);
    if (rc == 0)
        rc = open_archive(d, path, format, err);
    if (rc < 0)
        return rc;
    if (is_all)
        rc = dump_all_write(&d->all, &d->pack, err);
    else if (since)
        rc = since_dump(&d->since, &d->source.root, &d->pack, err);
    else
        rc = archive_tree(d, err);
    if (rc == 0)
        rc = end_archive(d, err);
    return rc < 0 ? rc : output_commit(&d->output, err);
}

/* ---- the program ---- */

static void
close_all(struct dump *d)
{
    depot_close(&d->job.depot); // completes what is out, and with it the walk's loads
    walk_free(&d->walk);
    treeobj_unref(&d->object);
    since_close(&d->since);
    dump_all_close(&d->all);
    key_fini(&d->at);
    archive_writer_free(&d->archive);
    output_discard(&d->output);
    pack_fini(&d->pack);
}

/* What the last line has no room for. */
static void
tell_parts(struct dump *d)
{
    struct progress *p = &d->job.progress;

    if (as_json || p->quiet)
        return;
    if (since)
        progress_warn(p, "%" PRIu64 " keys removed since", d->since.removed_keys);
    if (is_all)
        progress_warn(p, "%zu namespaces and %zu checkpoints", d->all.namespaces,
                      d->all.checkpoints);
}

static int
report(struct dump *d, const char *path, int64_t started_ms)
{
    const struct archive_end *done = &d->pack.done;
    struct summary summary = {
        .keys = done->keys,
        .bytes = done->bytes,
        .root = d->source.rootref,
        .ns = d->source.ns,
        .has_sequence = d->source.has_sequence,
        .sequence = d->source.sequence,
        .kind = archive_kind_name(kind()),
        .failed = done->failed,
        .has_removed = since,
        .removed = d->since.removed_keys,
        .has_sections = is_all,
        .namespaces = d->all.namespaces,
        .checkpoints = d->all.checkpoints,
        .started_ms = started_ms,
    };

    if (done->keys == 0 && done->failed == 0 && !filter_is_empty(&filter))
        progress_warn(&d->job.progress, "no key matches --include and --exclude (patterns have '/' "
                                        "between names)");
    if (done->failed > 0)
        progress_warn(&d->job.progress, "left out %" PRIu64 " keys that could not be read",
                      done->failed);
    else if (is_exact && !done->is_exact)
        progress_warn(&d->job.progress, "the archive is not exact: the values of some keys are of "
                                        "too many blobs, or of too large ones");
    tell_parts(d);
    if (!as_json)
        progress_finish(&d->job.progress, done->keys, done->bytes, d->source.rootref);
    else if (summary_print(&summary, strcmp(path, "-") == 0 ? stderr : stdout) < 0)
        return 1;
    return 0;
}

static int
dump(const char *path)
{
    struct dump d = {.output = {.path = NULL, .fd = -1}, .pack.spool = {.fd = -1}};
    int64_t started_ms = clock_ms();
    struct err err;
    int rc;

    job_init(&d.job, program.name, "archived");
    d.job.progress.is_shared = as_json && strcmp(path, "-") == 0; // the summary goes to stderr then
    rc = dump_to(&d, path, &err);
    progress_end(&d.job.progress, rc);
    close_all(&d);
    if (rc < 0) {
        progress_warn(&d.job.progress, "%s", err.text);
        return 1;
    }
    return report(&d, path, started_ms);
}

static void
check_all(void)
{
    const struct job_given given[] = {
        {use_checkpoint, "--checkpoint"},
        {ns, "--namespace"},
        {rootref, "--root"},
        {since, "--since"},
        {prefix, "--prefix"},
        {filter.include.count > 0, "--include"},
        {filter.exclude.count > 0, "--exclude"},
    };

    job_exclude(&program, "--all", given, ARRAY_SIZE(given));
}

static void
check_usage(int operands)
{
    bool is_inspection = list_path || verify_path;
    const char *inspection = list_path ? "--list" : "--verify";

    if ((list_path != NULL) + (verify_path != NULL) + is_diff > 1)
        opt_usage_error(&program, "--list, --verify and --diff exclude each other");
    if (is_inspection && operands > 0)
        opt_usage_error(&program, "%s takes one FILE (%s=FILE)", inspection, inspection);
    if (is_diff && operands != 2)
        opt_usage_error(&program, "--diff needs two: each a BLOBREF or a FILE");
    if (!is_inspection && !is_diff && operands != 1)
        opt_usage_error(&program, "one OUTFILE is needed");
    if (job_options.statedir && job_options.uri)
        opt_usage_error(&program, "--statedir and --uri exclude each other");
    if (use_checkpoint && (ns || rootref))
        opt_usage_error(&program, "--checkpoint excludes --namespace and --root");
    if (since && !is_full())
        opt_usage_error(&program, "--since excludes --prefix, --include and --exclude");
    if (since && strcmp(since, "-") == 0)
        opt_usage_error(&program, "--since needs a file that can be read twice");
    if (is_all)
        check_all();
    is_exact = is_exact || is_all || since; // an increment is of no use otherwise
}

static int
inspect(void)
{
    struct inspect in = {.as_json = as_json, .filter = &filter};

    progress_init(&in.progress, program.name, list_path ? "listed" : "verified",
                  job_options.verbose && verify_path, job_options.quiet);
    return list_path ? inspect_list(&in, list_path) : inspect_verify(&in, verify_path);
}

static int
compare(char **operands)
{
    struct dump_diff d = {.old = operands[0],
                          .new = operands[1],
                          .filter = &filter,
                          .maxreqs = (size_t)maxreqs,
                          .as_json = as_json};

    if (strcmp(d.old, "-") == 0 && strcmp(d.new, "-") == 0)
        opt_usage_error(&program, "only one of the two can be standard input");
    job_init(&d.job, program.name, "compared");
    return dump_diff(&d);
}

static int
run(char **operands)
{
    if (is_diff)
        return compare(operands);
    return list_path || verify_path ? inspect() : dump(operands[0]);
}

int
main(int argc, char **argv)
{
    int first = opt_parse(&program, argc, argv);
    int status;

    check_usage(argc - first);
    status = run(argv + first);
    filter_fini(&filter);
    return status;
}
