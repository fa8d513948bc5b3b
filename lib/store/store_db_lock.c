/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_lock.c - STATEDIR/lock: one broker for each state directory.
 *
 * The lock is a flock() on the file, so it dies with its process; the pid inside is only for the
 * text of the refusal.  Who only reads and finds no broker takes a share of it, so that none comes.
 *
 * Whoever is refused the database for another reason, or has read it, removes the file again if it was
 * he who made it; so a lock counts only while its file still has the name. */
#include "store_db_priv.h"
#include "filelock.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_file(struct store_db_lock *lock, int operation)
{
    int fd = open(lock->path, (operation == LOCK_SH ? O_RDONLY : O_RDWR) | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = open(lock->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    lock->is_new = fd >= 0;
    return fd;
}

static bool
has_name(int fd, const char *path)
{
    struct stat ours, named;

    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

static int
set_busy(int fd, const char *statedir, struct err *err)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;

    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        return err_set(err, -EBUSY, "%s: in use: being read by xylem fsck, dump or gc --dry-run",
                       statedir);
    if (pid > 0)
        return err_set(err, -EBUSY, "%s: in use by another broker (pid %ld)", statedir, pid);
    return err_set(err, -EBUSY, "%s: in use by another broker", statedir);
}

/* 0, -EAGAIN: the file was replaced meanwhile, try again; or an error with text. */
static int
try_lock(struct store_db_lock *lock, int operation, const char *statedir, struct err *err)
{
    int rc;

    lock->is_new = false;
    lock->fd = open_file(lock, operation);
    if (lock->fd < 0 && errno == EEXIST)
        return -EAGAIN;
    if (lock->fd < 0)
        return err_set(err, -errno, "%s: cannot open: %s", lock->path, err_name(errno));
    rc = filelock_take(lock->fd, operation, operation == LOCK_EX ? FILELOCK_DYING_MS : 0);
    if (rc == -EWOULDBLOCK) {
        rc = set_busy(lock->fd, statedir, err);
    } else if (rc < 0) {
        rc = err_set(err, rc, "%s: cannot lock: %s", lock->path, err_name(rc));
    } else if (!has_name(lock->fd, lock->path)) {
        rc = -EAGAIN;
    }
    if (rc < 0) {
        close(lock->fd);
        lock->fd = -1;
    }
    return rc;
}

static int
take(struct store_db_lock *lock, int operation, const char *statedir, struct err *err)
{
    int rc;

    lock->path = xasprintf("%s/lock", statedir);
    do {
        rc = try_lock(lock, operation, statedir, err);
    } while (rc == -EAGAIN);
    if (rc < 0)
        free(TAKE(lock->path));
    return rc;
}

int
store_db_lock_take(struct store_db_lock *lock, const char *statedir, struct err *err)
{
    return take(lock, LOCK_EX, statedir, err);
}

bool
store_db_lock_share(struct store_db_lock *lock, const char *statedir)
{
    AUTO(free) char *path = xasprintf("%s/lock", statedir);
    int rc = take(lock, LOCK_SH, statedir, NULL);

    /* Where no lock can be made there is no broker either. */
    return rc == 0 || ((rc == -EACCES || rc == -EROFS || rc == -EPERM) && access(path, F_OK) < 0 &&
                       errno == ENOENT);
}

void
store_db_lock_keep(struct store_db_lock *lock)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    /* On a full disk the lock holds all the same. */
    if (ftruncate(lock->fd, 0) == 0 && pwrite(lock->fd, text, (size_t)n, 0) < 0)
        errno = 0;
    lock->is_new = false;
}

/* Other readers may have a share of a file that is new: then it stays, so that a broker finds it. */
void
store_db_lock_drop(struct store_db_lock *lock)
{
    if (lock->fd < 0)
        return;
    if (lock->is_new && flock(lock->fd, LOCK_EX | LOCK_NB) == 0)
        unlink(lock->path);
    close(lock->fd);
    lock->fd = -1;
    free(TAKE(lock->path));
}
