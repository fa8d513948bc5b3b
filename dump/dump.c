/* SPDX-License-Identifier: MPL-2.0 */
/* dump.c - xylem-dump: archive one root of the key-value store.
 *
 * root (source) -> walk, fed by fetch -> archive_writer -> output.  Everything is decided before
 * the first byte is written: options, format, root.  Values of several blobs go through a spool,
 * because an archive entry begins with its size.  man page: xylem-dump(1).
 */
#include "archive_writer.h"
#include "fetch.h"
#include "job.h"
#include "key.h"
#include "output.h"
#include "source.h"
#include "spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SPOOL_MEMORY (64 * 1024 * 1024) // bytes of one value kept in memory

static bool use_checkpoint, ignore_failed_read;
static long maxreqs = 2;

static const struct opt options[] = {
    JOB_OPTION_VERBOSE("archived"),
    JOB_OPTION_QUIET,
    {0, "checkpoint", NULL, OPT_FLAG, &use_checkpoint,
     "archive the newest checkpoint, not the current root", 0, 0},
    JOB_OPTION_NO_CACHE,
    {0, "maxreqs", "N", OPT_LONG, &maxreqs, "loads under way at the same time (2)", 1, 1000000},
    {0, "ignore-failed-read", NULL, OPT_FLAG, &ignore_failed_read,
     "warn about keys that cannot be read and leave them out", 0, 0},
    JOB_OPTION_SD_NOTIFY,
    JOB_OPTION_URI,
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-dump",
    .synopsis = "[OPTIONS] OUTFILE",
    .description = "Archive a snapshot of the key-value store.  The ending of OUTFILE chooses the\n"
                   "format; - is standard output (tar).",
    .options = options,
    .stop_at_operand = false,
};

struct dump {
    struct job job;                 // the rank, and what is said
    struct source source;           // what is archived
    struct walk *walk;              // owned
    struct fetch fetch;             // feeds walk
    struct output output;           // where it goes
    struct archive_writer *archive; // owned
    struct spool spool;             // the value whose pieces are coming in
    uint64_t keys;                  // archived
    uint64_t bytes;                 // of values archived
    uint64_t failed;                // keys left out
};

static int
end_entry(struct dump *d, const char *path, uint64_t size)
{
    d->keys++;
    d->bytes += size;
    progress_key(&d->job.progress, path);
    return 0;
}

static int
archive_whole(struct dump *d, const struct walk_item *item, struct err *err)
{
    int rc = archive_writer_file(d->archive, item->path, item->size, err);

    if (rc == 0)
        rc = archive_writer_data(d->archive, item->data, item->size, err);
    return rc < 0 ? rc : end_entry(d, item->path, item->size);
}

static int
archive_spool(struct dump *d, const char *path, struct err *err)
{
    uint64_t size = spool_size(&d->spool);
    const void *data;
    size_t n;
    int rc, got;

    if ((rc = archive_writer_file(d->archive, path, size, err)) < 0)
        return rc;
    while ((got = spool_next(&d->spool, &data, &n, err)) > 0) {
        if ((rc = archive_writer_data(d->archive, data, n, err)) < 0)
            return rc;
    }
    return got < 0 ? got : end_entry(d, path, size);
}

static int
archive_data(struct dump *d, const struct walk_item *item, struct err *err)
{
    int rc;

    if (item->is_first && item->is_last)
        return archive_whole(d, item, err);
    if (item->is_first)
        spool_reset(&d->spool);
    if ((rc = spool_add(&d->spool, item->data, item->size, err)) < 0)
        return rc;
    return item->is_last ? archive_spool(d, item->path, err) : 0;
}

static int
archive_link(struct dump *d, const struct walk_item *item, struct err *err)
{
    AUTO(buf) struct buf target = BUF_INIT;
    const char *ns = treeobj_link_namespace(item->link);
    int rc;

    if (ns)
        buf_printf(&target, "%s::", ns);
    buf_add_str(&target, treeobj_link_target(item->link));
    rc = archive_writer_symlink(d->archive, item->path, buf_str(&target), err);
    return rc < 0 ? rc : end_entry(d, item->path, 0);
}

