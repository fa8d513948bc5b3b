/* SPDX-License-Identifier: MPL-2.0 */
/* restore.c - xylem-restore: an archive becomes a tree of keys.
 *
 * archive_reader -> intake -> upload (blobs) and build (names); then the directories are stored,
 * and last of all target makes the new root visible.  Until then nothing that others can see has
 * changed, whatever goes wrong.  man page: xylem-restore(1).
 */
#include "intake.h"
#include "job.h"
#include "source.h"
#include "target.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BLOB_SIZE_DEFAULT (1024 * 1024) // RFC 10; for an instance that does not tell its limit

static bool use_checkpoint;
static const char *target_key;
static uint64_t size_limit;
static long maxreqs = 256;

static const struct opt options[] = {
    JOB_OPTION_VERBOSE("restored"),
    JOB_OPTION_QUIET,
    {0, "key", "KEY", OPT_STRING, &target_key, "restore to this key; . is the whole root", 0, 0},
    {0, "checkpoint", NULL, OPT_FLAG, &use_checkpoint,
     "restore to a checkpoint, while no key-value store is running", 0, 0},
    JOB_OPTION_NO_CACHE,
    {0, "size-limit", "SIZE", OPT_SIZE, &size_limit, "skip larger values (0: no limit)", 0, 0},
    {0, "maxreqs", "N", OPT_LONG, &maxreqs, "stores under way at the same time (256)", 1, 1000000},
    JOB_OPTION_SD_NOTIFY,
    JOB_OPTION_URI,
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-restore",
    .synopsis = "[OPTIONS] --key=KEY|--checkpoint INFILE",
    .description = "Restore keys and values from an archive; - is standard input.",
    .options = options,
    .stop_at_operand = false,
};

struct restore {
    struct job job;             // the rank, and what is said
    struct target target;       // where the tree goes
    struct target_tree tree;    // what was built
    struct build *build;        // owned
    struct build_result result; // of build
    struct upload upload;       // blobs on their way
    struct intake intake;       // the archive being read
    char rootref[BLOBREF_MAX];  // the new root
};

/* ---- directories ---- */

struct directories {
    struct restore *restore; // borrowed
    struct err *err;         // of the caller
    bool is_too_large;       // the directory that is emitted, or a part of it
};

/* It goes into the transaction at the end.  A checkpoint has none. */
static int
keep_wide(struct directories *d, const char *path, const void *data, size_t size)
{
    struct restore *r = d->restore;
    AUTO(buf) struct buf key = BUF_INIT;

    if (*path)
        build_format_key(path, &key);
    if (use_checkpoint)
        return err_set(d->err, -EFBIG,
                       "%s: a directory object of %zu bytes exceeds the blob size limit of %zu, "
                       "which only --key can restore",
                       buf_str(&key), size, r->intake.blob_size);
    target_tree_add_wide(&r->tree, buf_str(&key), data, size);
    return 0;
}

static int
on_directory(void *arg, const char *path UNUSED, const void *data, size_t size)
{
    struct directories *d = arg;
    struct restore *r = d->restore;

    if (size > r->intake.blob_size) {
        d->is_too_large = true;
        return 0;
    }
    return upload_store(&r->upload, data, size, NULL, NULL, 0, d->err);
}

static int
on_whole_directory(void *arg, const char *path, const void *data, size_t size)
{
    struct directories *d = arg;

    if (!*path)
        buf_add(&d->restore->tree.dir, data, size);
    if (!d->is_too_large)
        return 0;
    d->is_too_large = false;
    return keep_wide(d, path, data, size);
}

static void
on_dangling_link(void *arg, const char *path, const char *target)
{
    struct directories *d = arg;
    AUTO(buf) struct buf key = BUF_INIT;
    AUTO(buf) struct buf why = BUF_INIT;

    build_format_key(path, &key);
    buf_add_str(&why, "hard link to ");
    build_format_key(target, &why);
    buf_add_str(&why, ", which is not in the archive");
    intake_skip(&d->restore->intake, buf_str(&key), buf_str(&why));
}

static int
store_directories(struct restore *r, struct err *err)
{
    static const struct build_ops ops = {on_directory, on_dangling_link, on_whole_directory};
    struct directories d = {r, err, false};
    int rc = build_finish(r->build, &ops, &d, &r->result, err);

    if (rc < 0)
        return rc;
    r->tree.root = r->result.root;
    r->tree.newest = r->intake.newest;
    return upload_finish(&r->upload, err);
}

