/* SPDX-License-Identifier: MPL-2.0 */
/* restore.c - xylem-restore: archives become a tree of keys.
 *
 * chain, intake -> upload (blobs) and layers (names become directories); the tree is compared with what the
 * archive says it is, and last of all target makes the new root visible.  Until then nothing that others can
 * see has changed, whatever goes wrong.  man page: xylem-restore(1).
 */
#include "archive_file.h"
#include "chain.h"
#include "clock.h"
#include "job.h"
#include "layers.h"
#include "restore_all.h"
#include "summary.h"
#include "target.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool use_checkpoint, as_json, no_verify, is_all;
static const char *target_key, *ns;
static struct filter filter;
static struct opt_list rename_texts;
static struct rename rename_rules;
static bool *rename_fitted;     // owned; of each of them
static struct key target_names; // of --key
static uint64_t size_limit;
static long maxreqs = 256;

static const struct opt options[] = {
    JOB_OPTION_VERBOSE("restored"),
    JOB_OPTION_QUIET,
    {0, "key", "KEY", OPT_STRING, &target_key,
     "restore to this key, replacing what is there; . is the whole root", 0, 0},
    {0, "checkpoint", NULL, OPT_FLAG, &use_checkpoint,
     "restore to a checkpoint, while no key-value store is running", 0, 0},
    {0, "all", NULL, OPT_FLAG, &is_all,
     "restore all namespaces and checkpoints of an archive of them", 0, 0},
    {0, "namespace", "NS", OPT_STRING, &ns, "restore to this namespace (primary)", 0, 0},
    FILTER_OPTIONS(&filter, "restored"),
    {0, "rename", "OLD=NEW", OPT_LIST, &rename_texts, "keys below OLD go below NEW", 0, 0},
    {0, "no-verify", NULL, OPT_FLAG, &no_verify,
     "restore also what is not what the archive says it is", 0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "a summary as JSON on stdout", 0, 0},
    JOB_OPTION_NO_CACHE,
    {0, "size-limit", "SIZE", OPT_SIZE, &size_limit, "skip larger values (0: no limit)", 0, 0},
    {0, "maxreqs", "N", OPT_LONG, &maxreqs, "stores under way at the same time (256)", 1, 1000000},
    JOB_OPTION_SD_NOTIFY,
    JOB_OPTION_URI,
    JOB_OPTION_CERT,
    JOB_OPTION_STATEDIR("restore into this directory, without an instance"),
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-restore",
    .synopsis = "[OPTIONS] --key=KEY|--checkpoint|--all INFILE...",
    .description =
        "Restore keys and values from an archive, and what was different since from incremental\n"
        "ones that follow it; - is standard input.",
    .options = options,
    .stop_at_operand = false,
};

struct restore {
    struct job job;           // the depot, and what is said
    struct chain chain;       // the archives
    struct intake intake;     // the one being read
    struct upload upload;     // blobs on their way
    struct layers layers;     // what is made of it
    struct target target;     // where the tree goes
    struct target_tree tree;  // what was built
    bool is_verified;         // the tree is the one that was archived
    const char *not_verified; // why not; NULL: nothing to tell
    struct target_root root;  // the new one
};

/* ---- is it what was archived? ---- */

/* Why the root in the header tells nothing about what was read; NULL: it does. */
static const char *
why_not_comparable(const struct restore *r, const struct archive_header *h)
{
    struct layout archived = archive_file_layout(h);

    if (!r->chain.has_root)
        return "the archive is not of a whole root";
    if (!filter_is_empty(&filter) || rename_rules.count > 0 || r->intake.skipped > 0)
        return "not all of it was restored as it is";
    if (!layout_equal(&archived, &r->job.depot->layout))
        return "this instance makes other blobs of the same keys";
    return NULL;
}

static bool
has_same_counts(const struct restore *r, const struct archive_end *end)
{
    if (r->chain.count > 1 || r->chain.has_base || chain_header(&r->chain)->kind == ARCHIVE_ALL)
        return true; // they are of what is different, or of all there is
    return r->layers.result.keys == end->keys && r->layers.result.bytes == end->bytes;
}

static int
refuse(const struct restore *r, const struct archive_header *h, struct err *err)
{
    char is[BLOBREF_MAX], should_be[BLOBREF_MAX];

    return err_set(
        err, -EIO,
        "the archive was changed after it was written: it is of root %s, but what is in it "
        "gives %s",
        blobref_format(h->alg, &r->chain.root, should_be),
        blobref_format(h->alg, &r->layers.result.root, is));
}

