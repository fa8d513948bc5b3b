/* SPDX-License-Identifier: MPL-2.0 */
/* inspect.c - --verify: reads an archive to its end.
 *
 * To verify one is to make the tree that a restore would make (archive_tree).  Its root has to be the one in
 * the header.  Where there is no such root, the digest of all entries has to be the one at the end.
 */
#include "inspect.h"
#include "archive_file.h"
#include "archive_tree.h"
#include "clock.h"
#include "summary.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int
fail(struct inspect *in, const struct err *err)
{
    progress_warn(&in->progress, "%s", err->text);
    return 1;
}

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
    if (end->is_exact && t->wrong_root.code)
        return err_set(err, t->wrong_root.code, "%s", t->wrong_root.text);
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
    return rc < 0 ? err_prefix(err, rc, "%s", archive_file_name(t->path)) : 0;
}

static int
verify(struct archive_tree *t, struct err *err)
{
    int rc;

    if (!archive_tree_header(t))
        return err_set(err, -ENOTSUP,
                       "%s: the archive has no header: there is nothing to compare it with",
                       archive_file_name(t->path));
    rc = archive_tree_read(t, NULL, ARCHIVE_TREE_ROOT, err);
    return rc < 0 ? rc : compare(t, err);
}

/* What the last line does not say, or must not be taken for. */
static void
tell_limits(struct inspect *in, const struct archive_header *h, const struct archive_end *end)
{
    bool has_root = (h->kind == ARCHIVE_FULL || h->kind == ARCHIVE_ALL) && end->is_exact;

    if (end->failed > 0)
        progress_warn(&in->progress,
                      "as it was written, but %" PRIu64 " keys were left out when it was made",
                      end->failed);
    if (!has_root && !in->as_json && !in->progress.quiet)
        progress_warn(&in->progress, "the content is what was archived; the root cannot be "
                                     "computed from this archive alone");
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
        .failed = archive_tree_end(t)->failed,
        .verified = SUMMARY_YES,
        .started_ms = started_ms,
    };

    progress_end(&in->progress, 0);
    tell_limits(in, h, archive_tree_end(t));
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
