/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_diff.c - xylem kvs diff: what is different between two roots.
 *
 *     + KEY      was added        - KEY      was removed        ~ KEY      has another tree object
 *
 * A directory is shown only if it is empty: as "KEY.".  Loads of directories, and with -v of values, are many at
 * a time; lines come out while they are on their way. */
#include "cmd_kvs_util.h"
#include "blobref.h"
#include "diff.h"
#include "diff_lines.h"
#include "diff_text.h"
#include "root_arg.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOADS_MAX 64 // of directories, on their way at a time

static bool verbose;
static bool name_only;
static bool as_json;
static bool exit_code;

static const struct opt options[] = {
    KVS_OPTION_NS,
    {'v', "verbose", NULL, OPT_FLAG, &verbose, "print values too", 0, 0},
    {0, "name-only", NULL, OPT_FLAG, &name_only, "print only keys", 0, 0},
    {'j', "json", NULL, OPT_FLAG, &as_json, "one JSON object per line", 0, 0},
    {0, "exit-code", NULL, OPT_FLAG, &exit_code,
     "exit with 1 if there are differences, with 2 if that cannot be told", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem kvs diff",
    .synopsis = "[OPTIONS] ROOT1 [ROOT2]",
    .description = "Print the keys in which two roots differ: each a blobref, a dirref object or a "
                   "sequence number of `kvs history`.  Default for ROOT2: the current root.",
    .options = options,
};

/* One run. */
struct run {
    xylem_t *x; // owned
    enum digest_alg alg;
    struct diff *diff;        // owned
    struct diff_lines *lines; // owned; NULL: without values
    bool differ;              // there was a change
};

/* --- output --- */

static int
print_change(struct run *r, const struct diff_item *item, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;
    int rc = 0;

    r->differ = true;
    if (as_json)
        diff_text_json(r->alg, item, &text);
    else
        diff_text_key(item, &text);
    if (as_json || name_only)
        puts(buf_str(&text));
    else if (r->lines)
        rc = diff_lines_add(r->lines, buf_str(&text), item->old, item->new, err);
    else
        printf("%c %s\n", diff_text_sign(item), buf_str(&text));
    return rc == 0 && cmd_output_failed() ? err_set(err, -EIO, "standard output") : rc;
}

/* --- the comparison --- */

static void
on_loaded(void *arg, const struct xylem_reply *reply)
{
    struct diff_load *l = arg;

    if (reply->rc == 0)
        diff_give(l, reply->data, reply->size);
    else
        diff_fail(l, reply->rc, reply->error);
}

static void
start_loads(struct run *r)
{
    struct diff_load *l;

    while ((l = diff_want(r->diff))) {
        char ref[BLOBREF_MAX];
        int rc;

        blobref_format(r->alg, diff_load_digest(l), ref);
        rc = xylem_load_async(r->x, ref, 0, on_loaded, l);
        if (rc < 0)
            diff_fail(l, rc, xylem_error(r->x));
    }
}

/* Waits only if there is nothing to be had. */
static int
next_item(struct run *r, const struct diff_item **ret, struct err *err)
{
    for (;;) {
        int rc;

        start_loads(r);
        *ret = diff_next(r->diff);
        if ((*ret)->kind != DIFF_WAIT)
            return 0;
        rc = xylem_dispatch(r->x, -1);
        if (rc < 0)
            return err_set(err, rc, "%s", xylem_error(r->x));
    }
}

static int
take_item(struct run *r, const struct diff_item *item, struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;

    if (item->kind == DIFF_CHANGE)
        return print_change(r, item, err);
    diff_text_key(item, &key);
    return err_set(err, item->errnum, "%.200s: %s", buf_str(&key), item->error);
}

static int
compare(struct run *r, struct err *err)
{
    const struct diff_item *item;
    int rc;

    while ((rc = next_item(r, &item, err)) == 0 && item->kind != DIFF_END) {
        rc = take_item(r, item, err);
        if (rc < 0)
            break;
    }
    if (rc == 0 && r->lines)
        rc = diff_lines_finish(r->lines, err);
    return rc;
}

/* --- the two roots --- */

static int
find_root(struct run *r, const char *text, struct digest *ret)
{
    char ref[XYLEM_BLOBREF_MAX];
    enum digest_alg alg;
    int status = root_arg_find(&program, r->x, text, ref);

    if (status != CMD_OK)
        return status;
    if (blobref_parse(ref, &alg, ret) < 0 || alg != r->alg)
        opt_usage_error(&program, "%s is of another instance, whose hash is not %s", ref,
                        digest_name(r->alg));
    return CMD_OK;
}

static int
open_run(struct run *r, char **roots)
{
    struct digest old, new;
    const char *hash;
    int status;

    r->x = cmd_open(&program);
    hash = xylem_hash(r->x);
    if (!hash || digest_alg_parse(hash, &r->alg) < 0)
        return cmd_fail_x(&program, r->x, "the instance's hash algorithm");
    status = find_root(r, roots[0], &old);
    if (status == CMD_OK)
        status = find_root(r, roots[1], &new);
    if (status != CMD_OK)
        return status;
    r->diff = diff_new(r->alg, &old, &new, LOADS_MAX);
    if (verbose)
        r->lines = diff_lines_new(r->x, r->alg);
    return CMD_OK;
}

static void
close_run(struct run *r)
{
    xylem_close(r->x); // completes what is on its way
    if (r->diff)
        diff_free(&r->diff);
    diff_lines_free(&r->lines);
}

/* With --exit-code, 1 says that there are differences. */
static int
exit_status(const struct run *r, int status)
{
    if (!exit_code)
        return status;
    if (status != CMD_OK)
        return CMD_USAGE;
    return r->differ ? CMD_FAILED : CMD_OK;
}

int
kvs_diff(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 1, 2);
    struct run r = {.x = NULL};
    struct err err;
    int status;

    if (verbose + name_only + as_json > 1)
        opt_usage_error(&program, "only one of --verbose, --name-only and --json");
    status = open_run(&r, argv + i); // argv ends with a NULL
    if (status == CMD_OK && compare(&r, &err) < 0)
        status = cmd_fail(&program, "%s", err.text);
    close_run(&r);
    return exit_status(&r, status);
}
