/* SPDX-License-Identifier: MPL-2.0 */
/* depot_store.c - the state directory of an instance that is not running: opening and reading.
 *
 * Who reads and who writes both keep brokers away, and are kept away by one.
 *
 * I1  Nothing is changed by who only reads, not even beside the file.
 * I2  What a writer stores is not visible before flush, which makes all of it visible at once.  A file or
 *     directory that was made for it goes again when there was no flush. */
#include "depot_store.h"
#include "blobref.h"
#include "filelock.h"
#include "tree.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int
depot_store_fail(const struct depot_store *s, int rc, const char *what, struct err *err)
{
    return err_set(err, rc, "%s: cannot %s: %s", s->statedir, what, err_name(rc));
}

/* ---- blobs ---- */

static int
store_read(struct depot_offline *d, const struct digest *digest, struct blob **ret, struct err *err)
{
    struct depot_store *s = store_of(&d->base);
    int rc = depot_store_put_blobs(s, err);

    if (rc < 0)
        return rc;
    rc = store_db_load(s->db, digest, ret);
    if (rc == 0)
        return 0;
    if (rc == -ENOENT && digest_equal(digest, &s->nothing)) {
        *ret = blob_ref(s->empty); // what a namespace begins with is stored nowhere
        return 0;
    }
    if (rc == -ENOENT)
        return err_set(err, rc, "there is no such blob");
    return err_set(err, rc, rc == -EIO ? "damaged, or cannot be read" : "%s", err_name(rc));
}

/* Many loads come at a time; in one transaction they are cheaper. */
static int
store_dispatch(struct depot *d, struct err *err)
{
    struct depot_store *s = store_of(d);
    bool is_reading = !s->is_writer && store_db_begin_reading(s->db) == 0;
    int rc = depot_offline_dispatch(d, err);

    if (is_reading)
        store_db_end_reading(s->db);
    return rc;
}

/* ---- roots ---- */

static struct depot_root
to_root(const struct store_root *from)
{
    struct depot_root root = {.owner = from->owner, .sequence = from->sequence, .root = from->root};

    static_assert(sizeof(root.ns) == sizeof(from->name), "names of namespaces");
    memcpy(root.ns, from->name, sizeof(root.ns));
    return root;
}

/* The namespaces recorded; when there are none, primary as the newest checkpoint has it, as for a broker. */
static int
read_roots(struct depot_store *s, struct store_root **ret, size_t *ret_count, struct err *err)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count = 0;
    int rc = store_db_roots(s->db, ret, ret_count);

    if (rc == 0 && *ret_count == 0)
        rc = store_db_checkpoints(s->db, &list, &count);
    if (rc < 0)
        return depot_store_fail(s, rc, "read the roots", err);
    if (count == 0)
        return 0;
    free(*ret);
    *ret = xcalloc(1, sizeof(**ret));
    **ret = (struct store_root){
        .name = "primary", .owner = geteuid(), .sequence = list[0].sequence, .root = list[0].root};
    *ret_count = 1;
    return 0;
}

int
depot_store_recorded(struct depot_store *s, const char *ns, struct depot_root *ret, struct err *err)
{
    AUTO(free) struct store_root *roots = NULL;
    size_t count = 0;
    int rc = read_roots(s, &roots, &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (strcmp(roots[i].name, ns) == 0) {
            *ret = to_root(&roots[i]);
            return 1;
        }
    }
    return rc;
}

/* A primary that nobody has written to is empty. */
static int
store_root(struct depot *d, const char *ns, struct depot_root *ret, struct err *err)
{
    struct depot_store *s = store_of(d);
    const struct depot_root *staged = depot_store_staged(s, ns);
    int rc;

    if (staged) {
        *ret = *staged;
        return 0;
    }
    rc = depot_store_recorded(s, ns, ret, err);
    if (rc != 0)
        return MIN(rc, 0);
    if (strcmp(ns, "primary") != 0)
        return err_set(err, -ENOTSUP, "current root of %s: there is no such namespace", ns);
    *ret = (struct depot_root){.ns = "primary", .owner = geteuid(), .root = s->nothing};
    return 0;
}

static int
store_roots(struct depot *d, struct depot_root **ret, size_t *ret_count, struct err *err)
{
    AUTO(free) struct store_root *roots = NULL;
    size_t count = 0;
    int rc = read_roots(store_of(d), &roots, &count, err);

    if (rc < 0)
        return rc;
    *ret = xcalloc(count + 1, sizeof(**ret));
    for (size_t i = 0; i < count; i++)
        (*ret)[i] = to_root(&roots[i]);
    *ret_count = count;
    return 0;
}

static int
store_checkpoints(struct depot *d, struct checkpoint **ret, size_t *ret_count, struct err *err)
{
    struct depot_store *s = store_of(d);
    int rc = store_db_checkpoints(s->db, ret, ret_count);

    return rc < 0 ? depot_store_fail(s, rc, "read the checkpoints", err) : 0;
}

/* ---- closing ---- */

/* While the lock is held: nobody else can have begun to use them. */
static void
remove_made(const struct depot_store *s)
{
    static const char *const names[] = {"content.sqlite", "content.sqlite-wal",
                                        "content.sqlite-shm", "lock"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        AUTO(free) char *path = xasprintf("%s/%s", s->statedir, names[i]);

        unlink(path);
    }
}