static int
compare_roots(struct restore *r, struct err *err)
{
    const struct archive_header *h = chain_header(&r->chain);
    const struct archive_end *end = chain_end(&r->chain);

    if (!h || no_verify)
        return 0;
    r->not_verified = why_not_comparable(r, h);
    if (r->not_verified)
        return 0;
    r->is_verified = digest_equal(&r->layers.result.root, &r->chain.root);
    if (r->is_verified)
        return 0;
    if (!end || r->chain.is_exact || !has_same_counts(r, end))
        return refuse(r, h, err);
    r->not_verified = "the archive is not exact";
    return 0;
}

/* ---- set-up ---- */

/* Of a state directory that is made: as in the archive, so that it gives the same root. */
static struct layout
choose_layout(const struct restore *r)
{
    const struct archive_header *h = chain_header(&r->chain);

    if (h)
        return archive_file_layout(h);
    return (struct layout){DIGEST_BLAKE2B, HDIR_MAXDIRENT, LAYOUT_BLOB_SIZE};
}

static int
open_depot(struct restore *r, struct err *err)
{
    const struct layout *layout;
    struct layout made = choose_layout(r);
    int rc;

    r->job.layout = &made;
    rc = job_open(&r->job, err);
    r->job.layout = NULL;
    if (rc < 0)
        return rc;
    layout = &r->job.depot->layout;
    r->target = (struct target){.ns = ns ? ns : "primary", .key = target_key};
    upload_init(&r->upload, r->job.depot, layout->alg, (size_t)maxreqs);
    intake_init(&r->intake, NULL, &r->upload, &r->job.progress);
    layers_init(&r->layers, r->job.depot, &r->upload, &r->intake);
    r->layers.is_checkpoint = use_checkpoint;
    r->intake.no_verify = no_verify;
    r->intake.size_limit = size_limit;
    r->intake.blob_size = (size_t)layout->blob_size;
    r->intake.filter = &filter;
    r->intake.rename = &rename_rules;
    r->intake.fitted = rename_fitted;
    r->intake.target = &target_names;
    return target_check(&r->target, r->job.depot, err);
}

/* ---- all of it ---- */

/* An archive of what is different needs what it is different from. */
static int
find_base(struct restore *r, struct err *err)
{
    enum digest_alg alg = r->job.depot->layout.alg;
    char since[BLOBREF_MAX], is[BLOBREF_MAX];
    int rc;

    if (!r->chain.has_base)
        return 0;
    if (!filter_is_empty(&filter) || rename_rules.count > 0)
        return err_set(err, -EINVAL,
                       "%s: an incremental archive is restored as a whole or not at all",
                       archive_file_name(r->chain.paths[0]));
    rc = target_find(&r->target, r->job.depot, &r->tree.base, err);
    if (rc < 0)
        return err_prefix(err, rc, "what the archive is to be added to");
    r->tree.has_base = true;
    layers_set_basis(&r->layers, &r->tree.base);
    if (no_verify || (alg == r->chain.base_alg && digest_equal(&r->tree.base, &r->chain.base)))
        return 0;
    return err_set(err, -EINVAL,
                   "%s: it has what is different from root %s, but at the target is %s",
                   archive_file_name(r->chain.paths[0]),
                   blobref_format(r->chain.base_alg, &r->chain.base, since),
                   blobref_format(alg, &r->tree.base, is));
}

/* A pattern that is mistyped must not make what is there empty. */
static int
check_filter(const struct restore *r, struct err *err)
{
    if (r->intake.wanted > 0 || r->intake.filtered == 0)
        return 0;
    return err_set(err, -ENOENT,
                   "nothing in the archive matches --include and --exclude (patterns have '/' "
                   "between names): nothing was restored");
}

/* A key-value store may give a directory another form than the archive has. */
static void
check_written(struct restore *r)
{
    char ref[BLOBREF_MAX];

    if (!r->is_verified || use_checkpoint || strspn(target_key, ".") != strlen(target_key))
        return;
    blobref_format(r->job.depot->layout.alg, &r->tree.root, ref);
    r->is_verified = strcmp(ref, r->root.rootref) == 0;
    if (!r->is_verified)
        r->not_verified = "the key-value store has given some directories another form";
}

static int
restore_from(struct restore *r, char *const *paths, size_t count, struct err *err)
{
    int rc;

    r->intake.progress = &r->job.progress;
    chain_init(&r->chain, &r->intake, paths, count);
    r->chain.ns = ns;
    rc = chain_open(&r->chain, err);
    if (rc == 0)
        rc = open_depot(r, err);
    if (rc == 0)
        rc = find_base(r, err);
    if (rc == 0)
        rc = chain_run(&r->chain, err);
    if (rc == 0)
        rc = check_filter(r, err);
    if (rc == 0)
        rc = layers_finish(&r->layers, &r->tree, err);
    if (rc == 0 && (rc = compare_roots(r, err)) < 0)
        err_prefix(err, rc, "%s", archive_file_name(paths[count - 1]));
    if (rc == 0)
        rc = target_write(&r->target, r->job.depot, &r->tree, &r->root, err);
    if (rc == 0)
        check_written(r);
    return rc;
}

