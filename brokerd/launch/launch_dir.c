/* SPDX-License-Identifier: MPL-2.0 */
/* launch_dir.c - the run directory of a launch.
 *
 * Model: the directory is the only thing a launch, its respawn commands and a test harness share.
 * A launch holds flock(2) on the directory itself, so "is anybody launching here?" needs no file
 * and cannot go stale.  Pid files can: a number found there is believed only if that process has
 * the arguments in rank-R.cmd (they carry the instance's random id).
 *
 * Thread: none, blocking calls on small files.  See xylem-launch(1).
 */
#include "launch_dir.h"

#include "xmem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_PATH_MAX 107   // sun_path less its NUL, unix(7)
#define SMALL_FILE_MAX 262144 // a command line, a pid
#define LOG_TAIL_BYTES 16384
#define LOG_TAIL_LINES 20
#define TREE_FDS 16 // descriptors nftw(3) may use

/* A rank's number goes between the two. */
static const struct {
    const char *head;
    const char *tail;
} file_names[LAUNCH_FILES] = {
    [LAUNCH_LOCAL] = {"local-", ""},  [LAUNCH_TREE] = {"tree-", ""},
    [LAUNCH_PID] = {"rank-", ".pid"}, [LAUNCH_LOG] = {"rank-", ".log"},
    [LAUNCH_CMD] = {"rank-", ".cmd"}, [LAUNCH_LOCK] = {"rank-", ".lock"},
    [LAUNCH_END] = {"rank-", ".end"}, [LAUNCH_HOST] = {"rank-", ".host"},
};

/* ---- who is alive ---- */

static int
read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return -errno;
    rc = buf_read_fd(out, fd, SMALL_FILE_MAX);
    close(fd);
    return rc;
}

static pid_t
read_pid(const struct launch_dir *d, unsigned rank)
{
    AUTO(free) char *path = launch_dir_path(d, LAUNCH_PID, rank);
    AUTO(buf) struct buf text = BUF_INIT;
    long pid;

    if (read_file(path, &text) < 0)
        return 0;
    pid = strtol(buf_str(&text), NULL, 10);
    return pid > 1 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* Do both end with the same words, the instance's id among them?  Not all need be the same: a script's
 * command line begins with its interpreter, and a way to other hosts runs what stands behind it.  A
 * process that has ended has no command line, even while it is a zombie. */
static bool
runs_command(pid_t pid, const struct buf *cmd)
{
    static const char mark[] = "--instance";
    AUTO(free) char *path = xasprintf("/proc/%d/cmdline", (int)pid);
    AUTO(buf) struct buf running = BUF_INIT;
    size_t tail = 0;

    if (read_file(path, &running) < 0)
        return false;
    while (tail < MIN(running.size, cmd->size) &&
           running.data[running.size - tail - 1] == cmd->data[cmd->size - tail - 1])
        tail++;
    return tail > 0 && memmem(cmd->data + cmd->size - tail, tail, mark, sizeof(mark));
}

/* The process that runs `rank` according to its pid file: 0 if there is none, or if the process
 * of that number is not (any more) the one rank-R.cmd describes. */
static pid_t
live_pid(const struct launch_dir *d, unsigned rank)
{
    AUTO(free) char *path = launch_dir_path(d, LAUNCH_CMD, rank);
    AUTO(buf) struct buf cmd = BUF_INIT;
    pid_t pid = read_pid(d, rank);

    if (pid == 0 || read_file(path, &cmd) < 0 || !runs_command(pid, &cmd))
        return 0;
    return pid;
}

/* ---- making and finding it ---- */

static int
make_private(struct launch_dir *d, struct err *err)
{
    const char *base = getenv("XDG_RUNTIME_DIR");

    if (!base || access(base, W_OK | X_OK) < 0)
        base = "/tmp";
    d->path = xasprintf("%s/xylem-XXXXXX", base);
    if (!mkdtemp(d->path))
        return err_set(err, -errno, "cannot make %s: %s", d->path, err_name(errno));
    d->is_private = true;
    return 0;
}

static int
make_named(struct launch_dir *d, const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "cannot make %s: %s", path, err_name(errno));
    d->path = realpath(path, NULL);
    if (!d->path)
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    return 0;
}

static int
open_directory(struct launch_dir *d, struct err *err)
{
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return err_set(err, -errno, "%s: %s", d->path, err_name(errno));
    return 0;
}

static int
check_socket_path(const struct launch_dir *d, unsigned size, struct err *err)
{
    char *longest = launch_dir_path(d, LAUNCH_LOCAL, size - 1);
    size_t length = strlen(longest);

    free(longest);
    if (length > SOCKET_PATH_MAX)
        return err_set(err, -ENAMETOOLONG,
                       "%s: too long for sockets (%zu bytes with their names, at most %d)", d->path,
                       length, SOCKET_PATH_MAX);
    return 0;
}

