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
#include "utf8.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* A value may be anything: what a terminal could not show becomes a dot. */
static void
make_printable(struct buf *line)
{
    bool is_text = utf8_is_valid(line->data, line->size);

    for (size_t i = 0; i < line->size; i++) {
        unsigned char c = (unsigned char)line->data[i];

        if (c < ' ' || c == 0x7f || (c > 0x7f && !is_text))
            line->data[i] = '.';
    }
}

/* Shorten to `width` bytes, without leaving a part of a character. */
static void
cut_line(struct buf *line, size_t width)
{
    line->size = MAX(width, 3) - 3;
    while (line->size > 0 && ((unsigned char)line->data[line->size] & 0xc0) == 0x80)
        line->size--;
    buf_add_str(line, "...");
}

static size_t
first_line(const char *data, size_t size)
{
    const char *newline = memchr(data, '\n', size);

    return newline ? (size_t)(newline - data) : size;
}

/* "KEY = VALUE": the first line of the value, or with no limit of width all of it as it is. */
static void
print_line(const struct kvs_view *v, const char *key, const char *data, size_t size)
{
    AUTO(buf) struct buf line = BUF_INIT;
    size_t shown;

    if (v->width && size > 0 && data[size - 1] == '\n')
        size--;
    shown = v->width ? first_line(data, size) : size;
    buf_printf(&line, "%s = ", key);
    buf_add(&line, data, shown);
    if (v->width)
        make_printable(&line);
    if (v->width && (shown < size || line.size > v->width))
        cut_line(&line, MIN(v->width, line.size + 3));
    cmd_write(line.data, line.size);
    putchar('\n');
}

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
        return cmd_fail(&program, "%s: %s", key, error);
    print_line(v, key, data, size);
    return CMD_OK;
}

static void
print_link(const char *key, const struct treeobj *link)
{
    const char *ns = treeobj_link_namespace(link);

    printf("%s -> %s%s%s\n", key, ns ? ns : "", ns ? "::" : "", treeobj_link_target(link));
}

static int
list_entry(const struct kvs_view *v, const char *key, const struct treeobj *entry)
{
    switch (treeobj_type(entry)) {
    case TREEOBJ_SYMLINK:
        print_link(key, entry);
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
        return cmd_fail(&program, "%s: %s", key, error);
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
