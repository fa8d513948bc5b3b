/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_change.c - xylem kvs unlink, link, mkdir, copy, move: one transaction each, but for move
 * between namespaces. */
#include "cmd_kvs_util.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TRIES 8 // of a commit that expects what was read right before it

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

/* Why a key cannot be removed. */
struct refusal {
    const char *key; // borrowed; NULL: none
    char error[ERR_TEXT_MAX];
};

/* What the key holds, and may it be removed?  0, or -errno with *ret_error: a directory that holds something is
 * not removed by accident. */
static int
check_unlink(xylem_t *x, const char *key, struct treeobj **ret, const char **ret_error)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    int rc = kvs_read(x, key, NULL, XYLEM_TREEOBJ, ret, ret_error);

    if (rc < 0 || recursive)
        return rc;
    if (treeobj_type(*ret) != TREEOBJ_DIRREF && treeobj_type(*ret) != TREEOBJ_DIR)
        return 0;
    rc = kvs_read(x, key, NULL, XYLEM_READDIR, &dir, ret_error);
    if (rc < 0 || treeobj_dir_count(dir) == 0)
        return rc;
    *ret_error = err_name(ENOTEMPTY);
    return -ENOTEMPTY;
}

/* An unlink whose check has failed has no effect; but if a commit with the id was applied before, its result
 * counts.  So it is sent, with something that cannot hold: the key is no empty value. */
static int
expect_failure(xylem_txn_t *txn, const char *key, const char *hash)
{
    return xylem_txn_expect(txn, key, "{\"data\":\"\",\"type\":\"val\",\"ver\":1}", hash);
}

/* The key may become a directory, or one that is not empty, before the commit. */
static int
expect_unchanged(xylem_t *x, xylem_txn_t *txn, const char *key, const struct treeobj *obj)
{
    AUTO(buf) struct buf text = BUF_INIT;
    enum digest_alg alg;

    if (recursive)
        return 0;
    if (digest_alg_parse(xylem_hash(x), &alg) == 0)
        treeobj_encode(alg, obj, &text);
    return xylem_txn_expect(txn, key, buf_str(&text), xylem_hash(x));
}

/* refused: with an id, the text for when the commit fails; it has room for one. */
static int
add_unlink(xylem_t *x, xylem_txn_t *txn, const char *key, struct refusal *refused)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    const char *error;
    int rc = check_unlink(x, key, &obj, &error);

    if (rc == -ENOENT && force)
        return CMD_OK;
    if (rc < 0 && !kvs_id)
        return cmd_fail_about(&unlink_program, key, error);
    if (rc < 0 && !refused->key) {
        refused->key = key;
        snprintf(refused->error, sizeof(refused->error), "%s", error);
    }
    rc = rc < 0 ? expect_failure(txn, key, xylem_hash(x)) : expect_unchanged(x, txn, key, obj);
    if (rc == 0)
        rc = xylem_txn_unlink(txn, key);
    return check_txn(&unlink_program, txn, rc);
}

/* Exit status; *ret_rc: of a commit that has failed, before a message. */
static int
try_unlink(xylem_t *x, int count, char **keys, struct refusal *refused, int *ret_rc)
{
    xylem_txn_t *txn = xylem_txn_new();
    int status = CMD_OK;

    *ret_rc = 0;
    for (int i = 0; i < count && status == CMD_OK; i++)
        status = add_unlink(x, txn, keys[i], refused);
    if (status == CMD_OK)
        status = kvs_try_commit(&unlink_program, x, txn, ret_rc);
    xylem_txn_free(txn);
    return status;
}

int
kvs_unlink(int argc, char **argv)
{
    int i = cmd_parse(&unlink_program, argc, argv, 1, CMD_MANY);
    xylem_t *x = cmd_open(&unlink_program);
    int tries = kvs_has_conditions() ? 1 : TRIES;
    struct refusal refused = {.key = NULL};
    int rc;
    int status = try_unlink(x, argc - i, argv + i, &refused, &rc);

    while (kvs_is_unmet(x, rc) && !refused.key && --tries > 0) {
        kvs_catch_up(x, kvs_ns);
        status = try_unlink(x, argc - i, argv + i, &refused, &rc);
    }
    if (rc == -EAGAIN && refused.key)
        status = cmd_fail_about(&unlink_program, refused.key, refused.error);
    else if (rc < 0)
        cmd_fail_x(&unlink_program, x, NULL);
    xylem_close(x);
    return status;
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

/* One commit.  0, or -errno after a message; of a commit that finds not what it expects there is none. */
static int
commit_in(const struct opt_program *prog, xylem_t *x, const char *ns, xylem_txn_t *txn, int rc)
{
    if (rc < 0) {
        check_txn(prog, txn, rc);
        return rc;
    }
    rc = xylem_commit(x, ns, txn, 0, NULL);
    if (rc < 0 && !kvs_is_unmet(x, rc))
        cmd_fail_x(prog, x, NULL);
    return rc;
}

/* What was put there after it was read must not be lost. */
static int
add_unlink_of(xylem_t *x, xylem_txn_t *txn, const char *key, const char *object)
{
    int rc = xylem_txn_expect(txn, key, object, xylem_hash(x));

    return rc == 0 ? xylem_txn_unlink(txn, key) : rc;
}

static int
unlink_source(const struct opt_program *prog, xylem_t *x, const char *key, const char *object)
{
    xylem_txn_t *txn = xylem_txn_new();
    int rc = commit_in(prog, x, source_ns, txn, add_unlink_of(x, txn, key, object));

    xylem_txn_free(txn);
    return rc;
}

/* The source is unlinked first in the one transaction: "move a a.b" then does what it can.  As commit_in(). */
static int
copy_key(const struct opt_program *prog, xylem_t *x, const char *from, const char *to, bool move)
{
    AUTO(free) char *object = NULL;
    xylem_txn_t *txn;
    int rc = xylem_lookup(x, source_ns, from, NULL, XYLEM_TREEOBJ, &object);

    if (rc < 0) {
        cmd_fail_x(prog, x, from);
        return rc == -EAGAIN ? -EIO : rc;
    }
    txn = xylem_txn_new();
    if (move && same_namespace())
        rc = add_unlink_of(x, txn, from, object);
    if (rc == 0)
        rc = xylem_txn_put_treeobj(txn, to, object, xylem_hash(x));
    rc = commit_in(prog, x, dest_ns, txn, rc);
    xylem_txn_free(txn);
    if (rc == 0 && move && !same_namespace())
        rc = unlink_source(prog, x, from, object);
    return rc;
}

static int
run_copy(const struct opt_program *prog, int argc, char **argv, bool move)
{
    int i = cmd_parse(prog, argc, argv, 2, 2);
    xylem_t *x = cmd_open(prog);
    int tries = TRIES;
    int rc;

    source_ns = source_ns ? source_ns : kvs_ns;
    dest_ns = dest_ns ? dest_ns : kvs_ns;
    rc = copy_key(prog, x, argv[i], argv[i + 1], move);
    while (kvs_is_unmet(x, rc) && --tries > 0) {
        kvs_catch_up(x, source_ns);
        rc = copy_key(prog, x, argv[i], argv[i + 1], move);
    }
    if (kvs_is_unmet(x, rc))
        cmd_fail_x(prog, x, NULL); // somebody else writes it all the time
    xylem_close(x);
    return rc < 0 ? CMD_FAILED : CMD_OK;
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
