/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_watch.c - xylem kvs watch: what becomes of keys.
 *
 *     a.b = VALUE        a value, now and whenever it has changed
 *     d.x = VALUE        something in a directory: added or changed
 *     d.y.               a directory in it: made, or something in it has changed
 *     d.z -> a.b         a symbolic link
 *     d.w (removed)
 *
 * state of a key   event                     becomes
 * (asked as dir)   a directory               DIR: all entries, then those that differ
 *                  it is a value (ENOTDIR)   asked as value
 * (asked as value) a value                   VALUE
 *                  a directory (EISDIR)      asked as dir
 * DIR, VALUE       the other one now         asked as that
 * The state of a DIR is the directory as last seen.  Lines go through a queue (watch_lines.h), for a value
 * may have to be loaded: in a completion nothing may wait, it would take the next answer before this one is
 * done with.
 */
#include "cmd_kvs_util.h"
#include "follow.h"
#include "value_line.h"
#include "watch_lines.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool waitcreate;
static long count;

static const struct opt options[] = {
    KVS_OPTION_NS,
    {'W', "waitcreate", NULL, OPT_FLAG, &waitcreate, "wait for keys that do not exist", 0, 0},
    {'c', "count", "N", OPT_LONG, &count, "stop after N changes (0: never)", 0, INT32_MAX},
    KVS_OPTION_WIDTH("cut lines to N characters; 0: print all"),
    {0},
};
static const struct opt_program program = {
    .name = "xylem kvs watch",
    .synopsis = "[OPTIONS] KEY...",
    .description = "Print values, and what is in directories, now and at each change.",
    .options = options,
};

static int
value_flags(void)
{
    return XYLEM_WATCH | XYLEM_WATCH_FULL | (waitcreate ? XYLEM_WAITCREATE : 0);
}

static int
dir_flags(void)
{
    return value_flags() | XYLEM_READDIR;
}

static int
one_less(void)
{
    return count > 0 && --count == 0 ? CMD_OK : FOLLOW_ON;
}

/* --- entries --- */

static void
print_entry(const struct stream *s, const char *name, const struct treeobj *entry)
{
    struct watch_lines *lines = s->follow->arg;
    AUTO(free) char *key = kvs_join(s->key, name);
    char *text = NULL;

    switch (treeobj_type(entry)) {
    case TREEOBJ_VAL:
    case TREEOBJ_VALREF:
        watch_lines_add_value(lines, key, entry);
        return;
    case TREEOBJ_SYMLINK:
        text = value_line_format_link(key, entry);
        break;
    case TREEOBJ_DIR:
    case TREEOBJ_DIRREF:
    case TREEOBJ_HDIR: // never an entry
        text = xasprintf("%s.", key);
        break;
    }
    watch_lines_add(lines, &text);
}

static void
print_removed(const struct stream *s, const char *name)
{
    AUTO(free) char *key = kvs_join(s->key, name);
    char *text = xasprintf("%s (removed)", key);

    watch_lines_add(s->follow->arg, &text);
}

/* --- directories --- */

/* Order of the next entry of each; the end comes last. */
static int
compare_next(const struct treeobj *old, size_t i, const struct treeobj *new, size_t j)
{
    if (i == treeobj_dir_count(old))
        return 1;
    if (j == treeobj_dir_count(new))
        return -1;
    return strcmp(treeobj_dir_name(old, i), treeobj_dir_name(new, j));
}

/* Both are sorted by name. */
static void
print_differences(const struct stream *s, const struct treeobj *old, const struct treeobj *new)
{
    size_t i = 0;
    size_t j = 0;

    while (i < treeobj_dir_count(old) || j < treeobj_dir_count(new)) {
        int order = compare_next(old, i, new, j);

        if (order < 0)
            print_removed(s, treeobj_dir_name(old, i));
        else if (order > 0 || !treeobj_equal(treeobj_dir_entry(old, i), treeobj_dir_entry(new, j)))
            print_entry(s, treeobj_dir_name(new, j), treeobj_dir_entry(new, j));
        i += order <= 0;
        j += order >= 0;
    }
}

static void
free_dir(void *state)
{
    struct treeobj *dir = state;

    treeobj_unref(&dir);
}

static int
take_dir(struct stream *s, struct treeobj **dir)
{
    AUTO(treeobj) struct treeobj *old = s->state ? s->state : treeobj_new_dir();

    s->state = TAKE(*dir);
    print_differences(s, old, s->state);
    return one_less();
}

/* --- answers --- */

/* A value: the answer prints as it is, a directory: what is different. */
static int
take_object(struct stream *s, const char *text)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    enum digest_alg alg;
    struct err err;

    if (digest_alg_parse(xylem_hash(s->follow->x), &alg) < 0 ||
        treeobj_decode(alg, text, strlen(text), &obj, &err) < 0)
        return cmd_fail_about(&program, s->key, err_name(EPROTO));
    if (treeobj_type(obj) == TREEOBJ_DIR)
        return take_dir(s, &obj);
    if (treeobj_type(obj) != TREEOBJ_VAL)
        return cmd_fail_about(&program, s->key, err_name(EPROTO));
    watch_lines_add_value(s->follow->arg, s->key, obj);
    return one_less();
}

static int
on_change(struct stream *s, const struct xylem_reply *reply)
{
    AUTO(free) char *text = NULL;

    if (reply->rc < 0 && s->state) // what was there before is not what comes next
        free_dir(TAKE(s->state));
    if (reply->rc == -ENOTDIR)
        return follow_again(s, value_flags());
    if (reply->rc == -EISDIR)
        return follow_again(s, dir_flags());
    if (reply->rc < 0)
        return follow_end(s, reply);
    if (xylem_lookup_object(s->follow->x, reply, &text) < 0)
        return cmd_fail_x(&program, s->follow->x, s->key);
    return take_object(s, text);
}

static void
on_lost(void *arg, const char *key, const char *why)
{
    follow_stop(arg, key ? cmd_fail_about(&program, key, why) : CMD_FAILED);
}

static int
watch_keys(struct follow *f, int count_keys, char **keys)
{
    enum digest_alg alg;
    struct watch_lines *lines;
    int status;

    if (digest_alg_parse(xylem_hash(f->x), &alg) < 0)
        return cmd_fail(&program, "the instance's hash algorithm is unknown");
    lines = watch_lines_new(f->x, alg, kvs_width(80), on_lost, f);
    f->arg = lines;
    status = follow_keys(f, count_keys, keys, free_dir);
    if (watch_lines_finish(lines) < 0 && status == CMD_OK)
        status = CMD_FAILED;
    xylem_close(TAKE(f->x)); // completes what is on its way
    watch_lines_free(&lines);
    return status;
}

int
kvs_watch(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 1, CMD_MANY);
    struct follow f = {.prog = &program, .fn = on_change, .timeout_ms = -1, .flags = dir_flags()};
    int status;

    f.x = cmd_open(&program);
    status = watch_keys(&f, argc - i, argv + i);
    xylem_close(f.x); // NULL is fine
    return status;
}
