/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_dir.c - xylem kvs dir: what a directory holds, with values.
 *
 *     a.b = VALUE        a value, cut to one line of the terminal
 *     a.c.               a directory (with -R: what is in it instead)
 *     a.d -> a.b         a symbolic link
 *
 * Everything is read below one root, so the output shows one state of the store. */
#include "cmd_kvs_util.h"
#include "buf.h"
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
print_val(const struct kvs_view *v, const char *key, const struct treeobj *val)
{
    AUTO(free) void *data = NULL;
    size_t size;

    if (treeobj_val_decode(val, &data, &size) < 0)
        return cmd_fail_about(&program, key, err_name(EPROTO));
    value_line_print(key, data, size, v->width, false);
    return CMD_OK;
}

static int
print_whole(const struct kvs_view *v, const char *key)
{
    AUTO(treeobj) struct treeobj *val = NULL;
    const char *error;

    if (kvs_read(v->x, key, v->root, 0, &val, &error) < 0)
        return cmd_fail_about(&program, key, error);
    return print_val(v, key, val);
}

/* The beginning of a value. */
struct beginning {
    size_t width; // of its line
    struct buf data;
};

static int
add_piece(void *arg, const void *data, size_t size)
{
    struct beginning *b = arg;

    buf_add(&b->data, data, size);
    return value_line_is_enough(buf_str(&b->data), b->data.size, b->width) ? 1 : 0;
}

/* No more of it is read than is shown. */
static int
print_valref(const struct kvs_view *v, const char *key)
{
    struct beginning b = {.width = v->width, .data = BUF_INIT};
    int rc;

    if (v->width == 0)
        return print_whole(v, key);
    rc = xylem_read(v->x, kvs_ns, key, v->root, add_piece, &b);
    if (rc >= 0)
        value_line_print(key, buf_str(&b.data), b.data.size, v->width, rc > 0);
    buf_fini(&b.data);
    return rc < 0 ? cmd_fail_x(&program, v->x, key) : CMD_OK;
}

static int
list_entry(const struct kvs_view *v, const char *key, const struct treeobj *entry)
{
    AUTO(free) char *link = NULL;

    switch (treeobj_type(entry)) {
    case TREEOBJ_SYMLINK:
        link = value_line_format_link(key, entry);
        puts(link);
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
        return treeobj_type(entry) == TREEOBJ_VAL ? print_val(v, key, entry) : print_valref(v, key);
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
