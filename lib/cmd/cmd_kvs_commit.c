/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_commit.c - what the commands that commit have in common: conditions, an id, and what they print
 * afterwards. */
#include "cmd_kvs_util.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>

bool kvs_print_treeobj, kvs_print_blobref, kvs_print_sequence, kvs_no_merge, kvs_sync;
long kvs_if_version = -1;
struct opt_list kvs_if, kvs_if_missing;
const char *kvs_id;

/* "KEY=TREEOBJ" */
static int
expect_object(xylem_t *x, xylem_txn_t *txn, const char *text)
{
    size_t length = strcspn(text, "=");
    AUTO(free) char *key = xstrndup(text, length);

    return xylem_txn_expect(txn, key, text + length + 1, xylem_hash(x));
}

static int
add_conditions(xylem_t *x, xylem_txn_t *txn)
{
    int rc = kvs_id ? xylem_txn_set_id(txn, kvs_id) : 0;

    if (rc == 0 && kvs_if_version >= 0)
        rc = xylem_txn_expect_version(txn, kvs_if_version);
    for (size_t i = 0; rc == 0 && i < kvs_if.count; i++)
        rc = expect_object(x, txn, kvs_if.values[i]);
    for (size_t i = 0; rc == 0 && i < kvs_if_missing.count; i++)
        rc = xylem_txn_expect(txn, kvs_if_missing.values[i], NULL, NULL);
    return rc;
}

static void
check_options(const struct opt_program *prog)
{
    for (size_t i = 0; i < kvs_if.count; i++) {
        if (!strchr(kvs_if.values[i], '='))
            opt_usage_error(prog, "--if: '%s' is not KEY=TREEOBJ", kvs_if.values[i]);
    }
}

int
kvs_commit(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn)
{
    int flags = (kvs_no_merge ? XYLEM_NO_MERGE : 0) | (kvs_sync ? XYLEM_SYNC : 0);
    struct xylem_root root;

    check_options(prog);
    if (add_conditions(x, txn) < 0)
        return cmd_fail(prog, "%s", xylem_txn_error(txn));
    if (xylem_commit(x, kvs_ns, txn, flags, &root) < 0)
        return cmd_fail_x(prog, x, NULL);
    if (kvs_print_treeobj)
        kvs_print_dirref(root.rootref);
    if (kvs_print_blobref)
        puts(root.rootref);
    if (kvs_print_sequence)
        printf("%lld\n", (long long)root.sequence);
    return CMD_OK;
}
