/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_content.c - xylem content: blobs in and out, and the upkeep of caches. */
#include "cmd.h"
#include "buf.h"
#include "pipeline.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool bypass;
static uint64_t chunksize;

#define BYPASS_OPTION \
    { \
        'b', "bypass-cache", NULL, OPT_FLAG, &bypass, \
            "talk to rank 0, not to the caches below it", 0, 0 \
    }

static int
bypass_flag(void)
{
    return bypass ? XYLEM_BYPASS : 0;
}

/* --- store --- */

static const struct opt store_options[] = {
    BYPASS_OPTION,
    {0, "chunksize", "N", OPT_SIZE, &chunksize,
     "cut the input into blobs of N bytes (default: one)", 0, 0},
    {0},
};
static const struct opt_program store_program = {
    .name = "xylem content store",
    .synopsis = "[OPTIONS] < DATA",
    .description = "Store standard input and print the blobref of each blob.",
    .options = store_options,
};

static int
print_blobref(void *arg UNUSED, const struct pipeline_slot *slot)
{
    if (slot->rc < 0)
        return cmd_fail(&store_program, "%s", slot->error);
    puts(slot->data);
    return CMD_OK;
}

static int
store_blob(struct pipeline *p, const struct buf *b)
{
    struct pipeline_slot *slot;
    int rc = pipeline_begin(p, NULL, &slot);

    if (rc != 0)
        return rc;
    rc = xylem_store_async(p->x, buf_str(b), b->size, bypass_flag(), pipeline_complete, slot);
    if (rc < 0)
        pipeline_undo(p);
    return rc;
}

/* Empty input is one empty blob; input that ends with a chunk's end has no empty blob behind it. */
static int
store_input(struct pipeline *p)
{
    AUTO(buf) struct buf b = BUF_INIT;
    size_t limit = chunksize ? MIN(chunksize, INT32_MAX) : INT32_MAX;
    bool empty = true;
    int more;
    int rc;

    do {
        buf_reset(&b);
        more = buf_fill_fd(&b, STDIN_FILENO, limit);
        if (more < 0)
            return cmd_fail(&store_program, "standard input: %s", err_name(more));
        if (more == 1 && chunksize == 0)
            return cmd_fail(&store_program, "%s", err_name(EFBIG));
        rc = b.size > 0 || empty ? store_blob(p, &b) : 0;
        empty = false;
    } while (rc == 0 && more == 1 && !cmd_output_failed());
    return rc == 0 ? pipeline_finish(p) : rc;
}

static int
finish_pipeline(const struct opt_program *prog, struct pipeline *p, int rc)
{
    if (rc < 0)
        rc = cmd_fail_x(prog, p->x, NULL);
    xylem_close(p->x);
    pipeline_free(&p);
    return rc;
}

static int
run_store(int argc, char **argv)
{
    struct pipeline *p;

    cmd_parse(&store_program, argc, argv, 0, 0);
    p = pipeline_new(cmd_open(&store_program), print_blobref, NULL);
    return finish_pipeline(&store_program, p, store_input(p));
}

/* --- load --- */

static const struct opt load_options[] = {BYPASS_OPTION, {0}};
static const struct opt_program load_program = {
    .name = "xylem content load",
    .synopsis = "[OPTIONS] [BLOBREF...]",
    .description = "Write blobs to standard output, one behind the other.  Without arguments, "
                   "blobrefs are read from standard input, one per line.",
    .options = load_options,
};

static int
write_blob(void *arg UNUSED, const struct pipeline_slot *slot)
{
    if (slot->rc < 0)
        return cmd_fail(&load_program, "%s: %s", slot->what, slot->error);
    cmd_write(slot->data, slot->size);
    return cmd_output_failed() ? CMD_FAILED : CMD_OK;
}

