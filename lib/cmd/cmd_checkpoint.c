/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_checkpoint.c - xylem content checkpoint: the roots that rank 0 has recorded. */
#include "cmd.h"
#include "clock.h"
#include "cmd_kvs_util.h"
#include "root_arg.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define CHECKPOINT_RANK 0u

static bool no_header;
static bool as_json;

static const struct opt list_options[] = {
    {'n', "no-header", NULL, OPT_FLAG, &no_header, "do not print the names of the columns", 0, 0},
    {'j', "json", NULL, OPT_FLAG, &as_json, "one JSON object per line", 0, 0},
    {0},
};
static const struct opt_program list_program = {
    .name = "xylem content checkpoint list",
    .synopsis = "[OPTIONS]",
    .description = "List the recorded checkpoints, the newest first.",
    .options = list_options,
};

static void
print_json(json_t *checkpoint)
{
    json_dumpf(checkpoint, stdout, JSON_COMPACT | JSON_SORT_KEYS);
    putchar('\n');
}

static void
print_row(size_t index, json_t *checkpoint)
{
    const char *ref = json_string_value(json_object_get(checkpoint, "rootref"));
    char text[CMD_TIME_MAX] = "";

    cmd_format_time(json_number_value(json_object_get(checkpoint, "timestamp")), text);
    printf("%5zu %8lld %-20s %s\n", index,
           (long long)json_integer_value(json_object_get(checkpoint, "sequence")), text,
           ref ? ref : "?");
}

/* "value" is an array; an older form has the one checkpoint itself. */
static void
print_list(json_t *value)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;

    if (!as_json && !no_header)
        printf("%5s %8s %-20s %s\n", "Index", "Sequence", "Time", "Rootref");
    for (size_t i = 0; i < count; i++) {
        json_t *checkpoint = json_is_array(value) ? json_array_get(value, i) : value;

        if (as_json)
            print_json(checkpoint);
        else
            print_row(i, checkpoint);
    }
}

static int
run_list(int argc, char **argv)
{
    xylem_t *x;
    json_t *answer;
    int status = CMD_OK;

    cmd_parse(&list_program, argc, argv, 0, 0);
    x = cmd_open(&list_program);
    answer = cmd_rpc_json(&list_program, x, "content.checkpoint-get", CHECKPOINT_RANK, NULL, NULL);
    if (!answer)
        status = CMD_FAILED;
    else if (!json_object_get(answer, "value"))
        status = cmd_fail(&list_program, "malformed answer to content.checkpoint-get");
    else
        print_list(json_object_get(answer, "value"));
    json_decref(answer);
    xylem_close(x);
    return status;
}

/* --- update --- */

static const struct opt no_options[] = {{0}};
static const struct opt_program update_program = {
    .name = "xylem content checkpoint update",
    .synopsis = "[ROOT]",
    .description =
        "Record a checkpoint of a root of the primary namespace: a blobref, a dirref object, or a "
        "sequence number of `kvs history`.  Default: the current one.",
    .options = no_options,
};

static int
put_checkpoint(xylem_t *x, const struct xylem_root *root)
{
    AUTO(free)
    char *request = xasprintf(
        "{\"value\":{\"version\":1,\"rootref\":\"%s\",\"sequence\":%lld,\"timestamp\":%.6f}}",
        root->rootref, (long long)root->sequence, clock_wall());

    return xylem_rpc(x, "content.checkpoint-put", CHECKPOINT_RANK, request, NULL);
}

/* What the root is not.  NULL: the error's own text says it. */
static const char *
explain_refusal(int rc)
{
    switch (rc) {
    case -ENOENT:
        return "not in the backing store";
    case -EIO:
        return "damaged in the backing store";
    case -EPROTO:
        return "not a stored directory";
    default:
        return NULL;
    }
}

static int
refuse(xylem_t *x, const char *ref, int rc)
{
    const char *why = explain_refusal(rc);

    if (!why)
        cmd_fail_x(&update_program, x, ref);
    else
        cmd_fail(&update_program, "%s: %s", ref, why);
    return rc == -EINVAL ? CMD_USAGE : CMD_FAILED;
}

/* The flush, because what is dirty at rank 0 (durability memory) is not on the disk yet; validate,
 * because rank 0 looks at the blob in its cache, and the disk may have it damaged. */
static int
update_to(xylem_t *x, const char *ref)
{
    struct xylem_root root = {0};
    int rc = xylem_flush(x, CHECKPOINT_RANK);

    if (rc == 0)
        rc = xylem_validate(x, ref);
    snprintf(root.rootref, sizeof(root.rootref), "%s", ref);
    if (rc == 0)
        rc = put_checkpoint(x, &root);
    return rc == 0 ? CMD_OK : refuse(x, ref, rc);
}

static int
update_to_current(xylem_t *x)
{
    struct xylem_root root;

    if (xylem_getroot(x, "primary", &root) == 0 && put_checkpoint(x, &root) == 0)
        return CMD_OK;
    return cmd_fail_x(&update_program, x, "current root");
}

static int
find_and_update(xylem_t *x, const char *text)
{
    char ref[XYLEM_BLOBREF_MAX];
    int status;

    kvs_ns = "primary"; // the one that checkpoints are of
    status = root_arg_find(&update_program, x, text, ref);
    return status == CMD_OK ? update_to(x, ref) : status;
}

static int
run_update(int argc, char **argv)
{
    int i = cmd_parse(&update_program, argc, argv, 0, 1);
    const char *text = argv[i];
    xylem_t *x;
    int status;

    if (text && !root_arg_is_valid(text))
        opt_usage_error(&update_program, "'%s' is not a blobref, a dirref or a sequence number",
                        text);
    x = cmd_open(&update_program);
    status = text ? find_and_update(x, text) : update_to_current(x);
    xylem_close(x);
    return status;
}

int
cmd_content_checkpoint(int argc, char **argv)
{
    static const struct command commands[] = {
        {"list", "what is recorded", run_list},
        {"update", "record another one", run_update},
        {0},
    };
    static const struct command_group group = {
        .program = {.name = "xylem content checkpoint",
                    .synopsis = "COMMAND [ARG...]",
                    .description = "Checkpoints: roots of the key-value store that rank 0 keeps.",
                    .options = no_options,
                    .stop_at_operand = true},
        .commands = commands,
    };

    return cmd_run_group(&group, argc, argv);
}
