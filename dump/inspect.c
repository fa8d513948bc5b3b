/* SPDX-License-Identifier: MPL-2.0 */
/* inspect.c - reads an archive to its end.
 *
 * To verify one is to make the tree that a restore would make (archive_tree).  Its root has to be the one in
 * the header.  Where there is no such root, the digest of all entries has to be the one at the end.
 */
#include "inspect.h"
#include "archive_tree.h"
#include "clock.h"
#include "summary.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static int
fail(struct inspect *in, const struct err *err)
{
    progress_warn(&in->progress, "%s", err->text);
    return 1;
}

/* ---- list ---- */

static void
print_json(const char *key, const struct archive_item *item)
{
    json_t *json = json_object();
    AUTO(free) char *text = NULL;
    int rc = json_object_set_new(json, "key", json_string(key));

    if (item->kind == ARCHIVE_FILE)
        rc |= json_object_set_new(json, "size", json_integer((json_int_t)item->size));
    else if (item->kind == ARCHIVE_DIR)
        rc |= json_object_set_new(json, "directory", json_true());
    else
        rc |= json_object_set_new(json, item->kind == ARCHIVE_SYMLINK ? "target" : "same_as",
                                  json_string(item->target ? item->target : ""));
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (rc == 0 && text)
        puts(text);
}

static void
print_line(const char *key, const struct archive_item *item)
{
    const char *target = item->target ? item->target : "";

    if (item->kind == ARCHIVE_FILE)
        printf("%s\t%" PRIu64 "\n", key, item->size);
    else if (item->kind == ARCHIVE_DIR)
        printf("%s\tdirectory\n", key);
    else
        printf("%s\t%s %s\n", key, item->kind == ARCHIVE_SYMLINK ? "->" : "=", target);
}

/* A format that does not tell the size before the content makes us read it. */
static int
find_size(struct archive_reader *r, struct archive_item *item, struct err *err)
{
    char data[65536];
    ssize_t n;

    if (item->kind != ARCHIVE_FILE || item->has_size)
        return 0;
    while ((n = archive_reader_data(r, data, sizeof(data), err)) > 0)
        item->size += (uint64_t)n;
    return (int)n;
}

static int
list_item(struct inspect *in, struct archive_reader *r, struct archive_item *item, struct err *err)
{
    AUTO(key) struct key key = {.count = 0};
    AUTO(buf) struct buf text = BUF_INIT;
    AUTO(buf) struct buf path = BUF_INIT;
    int rc;

    if (!item->path || item->kind == ARCHIVE_OTHER || key_from_path(item->path, &key, NULL) < 0) {
        progress_warn(&in->progress, "%s: no key", item->path ? item->path : "(unreadable name)");
        return 0;
    }
    for (size_t i = 0; i < key.count; i++)
        buf_printf(&path, "%s%s", i > 0 ? "/" : "", key.names[i]);
    if (key.count == 0 || !filter_wants_key(in->filter, buf_str(&path)))
        return 0;
    if ((rc = find_size(r, item, err)) < 0)
        return rc;
    key_format(&key, &text);
    if (in->as_json)
        print_json(buf_str(&text), item);
    else
        print_line(buf_str(&text), item);
    return 0;
}

static int
list_items(struct inspect *in, struct archive_reader *r, struct err *err)
{
    struct archive_item item;
    int rc, more;

    while ((more = archive_reader_next(r, &item, err)) > 0) {
        if ((rc = list_item(in, r, &item, err)) < 0)
            return rc;
    }
    if (more == 0 && fflush(stdout) == EOF)
        return err_set(err, -errno, "write: %s", err_name(errno));
    return more;
}

int
inspect_list(struct inspect *in, const char *path)
{
    struct archive_tree t;
    struct err err = {0};
    int rc = archive_tree_open(&t, path, &in->progress, &err);

    if (rc == 0 && (rc = list_items(in, t.reader, &err)) < 0)
        err_prefix(&err, rc, "%s", path);
    archive_tree_close(&t);
    fflush(stdout);
    return rc < 0 ? fail(in, &err) : 0;
}

/* ---- verify ---- */

/* Is what was read what the archive says it holds? */
static int
compare_counts(const struct archive_tree *t, const struct archive_end *end, struct err *err)
{
    if (t->skipped > 0)
        return err_set(err, -EIO, "%" PRIu64 " entries are none of xylem-dump's", t->skipped);
    if (!end)
        return err_set(err, -EIO, "its end is missing: it was changed after it was written");
    if (t->result.keys != end->keys)
        return err_set(err, -EIO, "%" PRIu64 " keys, but %" PRIu64 " were archived", t->result.keys,
                       end->keys);
    if (t->result.bytes != end->bytes)
        return err_set(err, -EIO, "%" PRIu64 " bytes, but %" PRIu64 " were archived",
                       t->result.bytes, end->bytes);
    return 0;
}

static int
compare_content(const struct archive_tree *t, const struct archive_header *h,
                const struct archive_end *end, struct err *err)
{
    char is[BLOBREF_MAX], should_be[BLOBREF_MAX];
    bool has_root = h->kind == ARCHIVE_FULL && end->is_exact;

    if (has_root && !digest_equal(&t->result.root, &h->root))
        return err_set(err, -EIO,
                       "its keys or values were changed: their root is %s, but %s was archived",
                       blobref_format(h->alg, &t->result.root, is),
                       blobref_format(h->alg, &h->root, should_be));
    if (!has_root && (end->alg != h->alg || !digest_equal(&t->content, &end->content)))
        return err_set(err, -EIO, "its keys or values were changed");
    return 0;
}

static int
compare(const struct archive_tree *t, struct err *err)
{
    const struct archive_end *end = archive_tree_end(t);
    int rc = compare_counts(t, end, err);

    if (rc == 0)
        rc = compare_content(t, archive_tree_header(t), end, err);
    return rc < 0 ? err_prefix(err, rc, "%s", t->path) : 0;
}

static int
verify(struct archive_tree *t, struct err *err)
{
    int rc;

    if (!archive_tree_header(t))
        return err_set(err, -ENOTSUP,
                       "%s: the archive has no header: there is nothing to compare it with",
                       t->path);
    rc = archive_tree_read(t, NULL, ARCHIVE_TREE_ROOT, err);
    return rc < 0 ? rc : compare(t, err);
}

static int
report(struct inspect *in, const struct archive_tree *t, int64_t started_ms)
{
    const struct archive_header *h = archive_tree_header(t);
    char ref[BLOBREF_MAX];
    struct summary summary = {
        .keys = t->result.keys,
        .bytes = t->result.bytes,
        .root = blobref_format(h->alg, &h->root, ref),
        .ns = h->ns,
        .has_sequence = h->has_sequence,
        .sequence = h->sequence,
        .kind = archive_kind_name(h->kind),
        .verified = SUMMARY_YES,
        .started_ms = started_ms,
    };

    progress_end(&in->progress, 0);
    if (in->as_json)
        return summary_print(&summary, stdout) < 0 ? 1 : 0;
    progress_finish(&in->progress, summary.keys, summary.bytes, ref);
    return 0;
}

int
inspect_verify(struct inspect *in, const char *path)
{
    int64_t started_ms = clock_ms();
    struct archive_tree t;
    struct err err = {0};
    int rc = archive_tree_open(&t, path, &in->progress, &err);
    int status;

    if (rc == 0)
        rc = verify(&t, &err);
    status = rc < 0 ? fail(in, &err) : report(in, &t, started_ms);
    archive_tree_close(&t);
    return status;
}
