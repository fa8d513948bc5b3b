/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_change.c - xylem kvs unlink, link, mkdir, copy, move: one transaction each, but for move
 * between namespaces. */
#include "cmd_kvs_util.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
finish(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn, int status)
{
    if (status == CMD_OK)
        status = kvs_commit(prog, x, txn);
    xylem_txn_free(txn);
    xylem_close(x);
    return status;
}

static int
check_txn(const struct opt_program *prog, const xylem_txn_t *txn, int rc)
{
    return rc < 0 ? cmd_fail(prog, "%s", xylem_txn_error(txn)) : CMD_OK;
}

/* --- unlink --- */

static bool recursive;
static bool force;

static const struct opt unlink_options[] = {
    KVS_OPTION_NS,
    KVS_OPTIONS_COMMIT,
    {'R', "recursive", NULL, OPT_FLAG, &recursive, "remove directories with all they hold", 0, 0},
    {'f', "force", NULL, OPT_FLAG, &force, "keys that do not exist are fine", 0, 0},
    {0},
};
static const struct opt_program unlink_program = {
    .name = "xylem kvs unlink",
    .synopsis = "[OPTIONS] KEY...",
    .description = "Remove keys.",
    .options = unlink_options,
};

/* 0, or -errno with *ret_error: a directory that holds something is not removed by accident. */
static int
check_unlink(xylem_t *x, const char *key, const char **ret_error)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(treeobj) struct treeobj *dir = NULL;
    int rc = kvs_read(x, key, NULL, XYLEM_TREEOBJ, &obj, ret_error);

    if (rc < 0 || recursive)
        return rc;
    if (treeobj_type(obj) != TREEOBJ_DIRREF && treeobj_type(obj) != TREEOBJ_DIR)
        return 0;
    rc = kvs_read(x, key, NULL, XYLEM_READDIR, &dir, ret_error);
    if (rc < 0 || treeobj_dir_count(dir) == 0)
        return rc;
    *ret_error = err_name(ENOTEMPTY);
    return -ENOTEMPTY;
}

static int
add_unlink(xylem_t *x, xylem_txn_t *txn, const char *key)
{
    const char *error;
    int rc = check_unlink(x, key, &error);

    if (rc == -ENOENT && force)
        return CMD_OK;
    if (rc < 0)
        return cmd_fail_about(&unlink_program, key, error);
    return check_txn(&unlink_program, txn, xylem_txn_unlink(txn, key));
}

int
kvs_unlink(int argc, char **argv)
{
    int i = cmd_parse(&unlink_program, argc, argv, 1, CMD_MANY);
    xylem_t *x = cmd_open(&unlink_program);
    xylem_txn_t *txn = xylem_txn_new();
    int status = CMD_OK;

    for (; i < argc && status == CMD_OK; i++)
        status = add_unlink(x, txn, argv[i]);
    return finish(&unlink_program, x, txn, status);
}

/* --- link --- */

static const char *target_ns;

static const struct opt link_options[] = {
    KVS_OPTION_NS,
    KVS_OPTIONS_COMMIT,
    {'T', "target-namespace", "NS", OPT_STRING, &target_ns, "the target is in that namespace", 0,
     0},
    {0},
};
static const struct opt_program link_program = {
    .name = "xylem kvs link",
    .synopsis = "[OPTIONS] TARGET LINK",
    .description = "Make the key LINK a symbolic link to the key TARGET, which need not exist.",
    .options = link_options,
};

int
kvs_link(int argc, char **argv)
{
    int i = cmd_parse(&link_program, argc, argv, 2, 2);
    xylem_t *x = cmd_open(&link_program);
    xylem_txn_t *txn = xylem_txn_new();
    int rc = xylem_txn_symlink(txn, argv[i + 1], target_ns, argv[i]);

    return finish(&link_program, x, txn, check_txn(&link_program, txn, rc));
}

/* --- mkdir --- */

