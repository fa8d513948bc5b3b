/* SPDX-License-Identifier: MPL-2.0 */
/* dirs.c - see dirs.h.
 *
 * What was there before is noted before the rank starts, when it may turn out that another broker
 * runs in the same run directory: so the files are removed under that rank's lock only.  A rank
 * holds it while it runs; here it is taken again. */
#include "dirs.h"
#include "elog.h"
#include "rundir.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IPC "ipc://"

struct dirs_socket {
    char *path;         // owned
    struct stat before; // st_ino 0: there was none
};

static const char *const state_files[] = {"content.sqlite", "content.sqlite-wal",
                                          "content.sqlite-shm", "lock"};

/* --- making --- */

/* Who may write there can take the place of our sockets and files.  In a container nobody else may be about,
 * so that is no reason to stop. */
static void
warn_of_others(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && (st.st_mode & 022) && !(st.st_mode & S_ISVTX))
        elog(ELOG_WARN, "%s: others may write to this directory (mode %04o)", path,
             (unsigned)st.st_mode & 07777);
}

/* 1: made, 0: it was there. */
static int
make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0)
        return 1;
    if (errno != EEXIST)
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    warn_of_others(path);
    return 0;
}

static int
make_private(struct dirs *d, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    AUTO(free) char *path = xasprintf("%s/xylem-XXXXXX", tmp ? tmp : "/tmp");

    if (!mkdtemp(path))
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    d->rundir = TAKE(path);
    d->is_private = true;
    d->has_made = true;
    return 0;
}

static bool
exists_in(const char *dir, const char *name)
{
    AUTO(free) char *path = xasprintf("%s/%s", dir, name);
    struct stat st;

    return lstat(path, &st) == 0;
}

int
dirs_open(struct dirs *d, uint32_t rank, const char *rundir, const char *statedir, struct err *err)
{
    int rc;

    d->rank = rank;
    if (rundir) {
        if ((rc = make_dir(rundir, err)) < 0)
            return rc;
        d->rundir = xstrdup(rundir);
        d->has_made = rc == 1;
    } else if ((rc = make_private(d, err)) < 0) {
        return rc;
    }
    d->statedir = xstrdup(statedir ? statedir : d->rundir);
    d->has_state = !statedir && rank == 0 && !exists_in(d->rundir, state_files[0]);
    rc = statedir && rank == 0 ? make_dir(statedir, err) : 0;
    return MIN(rc, 0);
}

/* --- sockets --- */

/* *ret: what is at `path`; st_ino 0: nothing. */
static int
look_for_socket(const char *path, struct stat *ret, struct err *err)
{
    if (lstat(path, ret) < 0)
        *ret = (struct stat){0};
    else if (!S_ISSOCK(ret->st_mode))
        return err_set(err, -EEXIST, "%s: there is a file, and it is no socket", path);
    return 0;
}

int
dirs_expect_local(const char *path, struct err *err)
{
    struct stat st;

    return look_for_socket(path, &st, err);
}

int
dirs_expect_uri(struct dirs *d, const char *uri, struct err *err)
{
    const char *path = uri + sizeof(IPC) - 1;
    struct stat before;
    int rc;

    if (strncmp(uri, IPC, sizeof(IPC) - 1) != 0)
        return 0;
    rc = look_for_socket(path, &before, err);
    if (rc < 0)
        return rc;
    d->sockets = xrealloc(d->sockets, (d->nsockets + 1) * sizeof(*d->sockets));
    d->sockets[d->nsockets++] = (struct dirs_socket){xstrdup(path), before};
    return 0;
}

/* An inode number may be used again at once, but hardly within the same tick of the clock. */
static bool
is_the_old_one(const struct dirs_socket *s, const struct stat *now)
{
    return s->before.st_ino == now->st_ino && s->before.st_dev == now->st_dev &&
           s->before.st_ctim.tv_sec == now->st_ctim.tv_sec &&
           s->before.st_ctim.tv_nsec == now->st_ctim.tv_nsec;
}

/* libzmq does not remove its sockets. */
static void
remove_socket(const struct dirs_socket *s)
{
    struct stat now;

    if (lstat(s->path, &now) == 0 && S_ISSOCK(now.st_mode) && !is_the_old_one(s, &now))
        unlink(s->path);
}

/* --- the pid file --- */

bool
dirs_write_pid_to(const char *path)
{
    FILE *f = fopen(path, "we");

    if (!f) {
        elog(ELOG_WARN, "%s: %s", path, err_name(errno));
        return false;
    }
    fprintf(f, "%d\n", (int)getpid());
    fclose(f);
    return true;
}

static char *
pid_path(const struct dirs *d)
{
    return xasprintf("%s/rank-%u.pid", d->rundir, d->rank);
}

void
dirs_write_pid(struct dirs *d)
{
    AUTO(free) char *path = pid_path(d);

    d->has_pid = dirs_write_pid_to(path);
}

/* --- the end --- */

static void
remove_state(const struct dirs *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(state_files); i++) {
        AUTO(free) char *path = xasprintf("%s/%s", d->rundir, state_files[i]);

        unlink(path);
    }
}

static void
remove_files(const struct dirs *d)
{
    AUTO(free) char *pid = pid_path(d);
    struct err err;
    int lock;

    if (rundir_lock(&lock, d->rundir, d->rank, 0, &err) < 0)
        return; // another broker: they are its files now
    for (size_t i = 0; i < d->nsockets; i++)
        remove_socket(&d->sockets[i]);
    if (d->has_pid)
        unlink(pid);
    if (d->has_state)
        remove_state(d);
    rundir_unlock(&lock, d->rundir, d->rank);
}

/* A run directory that others use as well goes with the last of what is in it, or stays. */
static void
remove_rundir(const struct dirs *d)
{
    if (rmdir(d->rundir) < 0 && d->is_private)
        elog(ELOG_WARN, "%s: %s", d->rundir, err_name(errno));
}

void
dirs_close(struct dirs *d)
{
    if (d->rundir)
        remove_files(d);
    if (d->has_made)
        remove_rundir(d);
    for (size_t i = 0; i < d->nsockets; i++)
        free(d->sockets[i].path);
    free(d->sockets);
    free(d->rundir);
    free(d->statedir);
    *d = (struct dirs)DIRS_INIT;
}
