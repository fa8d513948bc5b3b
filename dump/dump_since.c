/* SPDX-License-Identifier: MPL-2.0 */
/* dump_since.c - two trees are compared (changes), and what the new one has or has not goes into the archive:
 *
 *   added or changed    an entry, as if all of the tree was archived (batch -> pack)
 *   removed             a name in a list, which goes into an entry of its own when it is full
 *   directory           an entry, if it is or was stored in another way than its number of entries says
 *
 * Where the old tree comes from: the blobs of its root, if they are still stored.  An archive of all of it also
 * has what is lost of them, and it is all there is to compare with when it is not exact: then the root that
 * it names is not the tree that comes out of it.
 */
#include "dump_since.h"
#include "diff_dir.h"
#include "diff_text.h"
#include "source.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

/* ---- what is compared with ---- */

static int
open_root(struct since *s, struct err *err)
{
    int rc = source_check_stored(s->depot, &s->root, err);

    if (rc == -ENOENT)
        return err_set(err, rc, "--since: %s is no longer stored, but an archive of it would do",
                       s->text);
    return rc < 0 ? err_prefix(err, rc, "--since") : 0;
}

static int
check_header(const struct since *s, const struct archive_header *h, struct err *err)
{
    if (!h)
        return err_set(err, -ENOTSUP, "%s: the archive has no header that names its root", s->text);
    if (h->kind == ARCHIVE_PARTIAL)
        return err_set(err, -EINVAL, "%s: a partial archive holds no whole root", s->text);
    if (h->alg != s->depot->layout.alg)
        return err_set(err, -EINVAL, "%s: the archive is of an instance whose hash is %s", s->text,
                       digest_name(h->alg));
    return 0;
}

static int
open_tree(struct since *s, struct err *err)
{
    assert(!s->is_open);
    s->is_open = true;
    return archive_tree_open(&s->tree, s->text, &s->reading, err);
}

static int
read_tree(struct since *s, struct err *err)
{
    int rc;

    archive_tree_close(&s->tree);
    s->is_open = false;
    rc = open_tree(s, err);
    if (rc == 0)
        rc = archive_tree_read(&s->tree, NULL, ARCHIVE_TREE_DIRS, err);
    s->is_read = rc == 0;
    return rc;
}

/* Only the end tells whether an archive holds what the header says. */
static int
find_end(struct since *s, bool *ret_is_exact, struct err *err)
{
    const struct archive_end *end;
    int rc = archive_tree_skim(&s->tree, err);

    if (rc < 0)
        return rc;
    end = archive_tree_end(&s->tree);
    if (!end)
        return err_set(err, -EIO, "%s: its end is missing: it was changed after it was written",
                       s->text);
    *ret_is_exact = end->is_exact;
    return 0;
}

/* An archive of what is different brings nothing that the store has lost. */
static int
check_root(const struct since *s, struct err *err)
{
    int rc = source_check_stored(s->depot, &s->root, err);

    if (rc == -ENOENT)
        return err_set(err, rc,
                       "%s: its root is not stored any more (xylem-gc): use --since with the last "
                       "full archive",
                       s->text);
    return rc < 0 ? err_prefix(err, rc, "%s", s->text) : 0;
}

static int
open_archive(struct since *s, struct err *err)
{
    const struct archive_header *h;
    bool is_exact = false;
    int rc = source_check_text(s->text, err);

    if (rc < 0)
        return err_prefix(err, rc, "--since");
    rc = open_tree(s, err);
    h = rc == 0 ? archive_tree_header(&s->tree) : NULL;
    if (rc == 0)
        rc = check_header(s, h, err);
    if (rc < 0)
        return rc;
    s->root = s->old = h->root;
    s->is_whole = h->kind == ARCHIVE_FULL || h->kind == ARCHIVE_ALL;
    rc = find_end(s, &is_exact, err);
    if (rc == 0 && !is_exact && !s->is_whole)
        return err_set(err, -EINVAL, "%s: the archive is not exact: nothing can follow it",
                       s->text);
    if (rc == 0 && !s->is_whole)
        rc = check_root(s, err);
    if (rc < 0 || is_exact)
        return rc;
    rc = read_tree(s, err);
    s->old = s->tree.result.root;
    return rc;
}

int
since_open(struct since *s, const char *text, struct depot *depot, size_t maxreqs,
           const char *program, struct err *err)
{
    enum digest_alg alg;

    *s = (struct since){.text = text, .depot = depot, .maxreqs = maxreqs};
    progress_init(&s->reading, program, "read", false, true);
    if (blobref_parse(text, &alg, &s->root) < 0)
        return open_archive(s, err);
    s->old = s->root;
    if (alg != depot->layout.alg)
        return err_set(err, -EINVAL, "--since: %s is of another instance, whose hash is not %s",
                       text, digest_name(depot->layout.alg));
    return open_root(s, err);
}