static void
store_close(struct depot *d)
{
    struct depot_store *s = store_of(d);

    depot_offline_fini(&s->offline);
    if (s->db && s->made_file)
        remove_made(s);
    store_db_close(&s->db);
    if (s->made_dir)
        rmdir(s->statedir);
    depot_store_discard(s);
    blob_unref(&s->empty);
    free(s->statedir);
    free(s);
}

/* ---- opening ---- */

/* A lock that is taken here, if there is one, keeps brokers away until the store has its own. */
static int
refuse_running(const char *statedir, int *ret_fd, struct err *err)
{
    AUTO(free) char *path = xasprintf("%s/lock", statedir);
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    *ret_fd = fd;
    if (fd < 0 || filelock_take(fd, LOCK_SH, FILELOCK_DYING_MS) != -EWOULDBLOCK)
        return 0;
    n = pread(fd, text, sizeof(text) - 1, 0);
    return err_set(err, -EBUSY,
                   "%s: in use by a broker that is running (pid %ld): ask that, or stop it",
                   statedir, n > 0 ? strtol(text, NULL, 10) : 0L);
}

/* Where nobody has said, it is as a broker has it that is told nothing. */
static struct layout
read_layout(struct depot_store *s, enum digest_alg alg)
{
    struct store_layout found;

    if (store_db_layout(s->db, &found) == 0)
        return (struct layout){alg, (uint64_t)found.maxdirent, (uint64_t)found.blob_size};
    return (struct layout){alg, HDIR_MAXDIRENT, LAYOUT_BLOB_SIZE};
}

/* Also a file of which a part cannot be read: the walk tells which keys that costs. */
static int
open_to_read(struct depot_store *s, struct err *err)
{
    struct store_conf conf = {.statedir = s->statedir, .read_only = true, .for_repair = true};
    int fd;
    int rc = refuse_running(s->statedir, &fd, err);

    if (rc == 0)
        rc = store_db_read_alg(s->statedir, &conf.alg, err);
    if (rc == 0)
        rc = store_db_open(&s->db, &conf, err);
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        s->offline.base.layout = read_layout(s, conf.alg);
    return rc;
}

static int
make_dir(struct depot_store *s, struct err *err)
{
    s->made_dir = mkdir(s->statedir, 0700) == 0;
    if (s->made_dir || errno == EEXIST)
        return 0;
    return err_set(err, -errno, "%s: %s", s->statedir, err_name(errno));
}

static bool
has_file(const struct depot_store *s)
{
    AUTO(free) char *path = xasprintf("%s/content.sqlite", s->statedir);

    return access(path, F_OK) == 0;
}

/* As a broker has it: for nobody else. */
static int
open_db(struct depot_store *s, const struct store_conf *conf, struct err *err)
{
    mode_t mask = umask(077);
    int rc = store_db_open(&s->db, conf, err);

    umask(mask);
    return rc;
}

/* How many checkpoints are kept is for the broker to say.  Each transaction is on the disk when it is done. */
static int
open_to_write(struct depot_store *s, const struct layout *layout, struct err *err)
{
    struct store_conf conf = {.statedir = s->statedir,
                              .alg = layout->alg,
                              .durability = STORE_FSYNC,
                              .max_checkpoints = INT32_MAX};
    bool is_new;
    int rc = make_dir(s, err);

    is_new = !has_file(s);
    if (is_new)
        conf.layout = (struct store_layout){(int64_t)layout->maxdirent, (int64_t)layout->blob_size};
    else if (rc == 0)
        rc = store_db_read_alg(s->statedir, &conf.alg, err);
    if (rc == 0)
        rc = open_db(s, &conf, err);
    s->is_writer = true;
    s->made_file = rc == 0 && is_new;
    if (rc == 0)
        s->offline.base.layout = read_layout(s, conf.alg);
    return rc;
}

static const struct depot_ops reader_ops = {
    .load = depot_offline_load,
    .dispatch = store_dispatch,
    .root = store_root,
    .roots = store_roots,
    .checkpoints = store_checkpoints,
    .close = store_close,
};

static const struct depot_ops writer_ops = {
    .load = depot_offline_load,
    .store = depot_store_store,
    .dispatch = store_dispatch,
    .root = store_root,
    .roots = store_roots,
    .checkpoints = store_checkpoints,
    .change = depot_store_change,
    .create = depot_store_create,
    .put_checkpoint = depot_store_put_checkpoint,
    .flush = depot_store_flush,
    .close = store_close,
};

int
depot_open_store(struct depot **ret, const char *statedir, const struct layout *layout,
                 struct err *err)
{
    struct depot_store *s = xcalloc(1, sizeof(*s));
    int rc;

    s->statedir = xstrdup(statedir);
    s->offline.read = store_read;
    s->offline.base.ops = layout ? &writer_ops : &reader_ops;
    rc = layout ? open_to_write(s, layout, err) : open_to_read(s, err);
    if (rc < 0) {
        store_close(&s->offline.base);
        return rc;
    }
    s->empty = tree_empty_dir(s->offline.base.layout.alg, &s->nothing);
    *ret = &s->offline.base;
    return 0;
}
