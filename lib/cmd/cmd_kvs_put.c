/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_put.c - xylem kvs put: several keys in one transaction.
 *
 * A value from standard input may be too long for a message, and for memory.  What is longer than
 * COMMIT_MAX is stored as blobs while it is read, cut where rank 0 would have cut it, and committed as
 * a valref: the root is the same either way.  To append so much, that valref begins with the blobs there
 * are, and the commit expects them. */
#include "cmd_kvs_util.h"
#include "blobref.h"
#include "buf.h"
#include "pipeline.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEADER 0u                       // the rank whose store counts
#define COMMIT_MAX ((size_t)16 << 20)   // bytes of a value that goes into the commit itself
#define OBJECT_MAX ((size_t)1 << 30)    // bytes of the text of a tree object
#define FLIGHT_BYTES ((size_t)16 << 20) // of blobs that are being stored, about

static bool raw;
static bool as_treeobj;
static bool append;

static const struct opt options[] = {
    KVS_OPTION_NS,
    KVS_OPTIONS_COMMIT,
    {'r', "raw", NULL, OPT_FLAG, &raw, "values are raw bytes (they always are)", 0, 0},
    {'t', "treeobj", NULL, OPT_FLAG, &as_treeobj, "values are tree objects", 0, 0},
    {'A', "append", NULL, OPT_FLAG, &append, "append to the values there", 0, 0},
    {'n', "no-merge", NULL, OPT_FLAG, &kvs_no_merge, "a root of its own for this transaction", 0,
     0},
    {'S', "sync", NULL, OPT_FLAG, &kvs_sync, "also record a checkpoint", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem kvs put",
    .synopsis = "[OPTIONS] KEY=VALUE...",
    .description = "Set keys, all or none.  The value - stands for standard input.",
    .options = options,
};

static int
add(xylem_t *x, xylem_txn_t *txn, const char *key, const char *data, size_t size)
{
    int rc;

    if (as_treeobj)
        rc = xylem_txn_put_treeobj(txn, key, data, xylem_hash(x));
    else if (append)
        rc = xylem_txn_append(txn, key, data, size);
    else
        rc = xylem_txn_put(txn, key, data, size);
    return rc < 0 ? cmd_fail(&program, "%s", xylem_txn_error(txn)) : CMD_OK;
}

/* --- long values --- */

/* A value that is being stored in pieces. */
static struct pieces {
    struct pipeline *stores; // owned; freed when the connection is closed
    size_t limit;            // bytes of a piece
    struct buf refs;         // JSON strings with commas between them
} pieces;

static int
add_ref(void *arg, const struct pipeline_slot *slot)
{
    struct pieces *p = arg;

    if (slot->rc < 0)
        return cmd_fail(&program, "standard input: %s", slot->error);
    buf_printf(&p->refs, "%s\"%s\"", p->refs.size > 0 ? "," : "", slot->data);
    return CMD_OK;
}

static int
store_piece(struct pieces *p, const char *data, size_t size)
{
    struct pipeline_slot *slot;
    int rc = pipeline_drain(p->stores, MIN(FLIGHT_BYTES / p->limit, PIPELINE_WINDOW - 1));

    if (rc == 0)
        rc = pipeline_begin(p->stores, NULL, &slot);
    if (rc != 0)
        return rc;
    rc = xylem_store_async(p->stores->x, data, size, 0, pipeline_complete, slot);
    if (rc < 0)
        pipeline_undo(p->stores);
    return rc;
}

/* All whole pieces at the beginning of b; the rest moves to the front. */
static int
store_whole_pieces(struct pieces *p, struct buf *b)
{
    size_t done = 0;
    int rc = 0;

    for (; rc == 0 && b->size - done >= p->limit; done += p->limit)
        rc = store_piece(p, b->data + done, p->limit);
    b->size -= done;
    memmove(b->data, b->data + done, b->size);
    return rc;
}

/* What is in b, and all that follows it. */
static int
store_input(struct pieces *p, struct buf *b)
{
    size_t step = MAX(p->limit, COMMIT_MAX);
    int more = 1;
    int rc = 0;

    while (rc == 0 && more == 1) {
        rc = store_whole_pieces(p, b);
        if (rc == 0)
            more = buf_fill_fd(b, STDIN_FILENO, step - b->size);
        if (more < 0)
            return cmd_fail(&program, "standard input: %s", err_name(more));
    }
    if (rc == 0)
        rc = store_whole_pieces(p, b);
    if (rc == 0 && b->size > 0)
        rc = store_piece(p, b->data, b->size);
    return rc == 0 ? pipeline_finish(p->stores) : rc;
}

/* The commit vouches for its own blobs only: these must be safe before it.  Without a backing store
 * nothing is. */
static int
make_safe(xylem_t *x)
{
    int rc = xylem_flush(x, LEADER);

    return rc == -ENOSYS ? 0 : rc;
}

/* content.blob-size-limit: what rank 0 cuts values into. */
static int
piece_size(xylem_t *x, size_t *ret)
{
    AUTO(free) char *text = NULL;
    uint64_t bytes;
    int rc = xylem_getattr(x, "content.blob-size-limit", &text);

    if (rc < 0)
        return rc;
    rc = units_parse_size(text, &bytes);
    *ret = (size_t)bytes;
    return rc == 0 && bytes > 0 ? 0 : -EPROTO;
}

static int
add_valref(xylem_t *x, xylem_txn_t *txn, const char *key, const struct buf *refs)
{
    AUTO(free)
    char *text = xasprintf("{\"data\":[%s],\"type\":\"valref\",\"ver\":1}", buf_str(refs));
    int rc = xylem_txn_put_treeobj(txn, key, text, xylem_hash(x));

    return rc < 0 ? cmd_fail(&program, "%s", xylem_txn_error(txn)) : CMD_OK;
}

/* The blobs of what the key holds, with a comma behind each.  A val becomes a blob, as in any append. */
static int
add_old_refs(xylem_t *x, const char *key, enum digest_alg alg, const struct treeobj *old,
             struct buf *refs)
{
    AUTO(free) void *data = NULL;
    char ref[XYLEM_BLOBREF_MAX];
    const struct digest *d;
    size_t size;

    switch (treeobj_type(old)) {
    case TREEOBJ_VAL:
        if (treeobj_val_decode(old, &data, &size) < 0)
            return cmd_fail_about(&program, key, err_name(EPROTO));
        if (xylem_store(x, data, size, 0, ref) < 0)
            return cmd_fail_x(&program, x, key);
        buf_printf(refs, "\"%s\",", ref);
        return CMD_OK;
    case TREEOBJ_VALREF:
        d = treeobj_refs(old, &size);
        for (size_t i = 0; i < size; i++)
            buf_printf(refs, "\"%s\",", blobref_format(alg, &d[i], ref));
        return CMD_OK;
    case TREEOBJ_SYMLINK:
        return cmd_fail_about(&program, key, err_name(EOPNOTSUPP));
    case TREEOBJ_DIR:
    case TREEOBJ_DIRREF:
    case TREEOBJ_HDIR:
        break;
    }
    return cmd_fail_about(&program, key, err_name(EISDIR));
}

/* The commit fails when somebody else writes the key meanwhile. */
static int
add_appended(xylem_t *x, xylem_txn_t *txn, const char *key, const struct buf *refs)
{
    AUTO(treeobj) struct treeobj *old = NULL;
    AUTO(buf) struct buf text = BUF_INIT;
    AUTO(buf) struct buf all = BUF_INIT;
    const char *error = err_name(EPROTO);
    enum digest_alg alg = DIGEST_BLAKE2B;
    int rc = digest_alg_parse(xylem_hash(x), &alg);
    int status = CMD_OK;

    if (rc == 0)
        rc = kvs_read(x, key, NULL, XYLEM_TREEOBJ, &old, &error);
    if (rc < 0 && rc != -ENOENT)
        return cmd_fail_about(&program, key, error);
    if (old) {
        treeobj_encode(alg, old, &text);
        status = add_old_refs(x, key, alg, old, &all);
    }
    if (status != CMD_OK)
        return status;
    if (xylem_txn_expect(txn, key, old ? buf_str(&text) : NULL, xylem_hash(x)) < 0)
        return cmd_fail(&program, "%s", xylem_txn_error(txn));
    buf_add(&all, refs->data, refs->size);
    return add_valref(x, txn, key, &all);
}

static int
add_long(xylem_t *x, xylem_txn_t *txn, const char *key, struct buf *b)
{
    struct pieces *p = &pieces;
    int rc = piece_size(x, &p->limit);

    if (rc < 0)
        return cmd_fail(&program, "content.blob-size-limit: %s", err_name(rc));
    if (!p->stores)
        p->stores = pipeline_new(x, add_ref, p);
    buf_reset(&p->refs);
    rc = store_input(p, b);
    if (rc == 0)
        rc = append ? add_appended(x, txn, key, &p->refs) : add_valref(x, txn, key, &p->refs);
    if (rc == 0)
        rc = make_safe(x);
    return rc < 0 ? cmd_fail_x(&program, x, key) : rc;
}

static void
free_pieces(struct pieces *p)
{
    if (p->stores)
        pipeline_free(&p->stores);
    buf_fini(&p->refs);
}

/* --- standard input --- */

static int
add_stdin(xylem_t *x, xylem_txn_t *txn, const char *key)
{
    AUTO(buf) struct buf b = BUF_INIT;
    int more = buf_fill_fd(&b, STDIN_FILENO, COMMIT_MAX);

    if (more == 1 && !as_treeobj)
        return add_long(x, txn, key, &b);
    if (more == 1)
        more = buf_read_fd(&b, STDIN_FILENO, OBJECT_MAX - b.size);
    if (more < 0)
        return cmd_fail(&program, "%s: standard input: %s", key, err_name(more));
    return add(x, txn, key, buf_str(&b), b.size);
}

static int
add_pair(xylem_t *x, xylem_txn_t *txn, const char *pair)
{
    size_t length = strcspn(pair, "=");
    AUTO(free) char *key = xstrndup(pair, length);
    const char *value = pair + length + 1;

    if (strcmp(value, "-") == 0)
        return add_stdin(x, txn, key);
    return add(x, txn, key, value, strlen(value));
}

static void
check_pairs(int count, char **pairs)
{
    int from_stdin = 0;

    for (int i = 0; i < count; i++) {
        const char *value = strchr(pairs[i], '=');

        if (!value)
            opt_usage_error(&program, "'%s' is not KEY=VALUE", pairs[i]);
        from_stdin += strcmp(value + 1, "-") == 0;
    }
    if (from_stdin > 1)
        opt_usage_error(&program, "standard input is only one value");
}

int
kvs_put(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 1, CMD_MANY);
    xylem_t *x;
    xylem_txn_t *txn;
    int status = CMD_OK;

    if (append && as_treeobj)
        opt_usage_error(&program, "--append and --treeobj exclude each other");
    check_pairs(argc - i, argv + i);
    x = cmd_open(&program);
    txn = xylem_txn_new();
    for (; i < argc && status == CMD_OK; i++)
        status = add_pair(x, txn, argv[i]);
    if (status == CMD_OK)
        status = kvs_commit(&program, x, txn);
    xylem_txn_free(txn);
    xylem_close(x);
    free_pieces(&pieces);
    return status;
}
