/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_commit.c - what the commands that commit have in common: conditions, an id, and what they print
 * afterwards. */
#include "cmd_kvs_util.h"
#include "root_arg.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define LEADER 0u // the rank that commits

bool kvs_print_treeobj, kvs_print_blobref, kvs_print_sequence, kvs_no_merge, kvs_sync;
long kvs_if_version = -1;
struct opt_list kvs_if, kvs_if_missing;
const char *kvs_id;

/* "KEY=TREEOBJ"; without an object, or with null, as `get -t` would give for nothing: the key is missing. */
static int
expect_object(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn, const char *text)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    size_t length = strcspn(text, "=");
    AUTO(free) char *key = xstrndup(text, length);
    const char *object = text + length + 1;
    enum digest_alg alg;

    if (!object[0] || strcmp(object, "null") == 0)
        return xylem_txn_expect(txn, key, NULL, NULL);
    if (digest_alg_parse(xylem_hash(x), &alg) == 0 &&
        treeobj_decode(alg, object, strlen(object), &obj, NULL) < 0)
        opt_usage_error(prog, "--if: '%.100s': not a tree object, see `kvs get -t`", text);
    return xylem_txn_expect(txn, key, object, xylem_hash(x));
}

static int
add_conditions(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn)
{
    int rc = kvs_id ? xylem_txn_set_id(txn, kvs_id) : 0;

    if (rc == 0 && kvs_if_version >= 0)
        rc = xylem_txn_expect_version(txn, kvs_if_version);
    for (size_t i = 0; rc == 0 && i < kvs_if.count; i++)
        rc = expect_object(prog, x, txn, kvs_if.values[i]);
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

static void
print_root(const struct xylem_root *root)
{
    if (kvs_print_treeobj)
        kvs_print_dirref(root->rootref);
    if (kvs_print_blobref)
        puts(root->rootref);
    if (kvs_print_sequence)
        printf("%lld\n", (long long)root->sequence);
}

bool
kvs_has_conditions(void)
{
    return kvs_if_version >= 0 || kvs_if.count > 0 || kvs_if_missing.count > 0;
}

bool
kvs_is_unmet(const xylem_t *x, int rc)
{
    /* The bare name: a remote rank had no room. */
    return rc == -EAGAIN && strcmp(xylem_error(x), err_name(EAGAIN)) != 0;
}

void
kvs_catch_up(xylem_t *x, const char *ns)
{
    AUTO(free) char *root = NULL;
    AUTO(free) char *text = NULL;
    json_t *name = json_pack("{s:s,s:i}", "namespace", ns ? ns : root_arg_namespace(), "flags", 0);
    json_t *wait = NULL;

    text = name ? json_dumps(name, JSON_COMPACT) : NULL;
    if (text && xylem_rpc(x, "kvs.getroot", LEADER, text, &root) == 0)
        wait = json_loads(root, 0, NULL);
    if (wait && json_object_update(wait, name) == 0) {
        free(text);
        text = json_dumps(wait, JSON_COMPACT);
        xylem_rpc(x, "kvs.wait-version", XYLEM_RANK_ANY, text, NULL);
    }
    json_decref(name);
    json_decref(wait);
}

int
kvs_try_commit(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn, int *ret_rc)
{
    int flags = (kvs_no_merge ? XYLEM_NO_MERGE : 0) | (kvs_sync ? XYLEM_SYNC : 0);
    struct xylem_root root;

    *ret_rc = 0;
    check_options(prog);
    if (add_conditions(prog, x, txn) < 0)
        return cmd_fail(prog, "%s", xylem_txn_error(txn));
    *ret_rc = xylem_commit(x, kvs_ns, txn, flags, &root);
    if (*ret_rc < 0)
        return kvs_is_unmet(x, *ret_rc) ? CMD_UNMET : CMD_FAILED;
    print_root(&root);
    return CMD_OK;
}

int
kvs_commit(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn)
{
    int rc;
    int status = kvs_try_commit(prog, x, txn, &rc);

    if (rc < 0)
        cmd_fail_x(prog, x, NULL);
    return status;
}
