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
 * The state of a DIR is the directory as last seen.
 */
#include "cmd_kvs_util.h"
#include "blobref.h"
#include "buf.h"
#include "follow.h"
#include "value_line.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool waitcreate;
static long count;
static size_t width;

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

/* Of a long value the first blob is enough for a line. */
static int
print_valref(xylem_t *x, const char *key, const struct treeobj *valref)
{
    AUTO(buf) struct buf value = BUF_INIT;
    size_t nrefs;
    const struct digest *refs = treeobj_refs(valref, &nrefs);
    enum digest_alg alg;

    if (digest_alg_parse(xylem_hash(x), &alg) < 0)
        return cmd_fail_about(&program, key, err_name(EPROTO));
    for (size_t i = 0; i < nrefs && (i == 0 || width == 0); i++) {
        AUTO(free) void *data = NULL;
        char ref[BLOBREF_MAX];
        size_t size;

        if (xylem_load(x, blobref_format(alg, &refs[i], ref), 0, &data, &size) < 0)
            return cmd_fail_x(&program, x, key);
        buf_add(&value, data, size);
    }
    value_line_print(key, buf_str(&value), value.size, width);
    return FOLLOW_ON;
}

static int
print_val(const char *key, const struct treeobj *val)
{
    AUTO(free) void *data = NULL;
    size_t size;

    if (treeobj_val_decode(val, &data, &size) < 0)
        return cmd_fail_about(&program, key, err_name(EPROTO));
    value_line_print(key, data, size, width);
    return FOLLOW_ON;
}

static int
print_entry(const struct stream *s, const char *name, const struct treeobj *entry)
{
    AUTO(free) char *key = kvs_join(s->key, name);

    switch (treeobj_type(entry)) {
    case TREEOBJ_VAL:
        return print_val(key, entry);
    case TREEOBJ_VALREF:
        return print_valref(s->follow->x, key, entry);
    case TREEOBJ_SYMLINK:
        value_line_print_link(key, entry);
        break;
    case TREEOBJ_DIR:
    case TREEOBJ_DIRREF:
    case TREEOBJ_HDIR: // never an entry
        printf("%s.\n", key);
        break;
    }
    return FOLLOW_ON;
}

static void
print_removed(const struct stream *s, const char *name)
{
    AUTO(free) char *key = kvs_join(s->key, name);

    printf("%s (removed)\n", key);
}

/* --- directories --- */

static bool
are_equal(const struct treeobj *a, const struct treeobj *b)
{
    AUTO(buf) struct buf one = BUF_INIT;
    AUTO(buf) struct buf other = BUF_INIT;

    treeobj_encode(DIGEST_BLAKE2B, a, &one); // any algorithm: it only names the references
    treeobj_encode(DIGEST_BLAKE2B, b, &other);
    return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

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
static int
print_differences(const struct stream *s, const struct treeobj *old, const struct treeobj *new)
{
    int status = FOLLOW_ON;
    size_t i = 0;
    size_t j = 0;

    while (status == FOLLOW_ON && (i < treeobj_dir_count(old) || j < treeobj_dir_count(new))) {
        int order = compare_next(old, i, new, j);

        if (order < 0)
            print_removed(s, treeobj_dir_name(old, i));
        else if (order > 0 || !are_equal(treeobj_dir_entry(old, i), treeobj_dir_entry(new, j)))
            status = print_entry(s, treeobj_dir_name(new, j), treeobj_dir_entry(new, j));
        i += order <= 0;
        j += order >= 0;
    }
    return status;
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
    struct treeobj *old = s->state ? s->state : treeobj_new_dir();
    int status;

    s->state = TAKE(*dir);
    status = print_differences(s, old, s->state);
    treeobj_unref(&old);
    return status == FOLLOW_ON ? one_less() : status;
}

/* --- answers --- */

/* A value: the answer prints as it is, a directory: what is different. */
static int
take_object(struct stream *s, const char *text)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    enum digest_alg alg;
    struct err err;
    int status;

    if (digest_alg_parse(xylem_hash(s->follow->x), &alg) < 0 ||
        treeobj_decode(alg, text, strlen(text), &obj, &err) < 0)
        return cmd_fail_about(&program, s->key, err_name(EPROTO));
    if (treeobj_type(obj) == TREEOBJ_DIR)
        return take_dir(s, &obj);
    if (treeobj_type(obj) != TREEOBJ_VAL)
        return cmd_fail_about(&program, s->key, err_name(EPROTO));
    status = print_val(s->key, obj);
    return status == FOLLOW_ON ? one_less() : status;
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

int
kvs_watch(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 1, CMD_MANY);
    struct follow f = {.prog = &program, .fn = on_change, .timeout_ms = -1, .flags = dir_flags()};
    int status;

    width = kvs_width(80);
    f.x = cmd_open(&program);
    status = follow_keys(&f, argc - i, argv + i, free_dir);
    xylem_close(f.x);
    return status;
}
