/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_put.c - xylem kvs put: several keys in one transaction. */
#include "cmd_kvs_util.h"
#include "buf.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool raw;
static bool as_treeobj;
static bool append;

static const struct opt options[] = {
    KVS_OPTION_NS,
    KVS_OPTIONS_COMMIT,
    {'r', "raw", NULL, OPT_FLAG, &raw, "values are raw bytes (they always are)", 0, 0},
    {'t', "treeobj", NULL, OPT_FLAG, &as_treeobj, "values are tree objects", 0, 0},
    {'A', "append", NULL, OPT_FLAG, &append, "append to the values there", 0, 0},
    {'n', "no-merge", NULL, OPT_FLAG, &kvs_no_merge, "a root of its own for this transaction", 0,
     0},
    {'S', "sync", NULL, OPT_FLAG, &kvs_sync, "also record a checkpoint", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem kvs put",
    .synopsis = "[OPTIONS] KEY=VALUE...",
    .description = "Set keys, all or none.  The value - stands for standard input.",
    .options = options,
};

static int
add(xylem_t *x, xylem_txn_t *txn, const char *key, const char *data, size_t size)
{
    int rc;

    if (as_treeobj)
        rc = xylem_txn_put_treeobj(txn, key, data, xylem_hash(x));
    else if (append)
        rc = xylem_txn_append(txn, key, data, size);
    else
        rc = xylem_txn_put(txn, key, data, size);
    return rc < 0 ? cmd_fail(&program, "%s", xylem_txn_error(txn)) : CMD_OK;
}

static int
add_stdin(xylem_t *x, xylem_txn_t *txn, const char *key)
{
    AUTO(buf) struct buf b = BUF_INIT;
    int rc = buf_read_fd(&b, STDIN_FILENO, 1 << 30);

    if (rc < 0)
        return cmd_fail(&program, "%s: standard input: %s", key, err_name(rc));
    return add(x, txn, key, buf_str(&b), b.size);
}

static int
add_pair(xylem_t *x, xylem_txn_t *txn, const char *pair)
{
    size_t length = strcspn(pair, "=");
    AUTO(free) char *key = xstrndup(pair, length);
    const char *value = pair + length + 1;

    if (strcmp(value, "-") == 0)
        return add_stdin(x, txn, key);
    return add(x, txn, key, value, strlen(value));
}

int
kvs_put(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 1, CMD_MANY);
    xylem_t *x;
    xylem_txn_t *txn;
    int status = CMD_OK;

    for (int j = i; j < argc; j++) {
        if (!strchr(argv[j], '='))
            opt_usage_error(&program, "'%s' is not KEY=VALUE", argv[j]);
    }
    x = cmd_open(&program);
    txn = xylem_txn_new();
    for (; i < argc && status == CMD_OK; i++)
        status = add_pair(x, txn, argv[i]);
    if (status == CMD_OK)
        status = kvs_commit(&program, x, txn);
    xylem_txn_free(txn);
    xylem_close(x);
    return status;
}
