/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_root.c - xylem kvs getroot, version, wait, sync and namespace: what concerns a namespace as a
 * whole. */
#include "cmd_kvs_util.h"
#include "root_arg.h"
#include "units.h"
#include "xmem.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>

/* --- getroot, version --- */

static bool print_owner;

static const struct opt root_options[] = {
    KVS_OPTION_NS,
    {'s', "sequence", NULL, OPT_FLAG, &kvs_print_sequence, "print the sequence number", 0, 0},
    {'o', "owner", NULL, OPT_FLAG, &print_owner, "print the owner's user id", 0, 0},
    {'b', "blobref", NULL, OPT_FLAG, &kvs_print_blobref, "print the blobref", 0, 0},
    {0},
};
static const struct opt_program getroot_program = {
    .name = "xylem kvs getroot",
    .synopsis = "[OPTIONS]",
    .description = "Print the current root of a namespace, as a dirref object.",
    .options = root_options,
};

int
kvs_getroot(int argc, char **argv)
{
    struct xylem_root root;
    xylem_t *x;
    int status = CMD_OK;

    cmd_parse(&getroot_program, argc, argv, 0, 0);
    x = cmd_open(&getroot_program);
    if (xylem_getroot(x, kvs_ns, &root) < 0)
        status = cmd_fail_x(&getroot_program, x, NULL);
    else if (kvs_print_sequence)
        printf("%lld\n", (long long)root.sequence);
    else if (print_owner)
        printf("%u\n", root.owner);
    else if (kvs_print_blobref)
        puts(root.rootref);
    else
        kvs_print_dirref(root.rootref);
    xylem_close(x);
    return status;
}

static const struct opt ns_options[] = {KVS_OPTION_NS, {0}};
static const struct opt_program version_program = {
    .name = "xylem kvs version",
    .synopsis = "[OPTIONS]",
    .description = "Print the sequence number of a namespace's root.",
    .options = ns_options,
};

int
kvs_version(int argc, char **argv)
{
    struct xylem_root root;
    xylem_t *x;
    int status = CMD_OK;

    cmd_parse(&version_program, argc, argv, 0, 0);
    x = cmd_open(&version_program);
    if (xylem_getroot(x, kvs_ns, &root) < 0)
        status = cmd_fail_x(&version_program, x, NULL);
    else
        printf("%lld\n", (long long)root.sequence);
    xylem_close(x);
    return status;
}

/* --- wait, sync --- */

/* A request built from JSON (consumed), whose answer does not matter; what: as of cmd_fail_x(). */
static int
request(const struct opt_program *prog, xylem_t *x, const char *topic, uint32_t rank, json_t *json,
        const char *what)
{
    AUTO(free) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    if (!text)
        return cmd_fail(prog, "arguments must be UTF-8");
    return xylem_rpc(x, topic, rank, text, NULL) < 0 ? cmd_fail_x(prog, x, what) : CMD_OK;
}

static const struct opt_program wait_program = {
    .name = "xylem kvs wait",
    .synopsis = "[OPTIONS] VERSION",
    .description = "Wait until the root's sequence number is at least VERSION.",
    .options = ns_options,
};

int
kvs_wait(int argc, char **argv)
{
    int i = cmd_parse(&wait_program, argc, argv, 1, 1);
    long version;
    xylem_t *x;
    int status;

    if (units_parse_long(argv[i], 0, LONG_MAX, &version) < 0)
        opt_usage_error(&wait_program, "'%s' is not a version", argv[i]);
    x = cmd_open(&wait_program);
    status = request(
        &wait_program, x, "kvs.wait-version", XYLEM_RANK_ANY,
        json_pack("{s:I,s:s}", "rootseq", (json_int_t)version, "namespace", root_arg_namespace()),
        NULL);
    xylem_close(x);
    return status;
}

static const struct opt sync_options[] = {KVS_OPTION_NS, KVS_OPTIONS_COMMIT, {0}};
static const struct opt_program sync_program = {
    .name = "xylem kvs sync",
    .synopsis = "[OPTIONS]",
    .description = "Commit nothing, and record a checkpoint.",
    .options = sync_options,
};