static const struct opt mkdir_options[] = {KVS_OPTION_NS, KVS_OPTIONS_COMMIT, {0}};
static const struct opt_program mkdir_program = {
    .name = "xylem kvs mkdir",
    .synopsis = "[OPTIONS] KEY...",
    .description = "Make keys empty directories.",
    .options = mkdir_options,
};

int
kvs_mkdir(int argc, char **argv)
{
    int i = cmd_parse(&mkdir_program, argc, argv, 1, CMD_MANY);
    xylem_t *x = cmd_open(&mkdir_program);
    xylem_txn_t *txn = xylem_txn_new();
    int status = CMD_OK;

    for (; i < argc && status == CMD_OK; i++)
        status = check_txn(&mkdir_program, txn, xylem_txn_mkdir(txn, argv[i]));
    return finish(&mkdir_program, x, txn, status);
}

/* --- copy, move --- */

static const char *source_ns;
static const char *dest_ns;

static const struct opt copy_options[] = {
    KVS_OPTION_NS,
    {'S', "src-namespace", "NS", OPT_STRING, &source_ns, "namespace of the source", 0, 0},
    {'D', "dst-namespace", "NS", OPT_STRING, &dest_ns, "namespace of the destination", 0, 0},
    {0},
};
static const struct opt_program copy_program = {
    .name = "xylem kvs copy",
    .synopsis = "[OPTIONS] SOURCE DESTINATION",
    .description = "Copy a key with all below it.  No data is moved.",
    .options = copy_options,
};
static const struct opt_program move_program = {
    .name = "xylem kvs move",
    .synopsis = "[OPTIONS] SOURCE DESTINATION",
    .description = "Rename a key.  Between namespaces that takes two transactions.",
    .options = copy_options,
};

static bool
same_namespace(void)
{
    const char *from = source_ns ? source_ns : "";
    const char *to = dest_ns ? dest_ns : "";

    return strcmp(from, to) == 0;
}

static int
commit_in(const struct opt_program *prog, xylem_t *x, const char *ns, xylem_txn_t *txn, int rc)
{
    if (rc < 0)
        return check_txn(prog, txn, rc);
    return xylem_commit(x, ns, txn, 0, NULL) < 0 ? cmd_fail_x(prog, x, NULL) : CMD_OK;
}

static int
unlink_source(const struct opt_program *prog, xylem_t *x, const char *key)
{
    xylem_txn_t *txn = xylem_txn_new();
    int status = commit_in(prog, x, source_ns, txn, xylem_txn_unlink(txn, key));

    xylem_txn_free(txn);
    return status;
}

/* The source is unlinked first in the one transaction: "move a a.b" then does what it can. */
static int
copy_key(const struct opt_program *prog, xylem_t *x, const char *from, const char *to, bool move)
{
    AUTO(free) char *object = NULL;
    xylem_txn_t *txn;
    int rc = 0;
    int status;

    if (xylem_lookup(x, source_ns, from, NULL, XYLEM_TREEOBJ, &object) < 0)
        return cmd_fail_x(prog, x, from);
    txn = xylem_txn_new();
    if (move && same_namespace())
        rc = xylem_txn_unlink(txn, from);
    if (rc == 0)
        rc = xylem_txn_put_treeobj(txn, to, object, xylem_hash(x));
    status = commit_in(prog, x, dest_ns, txn, rc);
    xylem_txn_free(txn);
    if (status == CMD_OK && move && !same_namespace())
        status = unlink_source(prog, x, from);
    return status;
}

static int
run_copy(const struct opt_program *prog, int argc, char **argv, bool move)
{
    int i = cmd_parse(prog, argc, argv, 2, 2);
    xylem_t *x = cmd_open(prog);
    int status;

    source_ns = source_ns ? source_ns : kvs_ns;
    dest_ns = dest_ns ? dest_ns : kvs_ns;
    status = copy_key(prog, x, argv[i], argv[i + 1], move);
    xylem_close(x);
    return status;
}

int
kvs_copy(int argc, char **argv)
{
    return run_copy(&copy_program, argc, argv, false);
}

int
kvs_move(int argc, char **argv)
{
    return run_copy(&move_program, argc, argv, true);
}