/* ---- set-up ---- */

static int
get_blob_size(struct restore *r, struct err *err)
{
    AUTO(free) char *text = NULL;
    uint64_t size = BLOB_SIZE_DEFAULT;
    int rc = xylem_getattr(r->job.x, "content.blob-size-limit", &text);

    if (rc < 0 && rc != -ENOENT)
        return err_set(err, rc, "blob size limit: %s", xylem_error(r->job.x));
    if (rc == 0 && (units_parse_size(text, &size) < 0 || size == 0 || size > SIZE_MAX / 2))
        return err_set(err, -EPROTO, "blob size limit: %s is no size", text);
    r->intake.blob_size = (size_t)size;
    return 0;
}

/* An instance that does not tell has no wide directories. */
static int
get_form(struct restore *r, enum digest_alg alg, struct err *err)
{
    AUTO(free) char *text = NULL;
    struct hdir_form form;
    char *end = NULL;
    int rc = xylem_getattr(r->job.x, "kvs.maxdirent", &text);

    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "kvs.maxdirent: %s", xylem_error(r->job.x));
    form = hdir_form(alg, strtoull(text, &end, 10));
    if (end == text || *end)
        return err_set(err, -EPROTO, "kvs.maxdirent: %s is no number", text);
    build_set_form(r->build, &form);
    return 0;
}

static int
connect_rank(struct restore *r, struct err *err)
{
    enum digest_alg alg;
    int rc = job_connect(&r->job, err);

    if (rc == 0)
        rc = source_hash(r->job.x, &alg, err);
    if (rc < 0)
        return rc;
    r->target = (struct target){.key = target_key, .alg = alg};
    r->build = build_new(alg);
    upload_init(&r->upload, r->job.x, alg, r->job.flags, (size_t)maxreqs);
    intake_init(&r->intake, r->build, &r->upload, &r->job.progress);
    r->intake.size_limit = size_limit;
    rc = get_form(r, alg, err);
    return rc < 0 ? rc : get_blob_size(r, err);
}

static int
read_archive(struct restore *r, const char *path, int fd, struct err *err)
{
    int rc = archive_reader_open(&r->intake.archive, fd, err);

    if (rc == 0)
        rc = intake_run(&r->intake, err);
    if (rc < 0)
        err_prefix(err, rc, "%s", path);
    archive_reader_free(&r->intake.archive);
    return rc;
}

static int
restore_from(struct restore *r, const char *path, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    rc = connect_rank(r, err);
    if (rc == 0)
        rc = target_check(&r->target, r->job.x, err);
    if (rc == 0)
        rc = read_archive(r, is_stdin ? "standard input" : path, fd, err);
    if (!is_stdin)
        close(fd);
    if (rc == 0)
        rc = store_directories(r, err);
    if (rc == 0)
        rc = target_write(&r->target, r->job.x, &r->tree, r->rootref, err);
    return rc;
}

static void
close_all(struct restore *r)
{
    xylem_close(r->job.x);
    upload_fini(&r->upload);
    intake_fini(&r->intake);
    build_free(&r->build);
    target_tree_fini(&r->tree);
}

static void
check_usage(int operands)
{
    struct key key;
    struct err err;

    if (operands != 1)
        opt_usage_error(&program, "one INFILE is needed");
    if (!target_key && !use_checkpoint)
        opt_usage_error(&program, "please specify a restore target: --key=KEY or --checkpoint");
    if (target_key && use_checkpoint)
        opt_usage_error(&program, "--key and --checkpoint exclude each other");
    if (!target_key)
        return;
    if (key_parse(target_key, &key, &err) < 0)
        opt_usage_error(&program, "--key: %s", err.text);
    key_fini(&key);
}

int
main(int argc, char **argv)
{
    struct restore r = {.job.x = NULL};
    struct err err;
    int first = opt_parse(&program, argc, argv);
    int rc;

    check_usage(argc - first);
    job_init(&r.job, program.name, "restored");
    rc = restore_from(&r, argv[first], &err);
    close_all(&r);
    if (rc < 0) {
        progress_warn(&r.job.progress, "%s", err.text);
        return 1;
    }
    if (r.intake.skipped > 0)
        progress_warn(&r.job.progress, "skipped %" PRIu64 " entries", r.intake.skipped);
    progress_finish(&r.job.progress, r.result.keys, r.result.bytes, r.rootref);
    return 0;
}
