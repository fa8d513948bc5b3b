/* SPDX-License-Identifier: MPL-2.0 */
/* chain.c - see chain.h. */
#include "chain.h"
#include "archive_file.h"
#include "blobref.h"

#include <errno.h>

void
chain_init(struct chain *c, struct intake *intake, char *const *paths, size_t count)
{
    assert(count >= 1);
    *c = (struct chain){
        .intake = intake, .paths = paths, .count = count, .fd = -1, .is_exact = true};
}

static void
close_reader(struct chain *c)
{
    archive_reader_free(&c->reader);
    archive_file_close(&c->fd);
}

void
chain_fini(struct chain *c)
{
    close_reader(c);
}

const struct archive_header *
chain_header(const struct chain *c)
{
    return c->reader ? archive_reader_header(c->reader) : NULL;
}

const struct archive_end *
chain_end(const struct chain *c)
{
    return archive_reader_end(c->reader);
}

/* ---- one archive ---- */

static int
open_next(struct chain *c, struct err *err)
{
    const char *path = c->paths[c->next++];
    int rc;

    close_reader(c);
    if ((rc = archive_file_open(path, &c->fd, err)) < 0)
        return rc;
    progress_watch_file(c->intake->progress, c->fd);
    rc = archive_reader_open(&c->reader, c->fd, err);
    return rc < 0 ? err_prefix(err, rc, "%s", archive_file_name(path)) : 0;
}

/* Before it is closed: what the next one has to be made against. */
static void
remember(struct chain *c)
{
    const struct archive_header *h = chain_header(c);
    const struct archive_end *end = chain_end(c);

    c->has_root = h && h->kind != ARCHIVE_PARTIAL;
    if (c->has_root) {
        c->alg = h->kind == ARCHIVE_ALL ? c->pick.found.alg : h->alg;
        c->root = h->kind == ARCHIVE_ALL ? c->pick.found.root : h->root;
    }
    c->is_exact = c->is_exact && end && end->is_exact;
}

/* Of an archive of all only one section is read. */
static int
read_section(struct chain *c, struct err *err)
{
    int rc;

    section_pick_init(&c->pick, c->ns ? c->ns : "primary", c->intake);
    rc = intake_run(c->intake, err);
    c->intake->on_section = NULL;
    return rc < 0 ? rc : section_pick_check(&c->pick, err);
}

static int
read_one(struct chain *c, struct err *err)
{
    const struct archive_header *h = chain_header(c);
    int rc;

    c->intake->archive = c->reader;
    if (h && h->kind == ARCHIVE_ALL)
        rc = read_section(c, err);
    else
        rc = intake_run(c->intake, err);
    if (rc < 0)
        return err_prefix(err, rc, "%s", archive_file_name(c->paths[c->next - 1]));
    remember(c);
    return 0;
}

/* ---- the order ---- */

/* Does the archive that has been opened follow from that before it? */
static int
check_order(const struct chain *c, struct err *err)
{
    const char *before = archive_file_name(c->paths[c->next - 2]);
    const char *now = archive_file_name(c->paths[c->next - 1]);
    const struct archive_header *h = chain_header(c);
    char since[BLOBREF_MAX], root[BLOBREF_MAX];

    if (!h || h->kind != ARCHIVE_INCREMENTAL)
        return err_set(err, -EINVAL, "%s: only an incremental archive can follow another one", now);
    if (!c->has_root)
        return err_set(err, -EINVAL, "%s: %s is not of a whole root, so nothing can follow it", now,
                       before);
    if (h->alg != c->alg || !digest_equal(&h->since, &c->root))
        return err_set(err, -EINVAL, "%s: it has what is different from root %s, but %s gives %s",
                       now, blobref_format(h->alg, &h->since, since), before,
                       blobref_format(c->alg, &c->root, root));
    return 0;
}

int
chain_open(struct chain *c, struct err *err)
{
    const struct archive_header *h;
    int rc = open_next(c, err);

    if (rc < 0)
        return rc;
    h = chain_header(c);
    c->has_base = h && h->kind == ARCHIVE_INCREMENTAL;
    if (c->has_base) {
        c->base = h->since;
        c->base_alg = h->alg;
    }
    return 0;
}

int
chain_run(struct chain *c, struct err *err)
{
    int rc = read_one(c, err);

    while (rc == 0 && c->next < c->count) {
        rc = open_next(c, err);
        if (rc == 0)
            rc = check_order(c, err);
        if (rc == 0)
            rc = read_one(c, err);
    }
    return rc;
}
