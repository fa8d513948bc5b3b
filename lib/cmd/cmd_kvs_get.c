/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_get.c - xylem kvs get and readlink: print what keys hold, once or at each change.
 *
 * Without --watch keys are printed one after the other; with it all at once, as answers come.  A value
 * of any length is written in the pieces it is stored in. */
#include "cmd_kvs_util.h"
#include "follow.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

/* --- get --- */

static bool raw;
static bool as_treeobj;
static bool label;
static bool watch;
static bool waitcreate;
static bool uniq;
static bool append;
static bool full;
static bool stream;
static long count;

static const struct opt get_options[] = {
    KVS_OPTION_NS,
    {'r', "raw", NULL, OPT_FLAG, &raw, "print the bytes of the value only, no newline", 0, 0},
    {'t', "treeobj", NULL, OPT_FLAG, &as_treeobj, "print the tree object", 0, 0},
    {'l', "label", NULL, OPT_FLAG, &label, "print KEY= in front", 0, 0},
    {'W', "waitcreate", NULL, OPT_FLAG, &waitcreate, "wait for a key that does not exist", 0, 0},
    {'w', "watch", NULL, OPT_FLAG, &watch, "print the value again whenever it is written", 0, 0},
    {'u', "uniq", NULL, OPT_FLAG, &uniq, "with -w: not when it is the same", 0, 0},
    {'A', "append", NULL, OPT_FLAG, &append, "with -w: only what was appended", 0, 0},
    {'f', "full", NULL, OPT_FLAG, &full, "with -w: also when a directory above was replaced", 0, 0},
    {'c', "count", "N", OPT_LONG, &count, "with -w: stop after N values (0: never)", 0, INT32_MAX},
    {'S', "stream", NULL, OPT_FLAG, &stream, "print each blob of the value as it comes", 0, 0},
    KVS_OPTION_AT,
    {0},
};
static const struct opt_program get_program = {
    .name = "xylem kvs get",
    .synopsis = "[OPTIONS] KEY...",
    .description = "Print the values of keys, each with a newline.",
    .options = get_options,
};

static void
print_label(const char *key)
{
    if (label)
        printf("%s=", key);
}

/* An empty value prints nothing at all, as in Flux, unless there is a label. */
static void
print_bytes(const char *key, const void *data, size_t size)
{
    print_label(key);
    cmd_write(data, size);
    if (!raw && (size > 0 || label))
        putchar('\n');
}

/* --- once --- */

/* A value that is printed in pieces. */
struct pieces {
    const char *key; // borrowed
    bool any;
};

static int
print_piece(void *arg, const void *data, size_t size)
{
    struct pieces *p = arg;

    if (!p->any)
        print_label(p->key);
    p->any = true;
    cmd_write(data, size);
    return cmd_output_failed() ? CMD_FAILED : 0;
}

static void
end_pieces(struct pieces *p)
{
    if (!p->any)
        print_bytes(p->key, "", 0);
    else if (!raw)
        putchar('\n');
}

static int
print_value(xylem_t *x, const char *key, const char *at)
{
    struct pieces p = {.key = key};
    int rc = xylem_read(x, kvs_ns, key, at, print_piece, &p);

    if (rc == 0)
        end_pieces(&p);
    return rc < 0 ? cmd_fail_x(&get_program, x, key) : rc;
}

static int
print_treeobj(xylem_t *x, const char *key, const char *at)
{
    AUTO(free) char *text = NULL;
    int wait = waitcreate ? XYLEM_WAITCREATE : 0;

    if (xylem_lookup(x, kvs_ns, key, at, XYLEM_TREEOBJ | wait, &text) < 0)
        return cmd_fail_x(&get_program, x, key);
    print_label(key);
    puts(text);
    return CMD_OK;
}

/* What the answer brings is printed: later the key may be gone again. */
static int
await_value(xylem_t *x, const char *key)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(free) void *data = NULL;
    const char *error = err_name(EPROTO);
    size_t size;
    int rc = kvs_read(x, key, NULL, XYLEM_WAITCREATE, &obj, &error);

    if (rc == -EOVERFLOW) // too long for an answer
        return print_value(x, key, NULL);
    if (rc < 0)
        return cmd_fail_about(&get_program, key, error);
    if (treeobj_type(obj) != TREEOBJ_VAL || treeobj_val_decode(obj, &data, &size) < 0)
        return cmd_fail_about(&get_program, key, err_name(EPROTO));
    print_bytes(key, data, size);
    return CMD_OK;
}

/* --- streams --- */

/* The text of the tree object in an answer, and a newline. */
static int
print_object(const struct stream *s, const struct xylem_reply *reply)
{
    AUTO(free) char *text = NULL;

    if (xylem_lookup_object(s->follow->x, reply, &text) < 0)
        return cmd_fail_x(&get_program, s->follow->x, s->key);
    print_label(s->key);
    puts(text);
    return FOLLOW_ON;
}