static int
lock_directory(const struct launch_dir *d, unsigned size, struct err *err)
{
    if (flock(d->fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -EBUSY, "%s: another xylem-launch is using it", d->path);
    for (unsigned rank = 0; rank < size; rank++) {
        pid_t pid = live_pid(d, rank);

        if (pid)
            return err_set(err, -EBUSY, "%s: rank %u of an earlier launch still runs (pid %d)",
                           d->path, rank, (int)pid);
    }
    return 0;
}

/* Data beside a rank-0.cmd are those of a launch that was killed. */
static bool
has_data(const struct launch_dir *d)
{
    AUTO(free) char *cmd = launch_dir_path(d, LAUNCH_CMD, 0);

    return faccessat(d->fd, "content.sqlite", F_OK, 0) == 0 && access(cmd, F_OK) < 0;
}

int
launch_dir_create(struct launch_dir *d, const char *path, unsigned size, struct err *err)
{
    int rc;

    *d = (struct launch_dir){.fd = -1};
    rc = path ? make_named(d, path, err) : make_private(d, err);
    if (rc == 0)
        rc = open_directory(d, err);
    if (rc == 0)
        rc = lock_directory(d, size, err);
    if (rc == 0)
        rc = check_socket_path(d, size, err);
    if (rc == 0) {
        d->had_data = has_data(d);
        return 0;
    }
    if (d->is_private && d->fd >= 0)
        rmdir(d->path);
    launch_dir_close(d);
    return rc;
}

int
launch_dir_attach(struct launch_dir *d, const char *path, struct err *err)
{
    int rc;

    *d = (struct launch_dir){.fd = -1};
    d->path = realpath(path, NULL);
    if (!d->path)
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    rc = open_directory(d, err);
    if (rc == 0 && flock(d->fd, LOCK_SH | LOCK_NB) == 0)
        rc = err_set(err, -ESRCH, "%s: no xylem-launch is running there", d->path);
    if (rc < 0)
        launch_dir_close(d);
    return rc;
}

void
launch_dir_close(struct launch_dir *d)
{
    if (d->fd >= 0)
        close(d->fd);
    free(d->path);
    *d = (struct launch_dir){.fd = -1};
}

/* ---- files ---- */

char *
launch_dir_path(const struct launch_dir *d, enum launch_file file, unsigned rank)
{
    return xasprintf("%s/%s%u%s", d->path, file_names[file].head, rank, file_names[file].tail);
}

int
launch_dir_write(const struct launch_dir *d, const char *path, const void *data, size_t size,
                 struct err *err)
{
    AUTO(free) char *scratch = xasprintf("%s/.new-%d", d->path, (int)getpid());
    int fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t written;
    int code;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", scratch, err_name(errno));
    written = write(fd, data, size);
    close(fd);
    if (written == (ssize_t)size && rename(scratch, path) == 0)
        return 0;
    code = written < 0 || written == (ssize_t)size ? errno : ENOSPC;
    unlink(scratch);
    return err_set(err, -code, "%s: %s", path, err_name(code));
}

int
launch_dir_write_pid(const struct launch_dir *d, unsigned rank, pid_t pid, struct err *err)
{
    AUTO(free) char *path = launch_dir_path(d, LAUNCH_PID, rank);
    AUTO(free) char *text = xasprintf("%d\n", (int)pid);

    return launch_dir_write(d, path, text, strlen(text), err);
}

/* ---- the log ---- */

/* Start of the last `lines` lines of text. */
static const char *
find_tail(const char *text, size_t size, unsigned lines)
{
    const char *p = text + size;

    if (p > text && p[-1] == '\n')
        p--;
    for (; p > text; p--) {
        if (p[-1] == '\n' && --lines == 0)
            break;
    }
    return p;
}

static void
show_lines(const char *text, const char *prefix)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");

        fprintf(stderr, "%s%.*s\n", prefix, length, text);
        text += length + (text[length] == '\n');
    }
}

void
launch_dir_show_log(const struct launch_dir *d, unsigned rank, const char *prefix)
{
    AUTO(free) char *path = launch_dir_path(d, LAUNCH_LOG, rank);
    AUTO(buf) struct buf text = BUF_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (lseek(fd, -LOG_TAIL_BYTES, SEEK_END) < 0)
        lseek(fd, 0, SEEK_SET);
    if (buf_read_fd(&text, fd, SMALL_FILE_MAX) == 0)
        show_lines(find_tail(buf_str(&text), text.size, LOG_TAIL_LINES), prefix);
    close(fd);
}

/* ---- the end ---- */

static int
remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED,
           struct FTW *where UNUSED)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* A rank 0 that was killed could not do it itself. */
static void
remove_state(const struct launch_dir *d)
{
    static const char *const names[] = {"content.sqlite", "content.sqlite-wal",
                                        "content.sqlite-shm", "lock"};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        unlinkat(d->fd, names[i], 0);
}

void
launch_dir_clean(const struct launch_dir *d, unsigned size, bool has_state)
{
    if (d->is_private) {
        nftw(d->path, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS);
        return;
    }
    for (unsigned rank = 0; rank < size; rank++) {
        for (enum launch_file file = 0; file < LAUNCH_FILES; file++) {
            AUTO(free) char *path = launch_dir_path(d, file, rank);

            unlink(path);
        }
    }
    unlinkat(d->fd, LAUNCH_SOCKET, 0);
    unlinkat(d->fd, LAUNCH_CONF, 0);
    unlinkat(d->fd, LAUNCH_CERT, 0);
    if (has_state && !d->had_data)
        remove_state(d);
}
