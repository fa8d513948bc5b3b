/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_util.c - options, look-ups and commits shared by the commands below `xylem kvs`. */
#include "cmd_kvs_util.h"
#include "blobref.h"
#include "key.h"
#include "root_arg.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *kvs_ns;
const char *kvs_at;
bool kvs_recursive;
long kvs_width_option = -1;

/* --- reading --- */

const char *
kvs_at_blobref(const struct opt_program *prog)
{
    static char ref[XYLEM_BLOBREF_MAX]; // found once, kept for the life of the process
    xylem_t *x;
    int status;

    if (!kvs_at || ref[0])
        return kvs_at ? ref : NULL;
    if (!root_arg_is_valid(kvs_at))
        opt_usage_error(prog, "--at: '%s' is neither a blobref, a dirref nor a sequence number",
                        kvs_at);
    x = cmd_open(prog); // for a sequence number
    status = root_arg_find(prog, x, kvs_at, ref);
    xylem_close(x);
    if (status != CMD_OK)
        exit(status);
    return ref;
}

int
kvs_open_view(const struct opt_program *prog, size_t width, struct kvs_view *ret)
{
    const char *ref = kvs_at_blobref(prog);
    struct xylem_root root;

    *ret = (struct kvs_view){.x = cmd_open(prog), .width = width};
    if (!ref && xylem_getroot(ret->x, kvs_ns, &root) < 0)
        return cmd_fail_x(prog, ret->x, NULL);
    snprintf(ret->root, sizeof(ret->root), "%s", ref ? ref : root.rootref);
    return CMD_OK;
}

int
kvs_read(xylem_t *x, const char *key, const char *at, int flags, struct treeobj **ret,
         const char **ret_error)
{
    static struct err err;
    AUTO(free) char *text = NULL;
    const char *hash = xylem_hash(x);
    enum digest_alg alg;
    int rc = xylem_lookup(x, kvs_ns, key, at, flags, &text);

    if (rc < 0) {
        *ret_error = xylem_error(x);
        return rc;
    }
    *ret_error = err.text;
    if (!hash || digest_alg_parse(hash, &alg) < 0)
        return err_set(&err, -EPROTO, "the instance's hash algorithm is unknown");
    return treeobj_decode(alg, text, strlen(text), ret, &err);
}

char *
kvs_join(const char *parent, const char *name)
{
    struct buf b = BUF_INIT;

    if (strcmp(parent, ".") != 0)
        buf_printf(&b, "%s.", parent);
    key_quote_name(name, &b);
    return buf_detach(&b, NULL);
}

/* --- writing --- */

void
kvs_print_dirref(const char *blobref)
{
    printf("{\"ver\":1,\"type\":\"dirref\",\"data\":[\"%s\"]}\n", blobref);
}

/* --- the terminal --- */

size_t
kvs_width(size_t otherwise)
{
    const char *columns = getenv("COLUMNS");
    struct winsize w;
    long n;

    if (kvs_width_option >= 0)
        return (size_t)kvs_width_option;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    if (columns && units_parse_long(columns, 1, 10000, &n) == 0)
        return (size_t)n;
    return otherwise;
}