static int
on_change(struct stream *s, const struct xylem_reply *reply)
{
    AUTO(free) void *data = NULL;
    long *left = s->follow->arg;
    int status = FOLLOW_ON;
    size_t size;

    if (reply->rc < 0)
        return follow_end(s, reply);
    if (as_treeobj)
        status = print_object(s, reply);
    else if (xylem_lookup_value(s->follow->x, reply, &data, &size) < 0)
        status = cmd_fail_x(&get_program, s->follow->x, s->key);
    else
        print_bytes(s->key, data, size);
    if (status == FOLLOW_ON && *left > 0 && --*left == 0)
        status = CMD_OK;
    return status;
}

static int
watch_keys(xylem_t *x, int nkeys, char **keys)
{
    struct follow f = {.prog = &get_program,
                       .x = x,
                       .fn = on_change,
                       .arg = &count,
                       .timeout_ms = -1,
                       .flags = XYLEM_WATCH | (waitcreate ? XYLEM_WAITCREATE : 0) |
                                (as_treeobj ? XYLEM_TREEOBJ : 0) | (uniq ? XYLEM_WATCH_UNIQ : 0) |
                                (full ? XYLEM_WATCH_FULL : 0) | (append ? XYLEM_WATCH_APPEND : 0)};

    return follow_keys(&f, nkeys, keys, NULL);
}

static int
on_blob(struct stream *s, const struct xylem_reply *reply)
{
    AUTO(free) void *data = NULL;
    struct pieces *p = s->follow->arg;
    size_t size;

    if (reply->rc == -ENODATA)
        end_pieces(p);
    if (reply->rc < 0)
        return follow_end(s, reply);
    if (xylem_lookup_value(s->follow->x, reply, &data, &size) < 0)
        return cmd_fail_x(&get_program, s->follow->x, s->key);
    if (size > 0 && print_piece(p, data, size) != 0)
        return CMD_FAILED;
    return FOLLOW_ON;
}

static int
stream_value(xylem_t *x, char *key)
{
    struct pieces p = {.key = key};
    struct follow f = {.prog = &get_program,
                       .x = x,
                       .fn = on_blob,
                       .arg = &p,
                       .timeout_ms = -1,
                       .flags = XYLEM_STREAM | (waitcreate ? XYLEM_WAITCREATE : 0)};

    return follow_keys(&f, 1, &key, NULL);
}

/* --- all of it --- */

static void
check_options(void)
{
    if (watch && stream)
        opt_usage_error(&get_program, "--watch and --stream exclude each other");
    if (kvs_at && (watch || stream || waitcreate))
        opt_usage_error(&get_program, "a root of old does not change: no --at with --watch, "
                                      "--waitcreate or --stream");
    if (stream && as_treeobj)
        opt_usage_error(&get_program, "--stream and --treeobj exclude each other");
}

static int
get_one(xylem_t *x, char *key, const char *at)
{
    if (stream)
        return stream_value(x, key);
    if (as_treeobj)
        return print_treeobj(x, key, at);
    return waitcreate ? await_value(x, key) : print_value(x, key, at);
}

int
kvs_get(int argc, char **argv)
{
    int i = cmd_parse(&get_program, argc, argv, 1, CMD_MANY);
    const char *at = kvs_at_blobref(&get_program);
    int status = CMD_OK;
    xylem_t *x;

    check_options();
    x = cmd_open(&get_program);
    if (watch)
        status = watch_keys(x, argc - i, argv + i);
    for (; !watch && i < argc && status == CMD_OK; i++)
        status = get_one(x, argv[i], at);
    xylem_close(x);
    return status;
}

/* --- readlink --- */

static bool namespace_only;
static bool key_only;

static const struct opt readlink_options[] = {
    KVS_OPTION_NS,
    {'o', "namespace-only", NULL, OPT_FLAG, &namespace_only, "print the target's namespace", 0, 0},
    {'k', "key-only", NULL, OPT_FLAG, &key_only, "print the target's key without namespace", 0, 0},
    KVS_OPTION_AT,
    {0},
};
static const struct opt_program readlink_program = {
    .name = "xylem kvs readlink",
    .synopsis = "[OPTIONS] KEY...",
    .description = "Print where symbolic links lead to.",
    .options = readlink_options,
};

static void
print_link(const struct treeobj *link)
{
    const char *ns = treeobj_link_namespace(link);

    if (namespace_only)
        puts(ns ? ns : "");
    else if (ns && !key_only)
        printf("%s::%s\n", ns, treeobj_link_target(link));
    else
        puts(treeobj_link_target(link));
}

int
kvs_readlink(int argc, char **argv)
{
    int i = cmd_parse(&readlink_program, argc, argv, 1, CMD_MANY);
    const char *at = kvs_at_blobref(&readlink_program);
    xylem_t *x = cmd_open(&readlink_program);
    int status = CMD_OK;

    for (; i < argc && status == CMD_OK; i++) {
        AUTO(treeobj) struct treeobj *obj = NULL;
        const char *error;

        if (kvs_read(x, argv[i], at, XYLEM_READLINK, &obj, &error) < 0)
            status = cmd_fail_about(&readlink_program, argv[i], error);
        else if (treeobj_type(obj) != TREEOBJ_SYMLINK)
            status = cmd_fail_about(&readlink_program, argv[i], err_name(EINVAL));
        else
            print_link(obj);
    }
    xylem_close(x);
    return status;
}
