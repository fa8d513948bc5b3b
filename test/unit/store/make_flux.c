/* SPDX-License-Identifier: MPL-2.0 */
/* make_flux.c - for tests: a state directory of Flux with the blobs of one of Xylem.
 *
 *     make_flux XYLEM-STATEDIR FLUX-STATEDIR [text|blob]
 *
 * The root of primary becomes the newest checkpoint, with one before it that names no blob.  text (what Flux
 * does), blob: the type of the digests. */
#include "fluxtest.h"
#include "store_db.h"

struct copy {
    struct store_db *from;
    sqlite3 *to;
    enum digest_alg alg;
    enum flux_typeof as;
};

static void
fail(const char *text)
{
    fprintf(stderr, "make_flux: %s\n", text);
    exit(1);
}

static void
copy_blob(void *arg, const struct store_db_row *row)
{
    struct copy *c = arg;
    struct blob *b;

    if (store_db_load(c->from, &row->digest, &b) < 0)
        fail("a blob cannot be loaded");
    flux_put(c->to, c->alg, c->as, blob_data(b), blob_size(b), NULL);
    blob_unref(&b);
}

static void
copy_blobs(struct copy *c)
{
    int64_t newest, last;

    if (store_db_newest(c->from, &newest) < 0 ||
        store_db_list(c->from, 0, newest, SIZE_MAX, copy_blob, c, &last) < 0)
        fail("the blobs cannot be listed");
}

static void
copy_root(struct copy *c)
{
    struct store_root *roots;
    size_t count;

    if (store_db_roots(c->from, &roots, &count) < 0)
        fail("the roots cannot be read");
    flux_put_checkpoint(c->to, c->alg, &(struct digest){{1}}, 1, 1600000000);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(roots[i].name, "primary") == 0)
            flux_put_checkpoint(c->to, c->alg, &roots[i].root, roots[i].sequence, 1700000000.5);
    }
    free(roots);
}

int
main(int argc, char **argv)
{
    struct store_conf conf = {.statedir = argv[1], .read_only = true};
    struct copy c = {.as = FLUX_TEXT};
    struct err err;
    char *database;

    if (argc < 3)
        fail("two directories are needed");
    if (argc > 3 && strcmp(argv[3], "blob") == 0)
        c.as = FLUX_BLOB;
    if (store_db_read_alg(argv[1], &conf.alg, &err) < 0 || store_db_open(&c.from, &conf, &err) < 0)
        fail(err.text);
    c.alg = conf.alg;
    database = xasprintf("%s/content.sqlite", argv[2]);
    c.to = flux_open(database, "WAL");
    flux_sql(c.to, FLUX_OBJECTS FLUX_CHECKPOINTS "BEGIN");
    copy_blobs(&c);
    copy_root(&c);
    flux_sql(c.to, "COMMIT");
    sqlite3_close(c.to);
    store_db_close(&c.from);
    free(database);
    return 0;
}
