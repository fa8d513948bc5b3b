/* SPDX-License-Identifier: MPL-2.0 */
/* output.c - PATH.tmp.PID, then PATH.
 *
 * state       output_open   output_commit        output_discard, signal
 * (none)      OPEN          -                    -
 * OPEN        -             renamed: (none)      removed: (none)
 * The name of the temporary file is in a static buffer, because a signal handler must not look at
 * anything else; it is "" in state (none).  Standard output is never removed or renamed.
 * Messages have PATH, the name that the user knows.
 */
#include "output.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tmp_path[PATH_MAX];            // the temporary file; "" = none
static char target_path[PATH_MAX];         // OPEN: what it will be called
static struct output current = {.fd = -1}; // OPEN: a copy, for output_name()

static void
on_signal(int signum)
{
    if (tmp_path[0])
        unlink(tmp_path);
    signal(signum, SIG_DFL);
    raise(signum);
}

static void
catch_signals(void)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM};
    struct sigaction action = {.sa_handler = on_signal};

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        struct sigaction old;

        sigaction(signals[i], NULL, &old);
        if (old.sa_handler != SIG_IGN) // as under nohup(1)
            sigaction(signals[i], &action, NULL);
    }
}

/* What is to be replaced: a file, or the one that a link leads to. */
static int
check_path(const char *path, struct err *err)
{
    struct stat st;

    if (!realpath(path, target_path))
        snprintf(target_path, sizeof(target_path), "%s", path);
    if (stat(path, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return err_set(err, -EISDIR, "%s: %s", path, err_name(EISDIR));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "%s: not a regular file: use - and a redirection", path);
    return 0;
}

static int
open_stdout(struct output *o, struct err *err)
{
    if (isatty(STDOUT_FILENO))
        return err_set(err, -EINVAL, "standard output: an archive is not written to a terminal");
    *o = (struct output){.path = NULL, .fd = STDOUT_FILENO};
    return 0;
}

int
output_open(struct output *o, const char *path, struct err *err)
{
    int rc, len;

    if (strcmp(path, "-") == 0)
        return open_stdout(o, err);
    if ((rc = check_path(path, err)) < 0)
        return rc;
    catch_signals();
    len = snprintf(tmp_path, sizeof(tmp_path), "%s.tmp.%ld", target_path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof(tmp_path)) {
        tmp_path[0] = '\0';
        return err_set(err, -ENAMETOOLONG, "%s: %s", path, err_name(ENAMETOOLONG));
    }
    *o = (struct output){.path = path};
    o->fd = open(tmp_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (o->fd < 0) {
        rc = err_set(err, -errno, "%s: %s", path, err_name(errno));
        tmp_path[0] = '\0';
        return rc;
    }
    current = *o;
    return 0;
}

const char *
output_name(int fd)
{
    if (fd == STDOUT_FILENO)
        return "standard output";
    return fd >= 0 && fd == current.fd ? current.path : "output";
}

static int
sync_directory(const char *path, struct err *err)
{
    AUTO(free) char *copy = xstrdup(path);
    const char *dir = dirname(copy);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL)) // EINVAL: this file system has no such thing
        rc = err_set(err, -errno, "%s: %s", dir, err_name(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

int
output_commit(struct output *o, struct err *err)
{
    int fd = o->fd;
    int failed;

    if (!o->path) // a pipe, or somebody else's file
        return 0;
    failed = fsync(fd) < 0 ? errno : 0;
    current.fd = o->fd = -1;
    if (close(fd) < 0 && !failed)
        failed = errno;
    if (!failed && rename(tmp_path, target_path) < 0)
        failed = errno;
    if (failed)
        return err_set(err, -failed, "%s: %s", o->path, err_name(failed));
    tmp_path[0] = '\0';
    return sync_directory(target_path, err);
}

void
output_discard(struct output *o)
{
    if (o->path && o->fd >= 0)
        close(o->fd);
    current.fd = o->fd = -1;
    if (tmp_path[0])
        unlink(tmp_path);
    tmp_path[0] = '\0';
}