int
kvs_sync_now(int argc, char **argv)
{
    xylem_txn_t *txn;
    xylem_t *x;
    int status;

    cmd_parse(&sync_program, argc, argv, 0, 0);
    kvs_sync = true;
    x = cmd_open(&sync_program);
    txn = xylem_txn_new();
    status = kvs_commit(&sync_program, x, txn);
    xylem_txn_free(txn);
    xylem_close(x);
    return status;
}

/* --- namespaces --- */

#define LEADER 0u // the rank that creates and removes them

static long owner = -1;
static const char *rootref;

static const struct opt create_options[] = {
    {'o', "owner", "UID", OPT_LONG, &owner, "user who owns it (default: the instance's)", 0,
     UINT32_MAX - 1L},
    {'r', "rootref", "BLOBREF", OPT_STRING, &rootref, "start with this root", 0, 0},
    {0},
};
static const struct opt_program create_program = {
    .name = "xylem kvs namespace create",
    .synopsis = "[OPTIONS] NS...",
    .description = "Make namespaces, empty or with the given root.",
    .options = create_options,
};

static int
create_one(xylem_t *x, const char *ns)
{
    json_t *json =
        json_pack("{s:s,s:I,s:i}", "namespace", ns, "owner", (json_int_t)owner, "flags", 0);

    if (rootref)
        json_object_set_new(json, "rootref", json_string(rootref));
    return request(&create_program, x, "kvs.namespace-create", LEADER, json, ns);
}

static int
run_create(int argc, char **argv)
{
    int i = cmd_parse(&create_program, argc, argv, 1, CMD_MANY);
    xylem_t *x = cmd_open(&create_program);
    int status = CMD_OK;

    for (; i < argc && status == CMD_OK; i++)
        status = create_one(x, argv[i]);
    xylem_close(x);
    return status;
}

static const struct opt no_options[] = {{0}};
static const struct opt_program remove_program = {
    .name = "xylem kvs namespace remove",
    .synopsis = "NS...",
    .description = "Remove namespaces; one that does not exist is no error.",
    .options = no_options,
};

static int
run_remove(int argc, char **argv)
{
    int i = cmd_parse(&remove_program, argc, argv, 1, CMD_MANY);
    xylem_t *x = cmd_open(&remove_program);
    int status = CMD_OK;

    for (; i < argc && status == CMD_OK; i++)
        status = request(&remove_program, x, "kvs.namespace-remove", LEADER,
                         json_pack("{s:s}", "namespace", argv[i]), argv[i]);
    xylem_close(x);
    return status;
}

static const struct opt_program list_program = {
    .name = "xylem kvs namespace list",
    .synopsis = "[OPTIONS]",
    .description = "List the namespaces with owner and flags.",
    .options = no_options,
};

static int
run_list(int argc, char **argv)
{
    xylem_t *x;
    json_t *answer;
    json_t *row;
    size_t i;

    cmd_parse(&list_program, argc, argv, 0, 0);
    x = cmd_open(&list_program);
    answer = cmd_rpc_json(&list_program, x, "kvs.namespace-list", XYLEM_RANK_ANY, NULL, NULL);
    xylem_close(x);
    if (!answer)
        return CMD_FAILED;
    printf("%-36s %10s %10s\n", "NAMESPACE", "OWNER", "FLAGS");
    json_array_foreach(json_object_get(answer, "namespaces"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "namespace"));

        printf("%-36s %10lld 0x%08llx\n", name ? name : "?",
               (long long)json_integer_value(json_object_get(row, "owner")),
               (unsigned long long)json_integer_value(json_object_get(row, "flags")));
    }
    json_decref(answer);
    return CMD_OK;
}

int
kvs_namespace(int argc, char **argv)
{
    static const struct command commands[] = {
        {"create", "make one", run_create},
        {"remove", "remove one", run_remove},
        {"list", "list them", run_list},
        {0},
    };
    static const struct command_group group = {
        .program = {.name = "xylem kvs namespace",
                    .synopsis = "COMMAND [ARG...]",
                    .description = "Namespaces: key-value stores beside the primary one.",
                    .options = no_options,
                    .stop_at_operand = true},
        .commands = commands,
    };

    return cmd_run_group(&group, argc, argv);
}
