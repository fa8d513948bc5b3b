/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_dir.c - xylem kvs dir: what a directory holds, with values.
 *
 *     a.b = VALUE        a value, cut to one line of the terminal
 *     a.c.               a directory (with -R: what is in it instead)
 *     a.d -> a.b         a symbolic link
 *
 * Everything is read below one root, so the output shows one state of the store. */
#include "cmd_kvs_util.h"
#include "value_line.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

static bool names_only;

static const struct opt options[] = {
    KVS_OPTION_NS,
    KVS_OPTION_RECURSIVE,
    {'d', "directory", NULL, OPT_FLAG, &names_only, "print no values", 0, 0},
    KVS_OPTION_WIDTH("cut lines to N characters; 0: print all"),
    KVS_OPTION_AT,
    {0},
};
static const struct opt_program program = {
    .name = "xylem kvs dir",
    .synopsis = "[OPTIONS] [KEY]",
    .description = "List a directory with the values in it.",
    .options = options,
};

static int list_dir(const struct kvs_view *v, const char *key);

static int
print_value(const struct kvs_view *v, const char *key, const struct treeobj *entry)
{
    AUTO(treeobj) struct treeobj *val = NULL;
    AUTO(free) void *data = NULL;
    const char *error = err_name(EPROTO);
    size_t size;
    int rc = 0;

    if (treeobj_type(entry) == TREEOBJ_VAL)
        val = treeobj_ref(entry);
    else
        rc = kvs_read(v->x, key, v->root, 0, &val, &error);
    if (rc == 0)
        rc = treeobj_val_decode(val, &data, &size);
    if (rc < 0)
        return cmd_fail_about(&program, key, error);
    value_line_print(key, data, size, v->width);
    return CMD_OK;
}

static int
list_entry(const struct kvs_view *v, const char *key, const struct treeobj *entry)
{
    switch (treeobj_type(entry)) {
    case TREEOBJ_SYMLINK:
        value_line_print_link(key, entry);
        return CMD_OK;
    case TREEOBJ_DIR:
    case TREEOBJ_DIRREF:
        if (kvs_recursive)
            return list_dir(v, key);
        printf("%s.\n", key);
        return CMD_OK;
    case TREEOBJ_VAL:
    case TREEOBJ_VALREF:
    case TREEOBJ_HDIR: // never an entry
        break;
    }
    if (!names_only)
        return print_value(v, key, entry);
    puts(key);
    return CMD_OK;
}

static int
list_dir(const struct kvs_view *v, const char *key)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    const char *error;
    int status = CMD_OK;

    if (kvs_read(v->x, key, v->root, XYLEM_READDIR, &dir, &error) < 0)
        return cmd_fail_about(&program, key, error);
    for (size_t i = 0; i < treeobj_dir_count(dir) && status == CMD_OK; i++) {
        AUTO(free) char *name = kvs_join(key, treeobj_dir_name(dir, i));

        status = list_entry(v, name, treeobj_dir_entry(dir, i));
    }
    return cmd_output_failed() ? CMD_FAILED : status;
}

int
kvs_dir(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 0, 1);
    struct kvs_view v;
    int status = kvs_open_view(&program, kvs_width(80), &v);

    if (status == CMD_OK)
        status = list_dir(&v, i < argc ? argv[i] : ".");
    xylem_close(v.x);
    return status;
}