/* ---- the program ---- */

static void
close_all(struct restore *r)
{
    depot_close(&r->job.depot);
    upload_fini(&r->upload);
    chain_fini(&r->chain);
    intake_fini(&r->intake);
    layers_fini(&r->layers);
    target_tree_fini(&r->tree);
    rename_fini(&rename_rules);
    free(rename_fitted);
    key_fini(&target_names);
    filter_fini(&filter);
    free(rename_texts.values);
}

static void
tell_rules(struct progress *p)
{
    for (size_t i = 0; i < rename_rules.count; i++) {
        if (!rename_fitted[i])
            progress_warn(p, "no key in the archive fits --rename=%s", rename_texts.values[i]);
    }
}

static int
report(struct restore *r, const char *kind, int64_t started_ms)
{
    struct progress *p = &r->job.progress;
    struct summary summary = {
        .keys = r->layers.result.keys,
        .bytes = r->layers.result.bytes,
        .root = r->root.rootref,
        .ns = use_checkpoint ? NULL : r->target.ns,
        .has_sequence = true,
        .sequence = r->root.sequence,
        .kind = kind,
        .failed = r->intake.skipped,
        .verified = r->is_verified ? SUMMARY_YES : SUMMARY_NO,
        .started_ms = started_ms,
    };

    if (r->intake.skipped > 0)
        progress_warn(p, "skipped %" PRIu64 " entries", r->intake.skipped);
    tell_rules(p);
    if (as_json)
        return summary_print(&summary, stdout) < 0 ? 1 : 0;
    if (r->is_verified && !p->quiet)
        progress_warn(p, "verified: the tree is the one that was archived");
    else if (r->not_verified && !p->quiet)
        progress_warn(p, "not verified: %s", r->not_verified);
    progress_finish(p, r->layers.result.keys, r->layers.result.bytes, r->root.rootref);
    return 0;
}

static int
restore(char *const *paths, size_t count)
{
    struct restore r = {.job.depot = NULL};
    const struct archive_header *h;
    int64_t started_ms = clock_ms();
    struct err err;
    int status = 1;
    int rc;

    job_init(&r.job, program.name, "restored");
    rc = restore_from(&r, paths, count, &err);
    progress_end(&r.job.progress, rc);
    if (rc < 0) {
        progress_warn(&r.job.progress, "%s", err.text);
    } else {
        h = chain_header(&r.chain);
        status = report(&r, h ? archive_kind_name(h->kind) : NULL, started_ms);
    }
    close_all(&r);
    return status;
}

static void
check_all(int operands)
{
    const struct job_given given[] = {
        {target_key, "--key"},
        {use_checkpoint, "--checkpoint"},
        {ns, "--namespace"},
        {filter.include.count > 0, "--include"},
        {filter.exclude.count > 0, "--exclude"},
        {rename_texts.count > 0, "--rename"},
        {size_limit > 0, "--size-limit"},
    };

    job_exclude(&program, "--all", given, ARRAY_SIZE(given));
    if (operands != 1)
        opt_usage_error(&program, "--all restores one archive");
}

static void
check_usage(int operands)
{
    struct err err;

    if (operands < 1)
        opt_usage_error(&program, "an INFILE is needed");
    if (!target_key && !use_checkpoint && !is_all)
        opt_usage_error(&program,
                        "please specify a restore target: --key=KEY, --checkpoint or --all");
    if (is_all)
        check_all(operands);
    if (target_key && use_checkpoint)
        opt_usage_error(&program, "--key and --checkpoint exclude each other");
    if (job_options.statedir && job_options.uri)
        opt_usage_error(&program, "--statedir and --uri exclude each other");
    if (use_checkpoint && ns)
        opt_usage_error(&program, "a checkpoint has no --namespace");
    if (rename_parse(&rename_texts, &rename_rules, &err) < 0)
        opt_usage_error(&program, "--rename: %s", err.text);
    rename_fitted = xcalloc(rename_rules.count + 1, sizeof(*rename_fitted));
    if (target_key && key_parse(target_key, &target_names, &err) < 0)
        opt_usage_error(&program, "--key: %s", err.text);
}

static int
restore_sections(const char *path)
{
    struct restore_all a = {.maxreqs = (size_t)maxreqs,
                            .no_verify = no_verify,
                            .as_json = as_json,
                            .started_ms = clock_ms()};

    job_init(&a.job, program.name, "restored");
    return restore_all(&a, path);
}

int
main(int argc, char **argv)
{
    int first = opt_parse(&program, argc, argv);

    check_usage(argc - first);
    if (is_all)
        return restore_sections(argv[first]);
    return restore(argv + first, (size_t)(argc - first));
}
