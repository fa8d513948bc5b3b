/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_get.c - xylem kvs get and readlink: print what keys hold. */
#include "cmd_kvs_util.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

/* --- get --- */

static bool raw;
static bool as_treeobj;
static bool label;

static const struct opt get_options[] = {
    KVS_OPTION_NS,
    {'r', "raw", NULL, OPT_FLAG, &raw, "print the bytes of the value only, no newline", 0, 0},
    {'t', "treeobj", NULL, OPT_FLAG, &as_treeobj, "print the tree object", 0, 0},
    {'l', "label", NULL, OPT_FLAG, &label, "print KEY= in front", 0, 0},
    KVS_OPTION_AT,
    {0},
};
static const struct opt_program get_program = {
    .name = "xylem kvs get",
    .synopsis = "[OPTIONS] KEY...",
    .description = "Print the values of keys, each with a newline.",
    .options = get_options,
};

static int
print_treeobj(xylem_t *x, const char *key, const char *at)
{
    AUTO(free) char *text = NULL;

    if (xylem_lookup(x, kvs_ns, key, at, XYLEM_TREEOBJ, &text) < 0)
        return cmd_fail_x(&get_program, x, key);
    if (label)
        printf("%s=", key);
    puts(text);
    return CMD_OK;
}

/* An empty value prints nothing at all, as in Flux, unless there is a label. */
static void
print_bytes(const char *key, const void *data, size_t size)
{
    if (label)
        printf("%s=", key);
    cmd_write(data, size);
    if (!raw && (size > 0 || label))
        putchar('\n');
}

static int
print_value(xylem_t *x, const char *key, const char *at)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(free) void *data = NULL;
    const char *error = err_name(EPROTO);
    size_t size;

    if (kvs_read(x, key, at, 0, &obj, &error) < 0)
        return cmd_fail(&get_program, "%s: %s", key, error);
    if (treeobj_type(obj) != TREEOBJ_VAL || treeobj_val_decode(obj, &data, &size) < 0)
        return cmd_fail(&get_program, "%s: %s", key, err_name(EPROTO));
    print_bytes(key, data, size);
    return CMD_OK;
}

int
kvs_get(int argc, char **argv)
{
    int i = cmd_parse(&get_program, argc, argv, 1, CMD_MANY);
    const char *at = kvs_at_blobref(&get_program);
    xylem_t *x = cmd_open(&get_program);
    int status = CMD_OK;

    for (; i < argc && status == CMD_OK; i++)
        status = as_treeobj ? print_treeobj(x, argv[i], at) : print_value(x, argv[i], at);
    xylem_close(x);
    return status;
}

/* --- readlink --- */

static bool namespace_only;
static bool key_only;

static const struct opt readlink_options[] = {
    KVS_OPTION_NS,
    {'o', "namespace-only", NULL, OPT_FLAG, &namespace_only, "print the target's namespace", 0, 0},
    {'k', "key-only", NULL, OPT_FLAG, &key_only, "print the target's key without namespace", 0, 0},
    KVS_OPTION_AT,
    {0},
};
static const struct opt_program readlink_program = {
    .name = "xylem kvs readlink",
    .synopsis = "[OPTIONS] KEY...",
    .description = "Print where symbolic links lead to.",
    .options = readlink_options,
};

static void
print_link(const struct treeobj *link)
{
    const char *ns = treeobj_link_namespace(link);

    if (namespace_only)
        puts(ns ? ns : "");
    else if (ns && !key_only)
        printf("%s::%s\n", ns, treeobj_link_target(link));
    else
        puts(treeobj_link_target(link));
}

int
kvs_readlink(int argc, char **argv)
{
    int i = cmd_parse(&readlink_program, argc, argv, 1, CMD_MANY);
    const char *at = kvs_at_blobref(&readlink_program);
    xylem_t *x = cmd_open(&readlink_program);
    int status = CMD_OK;

    for (; i < argc && status == CMD_OK; i++) {
        AUTO(treeobj) struct treeobj *obj = NULL;
        const char *error;

        if (kvs_read(x, argv[i], at, XYLEM_READLINK, &obj, &error) < 0)
            status = cmd_fail(&readlink_program, "%s: %s", argv[i], error);
        else if (treeobj_type(obj) != TREEOBJ_SYMLINK)
            status = cmd_fail(&readlink_program, "%s: %s", argv[i], err_name(EINVAL));
        else
            print_link(obj);
    }
    xylem_close(x);
    return status;
}
