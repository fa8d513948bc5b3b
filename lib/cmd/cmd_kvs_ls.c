/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_ls.c - xylem kvs ls: the names in directories.
 *
 * As ls(1): keys that are no directories first, then each directory, with its name in front when
 * there is more than one thing to show.  Everything is read below one root. */
#include "cmd_kvs_util.h"
#include "buf.h"
#include "columns.h"
#include "key.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool directory;
static bool one_per_line;
static bool classify;

static const struct opt options[] = {
    KVS_OPTION_NS,
    KVS_OPTION_RECURSIVE,
    {'d', "directory", NULL, OPT_FLAG, &directory, "list directories themselves", 0, 0},
    KVS_OPTION_WIDTH("fill lines of N characters; 0: one line"),
    {'1', "1", NULL, OPT_FLAG, &one_per_line, "one name per line", 0, 0},
    {'F', "classify", NULL, OPT_FLAG, &classify, "mark directories with . and links with @", 0, 0},
    KVS_OPTION_AT,
    {0},
};
static const struct opt_program program = {
    .name = "xylem kvs ls",
    .synopsis = "[OPTIONS] [KEY...]",
    .description = "List the names in directories (default: the root).",
    .options = options,
};

struct listing {
    struct kvs_view view; // what is read; width 0 = all in one line
    bool titles;          // print the directory's name in front of its list
    bool printed;         // something was printed already: separate by an empty line
};

static bool
is_dir(const struct treeobj *obj)
{
    return treeobj_type(obj) == TREEOBJ_DIR || treeobj_type(obj) == TREEOBJ_DIRREF;
}

/* name is already quoted. */
static char *
decorate(const char *name, const struct treeobj *obj)
{
    const char *mark = "";

    if (classify && is_dir(obj))
        mark = ".";
    else if (classify && treeobj_type(obj) == TREEOBJ_SYMLINK)
        mark = "@";
    return xasprintf("%s%s", name, mark);
}

static void
print_names(struct listing *l, const struct columns *names)
{
    if (names->count == 0)
        return;
    columns_print(names, l->view.width);
    l->printed = true;
}

static void
print_dir(struct listing *l, const char *key, const struct treeobj *dir)
{
    AUTO(columns) struct columns names = COLUMNS_INIT;

    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        AUTO(free) char *name = kvs_join(".", treeobj_dir_name(dir, i));

        columns_add(&names, decorate(name, treeobj_dir_entry(dir, i)));
    }
    if (l->titles) {
        printf("%s%s:\n", l->printed ? "\n" : "", key);
        l->printed = true;
    }
    print_names(l, &names);
}

static int
list_dir(struct listing *l, const char *key)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    const char *error;
    int status = CMD_OK;

    if (kvs_read(l->view.x, key, l->view.root, XYLEM_READDIR, &dir, &error) < 0)
        return cmd_fail_about(&program, key, error);
    print_dir(l, key, dir);
    for (size_t i = 0; kvs_recursive && i < treeobj_dir_count(dir) && status == CMD_OK; i++) {
        AUTO(free) char *below = kvs_join(key, treeobj_dir_name(dir, i));

        if (is_dir(treeobj_dir_entry(dir, i)))
            status = list_dir(l, below);
    }
    return cmd_output_failed() ? CMD_FAILED : status;
}

/* Put each key where it belongs.  A key that is not there is told, and the others are listed. */
static int
sort_keys(struct listing *l, int count, char **keys, struct columns *singles, struct columns *dirs)
{
    int status = CMD_OK;

    for (int i = 0; i < count; i++) {
        AUTO(treeobj) struct treeobj *obj = NULL;
        const char *error;

        if (kvs_read(l->view.x, keys[i], l->view.root, XYLEM_TREEOBJ, &obj, &error) < 0)
            status = cmd_fail_about(&program, keys[i], error);
        else if (is_dir(obj) && !directory)
            columns_add(dirs, xstrdup(keys[i]));
        else
            columns_add(singles, decorate(keys[i], obj));
    }
    return status;
}

static int
list_keys(struct listing *l, int count, char **keys)
{
    AUTO(columns) struct columns singles = COLUMNS_INIT;
    AUTO(columns) struct columns dirs = COLUMNS_INIT;
    int status = sort_keys(l, count, keys, &singles, &dirs);

    print_names(l, &singles);
    l->titles = kvs_recursive || count > 1;
    for (size_t i = 0; i < dirs.count; i++) {
        if (list_dir(l, dirs.names[i]) != CMD_OK)
            status = CMD_FAILED;
    }
    return status;
}

/* Not on a terminal, a name on each line is what the next program wants. */
static size_t
choose_width(void)
{
    if (one_per_line)
        return 1;
    return kvs_width(isatty(STDOUT_FILENO) ? 80 : 1);
}

int
kvs_ls(int argc, char **argv)
{
    static char root_key[] = ".";
    char *default_keys[] = {root_key};
    int i = cmd_parse(&program, argc, argv, 0, CMD_MANY);
    struct listing l = {.titles = false};
    int status = kvs_open_view(&program, choose_width(), &l.view);

    if (status == CMD_OK && i < argc)
        status = list_keys(&l, argc - i, argv + i);
    else if (status == CMD_OK)
        status = list_keys(&l, 1, default_keys);
    xylem_close(l.view.x);
    return status;
}