/* Only what is wrong with the stored data can be ignored, and not if it is all the data. */
static int
skip_failed(struct dump *d, const struct walk_item *item, struct err *err)
{
    AUTO(buf) struct buf name = BUF_INIT;
    AUTO(key) struct key key = {.count = 0};
    bool is_damage = item->errnum == -ENOENT || item->errnum == -EIO || item->errnum == -EPROTO;

    if (key_from_path(item->path, &key, NULL) == 0)
        key_format(&key, &name);
    if (key.count == 0)
        buf_add_char(&name, '.');
    if (!ignore_failed_read || !is_damage || (key.count == 0 && !item->is_part))
        return err_set(err, item->errnum, "%s: %s", buf_str(&name), item->error);
    progress_warn(&d->job.progress, "%s: left out: %s", buf_str(&name), item->error);
    d->failed++;
    return 0;
}

static int
archive_item(struct dump *d, const struct walk_item *item, struct err *err)
{
    switch (item->kind) {
    case WALK_DATA:
        return archive_data(d, item, err);
    case WALK_LINK:
        return archive_link(d, item, err);
    case WALK_FAILED:
        return skip_failed(d, item, err);
    case WALK_WAIT:
    case WALK_END:
        break;
    }
    assert(false);
}

static int
archive_tree(struct dump *d, struct err *err)
{
    const struct walk_item *item;
    int rc;

    while ((rc = fetch_next(&d->fetch, &item, err)) == 0 && item->kind != WALK_END) {
        if ((rc = archive_item(d, item, err)) < 0)
            return rc;
    }
    return rc < 0 ? rc : archive_writer_close(d->archive, err);
}

static int
find_source(struct dump *d, struct err *err)
{
    int rc = job_connect(&d->job, err);

    if (rc < 0)
        return rc;
    if (use_checkpoint)
        return source_checkpoint(&d->source, d->job.x, err);
    return source_live(&d->source, d->job.x, err);
}

static int
open_archive(struct dump *d, const char *path, const struct archive_format *format, struct err *err)
{
    struct archive_stamp stamp = {geteuid(), getegid(), d->source.mtime};
    int rc = output_open(&d->output, path, err);

    if (rc < 0)
        return rc;
    return archive_writer_open(&d->archive, format, d->output.fd, &stamp, err);
}

static int
dump_to(struct dump *d, const char *path, struct err *err)
{
    const struct archive_format *format = archive_format_tar();
    int rc = 0;

    if (strcmp(path, "-") != 0)
        rc = archive_format_by_path(path, &format, err);
    if (rc == 0)
        rc = find_source(d, err);
    if (rc == 0)
        rc = open_archive(d, path, format, err);
    if (rc < 0)
        return rc;
    d->walk = walk_new(d->source.alg, &d->source.root, (size_t)maxreqs);
    d->fetch = (struct fetch){d->job.x, d->walk, d->source.alg, d->job.flags};
    rc = archive_tree(d, err);
    return rc < 0 ? rc : output_commit(&d->output, err);
}

static void
close_all(struct dump *d)
{
    xylem_close(d->job.x); // completes what is out, and with it the walk's loads
    walk_free(&d->walk);
    archive_writer_free(&d->archive);
    output_discard(&d->output);
    spool_fini(&d->spool);
}

int
main(int argc, char **argv)
{
    struct dump d = {.output = {.path = NULL, .fd = -1}};
    struct err err;
    int first = opt_parse(&program, argc, argv);
    int rc;

    if (argc - first != 1)
        opt_usage_error(&program, "one OUTFILE is needed");
    job_init(&d.job, program.name, "archived");
    spool_init(&d.spool, SPOOL_MEMORY);
    rc = dump_to(&d, argv[first], &err);
    close_all(&d);
    if (rc < 0) {
        progress_warn(&d.job.progress, "%s", err.text);
        return 1;
    }
    if (d.failed > 0)
        progress_warn(&d.job.progress, "left out %" PRIu64 " keys that could not be read",
                      d.failed);
    progress_finish(&d.job.progress, d.keys, d.bytes, d.source.rootref);
    return 0;
}