static int
load_blob(struct pipeline *p, const char *ref)
{
    struct pipeline_slot *slot;
    int rc = pipeline_begin(p, ref, &slot);

    if (rc != 0)
        return rc;
    rc = xylem_load_async(p->x, ref, bypass_flag(), pipeline_complete, slot);
    if (rc == 0)
        return 0;
    pipeline_undo(p);
    cmd_fail_x(&load_program, p->x, ref);
    return rc == -EINVAL ? CMD_USAGE : CMD_FAILED;
}

static int
load_lines(struct pipeline *p)
{
    AUTO(free) char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    int rc = 0;
    bool any = false;

    while (rc == 0 && (n = getline(&line, &capacity, stdin)) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        any = true;
        rc = load_blob(p, line);
    }
    if (ferror(stdin))
        return cmd_fail(&load_program, "standard input: %s", err_name(errno));
    if (!any)
        return cmd_fail(&load_program, "no blobref given");
    return rc;
}

static int
run_load(int argc, char **argv)
{
    int i = cmd_parse(&load_program, argc, argv, 0, CMD_MANY);
    struct pipeline *p = pipeline_new(cmd_open(&load_program), write_blob, NULL);
    int rc = i == argc ? load_lines(p) : 0;

    for (; i < argc && rc == 0; i++)
        rc = load_blob(p, argv[i]);
    if (rc == 0)
        rc = pipeline_finish(p);
    return finish_pipeline(&load_program, p, rc);
}

/* --- validate --- */

static const struct opt no_options[] = {{0}};
static const struct opt_program validate_program = {
    .name = "xylem content validate",
    .synopsis = "BLOBREF...",
    .description = "Check that blobs are in the store of rank 0, whole.",
    .options = no_options,
};

static int
run_validate(int argc, char **argv)
{
    int i = cmd_parse(&validate_program, argc, argv, 1, CMD_MANY);
    xylem_t *x = cmd_open(&validate_program);
    int status = CMD_OK;

    for (; i < argc; i++) {
        int rc = xylem_validate(x, argv[i]);

        if (rc == 0)
            continue;
        cmd_fail_x(&validate_program, x, argv[i]);
        status = MAX(status, rc == -EINVAL ? CMD_USAGE : CMD_FAILED);
    }
    xylem_close(x);
    return status;
}

/* --- flush, dropcache --- */

static int
run_simple(const struct opt_program *prog, int argc, char **argv, int (*call)(xylem_t *x))
{
    xylem_t *x;
    int status = CMD_OK;

    cmd_parse(prog, argc, argv, 0, 0);
    x = cmd_open(prog);
    if (call(x) < 0)
        status = cmd_fail_x(prog, x, NULL);
    xylem_close(x);
    return status;
}

static int
flush_here(xylem_t *x)
{
    return xylem_flush(x, XYLEM_RANK_ANY);
}

static int
run_flush(int argc, char **argv)
{
    static const struct opt_program program = {
        .name = "xylem content flush",
        .synopsis = "",
        .description = "Wait until all that this rank holds is in the store of rank 0.",
        .options = no_options,
    };

    return run_simple(&program, argc, argv, flush_here);
}

static int
run_dropcache(int argc, char **argv)
{
    static const struct opt_program program = {
        .name = "xylem content dropcache",
        .synopsis = "",
        .description = "Make this rank forget the blobs that are kept elsewhere too.",
        .options = no_options,
    };

    return run_simple(&program, argc, argv, xylem_dropcache);
}

int
cmd_content(int argc, char **argv)
{
    static const struct command commands[] = {
        {"store", "standard input to blobs", run_store},
        {"load", "blobs to standard output", run_load},
        {"validate", "are blobs in the store?", run_validate},
        {"flush", "wait until nothing is unsaved", run_flush},
        {"dropcache", "empty this rank's cache", run_dropcache},
        {"checkpoint", "list and record checkpoints", cmd_content_checkpoint},
        {0},
    };
    static const struct command_group group = {
        .program = {.name = "xylem content",
                    .synopsis = "COMMAND [ARG...]",
                    .description = "Store and load blobs.",
                    .options = no_options,
                    .stop_at_operand = true},
        .commands = commands,
    };

    return cmd_run_group(&group, argc, argv);
}