void
since_close(struct since *s)
{
    changes_fini(&s->changes);
    batch_fini(&s->batch);
    buf_fini(&s->removed);
    if (s->is_open)
        archive_tree_close(&s->tree);
    s->is_open = false;
}

/* A directory that the depot has lost is in the archive, if that has all. */
static bool
find_spare(void *arg, const struct digest *d, const void **ret_data, size_t *ret_size)
{
    struct since *s = arg;
    struct err why;

    if (!s->is_whole)
        return false;
    if (!s->is_read && read_tree(s, &why) < 0) {
        progress_warn(&s->reading, "%s", why.text);
        s->is_whole = false;
        return false;
    }
    return archive_tree_find(&s->tree, d, ret_data, ret_size);
}

/* ---- entries ---- */

static int
write_removed(struct since *s, struct pack *pack, struct err *err)
{
    int rc = 0;

    if (s->removed.size > 0)
        rc = pack_mark(pack, "", EXACT_REMOVED, s->removed.data, s->removed.size, err);
    buf_reset(&s->removed);
    return rc;
}

static int
add_removed(struct since *s, const char *path, bool is_dir, struct pack *pack, struct err *err)
{
    int rc;

    if (exact_removed_add(&s->removed, path, is_dir))
        return 0;
    rc = write_removed(s, pack, err);
    if (rc == 0 && !exact_removed_add(&s->removed, path, is_dir))
        rc = err_set(err, -ENAMETOOLONG, "%.200s...: the key is too long", path);
    return rc;
}

/* A key that is left out must not be there with the value of then. */
static int
write_item(struct since *s, const struct walk_item *item, struct pack *pack, struct err *err)
{
    int rc = pack_item(pack, item, err);

    if (rc == 0 && item->kind == WALK_FAILED)
        rc = add_removed(s, item->path, false, pack, err);
    return rc;
}

static int
write_batch(struct since *s, struct pack *pack, struct err *err)
{
    const struct walk_item *item;
    int rc;

    while ((rc = batch_next(&s->batch, &item, err)) == 0 && item->kind != WALK_END) {
        if ((rc = write_item(s, item, pack, err)) < 0)
            return rc;
    }
    return rc;
}

static enum exact_form
form_of(const struct since *s, const struct diff_form *f)
{
    uint64_t max = s->depot->layout.maxdirent;

    if (!f->is_there)
        return EXACT_AS_LAID_OUT;
    return exact_form_of(f->is_inline, f->is_wide, f->entries, max ? max : UINT64_MAX);
}

/* All that a restore has to know of the directories it goes through, and of those that are no more: there may
 * be others of these names some day. */
static int
tell_form(const struct since *s, const struct diff_item *item, struct pack *pack, struct err *err)
{
    enum exact_form old = form_of(s, &item->form[DIFF_OLD]);
    enum exact_form new = form_of(s, &item->form[DIFF_NEW]);
    const char *name = exact_form_name(new);

    if (old == EXACT_AS_LAID_OUT && new == EXACT_AS_LAID_OUT)
        return 0;
    return pack_mark(pack, item->path, EXACT_FORM, name, strlen(name), err);
}

static int
take_item(struct since *s, const struct diff_item *item, struct pack *pack, struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;

    if (item->kind == DIFF_FAILED) {
        diff_text_key(item, &key);
        return err_set(err, item->errnum, "%s%.200s: %s", *s->text ? "--since: " : "",
                       buf_str(&key), item->error);
    }
    if (item->kind == DIFF_DIR)
        return tell_form(s, item, pack, err);
    if (!item->new) {
        s->removed_keys += !diff_is_dir(item->old);
        return add_removed(s, item->path, diff_is_dir(item->old), pack, err);
    }
    batch_add(&s->batch, item->path, item->new);
    return batch_is_full(&s->batch) ? write_batch(s, pack, err) : 0;
}

static void
begin(struct since *s, const struct digest *new_root)
{
    changes_init(&s->changes, s->depot->layout.alg, &s->old, new_root, s->maxreqs);
    diff_tell_dirs(s->changes.diff);
    s->changes.depot = s->depot;
    s->changes.trees[0] = s->is_read ? &s->tree : NULL;
    s->changes.spare = find_spare;
    s->changes.spare_arg = s;
    batch_init(&s->batch, s->depot, s->maxreqs);
    s->batch.is_exact = true;
}

int
since_dump(struct since *s, const struct digest *new_root, struct pack *pack, struct err *err)
{
    const struct diff_item *item;
    int rc;

    begin(s, new_root);
    while ((rc = changes_next(&s->changes, &item, err)) == 0 && item->kind != DIFF_END) {
        if ((rc = take_item(s, item, pack, err)) < 0)
            return rc;
    }
    if (rc == 0)
        rc = write_batch(s, pack, err);
    return rc < 0 ? rc : write_removed(s, pack, err);
}
