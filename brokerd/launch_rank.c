/* SPDX-License-Identifier: MPL-2.0 */
/* launch_rank.c - the process that runs one rank.
 *
 * Model
 *              start            ready byte        process ended       refresh: pid file names
 * another GONE       STARTING         -                 -                   ONLINE, with pid_fd
 *   STARTING   -                ONLINE            GONE                -
 *   ONLINE     -                -                 GONE                ONLINE, with pid_fd
 *
 * A rank has a session of its own, so that Ctrl-C in the terminal reaches COMMAND and the launcher
 * but not the ranks, which must outlive COMMAND.  It inherits nothing but its log as standard
 * output and error, and the pipe for the ready byte.
 *
 * Invariant I1: ready_fd >= 0 only in STARTING; pid_fd >= 0 only for a process that is not a child
 * of this one (whose end is not told by SIGCHLD).
 */
#include "launch_rank.h"

#include "launch_args.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC_FAILED 127 // as shells have it

void
launch_rank_init(struct launch_rank *r, unsigned rank)
{
    *r = (struct launch_rank){.rank = rank, .ready_fd = -1, .pid_fd = -1};
}

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- in the child ---- */

static void
reset_signals(void)
{
    sigset_t none;

    for (int signum = 1; signum < NSIG; signum++)
        signal(signum, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
move_fd(int from, int to)
{
    if (from == to)
        fcntl(to, F_SETFD, 0);
    else
        dup2(from, to);
}

/* Both descriptors are above LAUNCH_READY_FD: nothing is overwritten before it was moved. */
static void
redirect(int log_fd, int ready_fd)
{
    move_fd(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    move_fd(log_fd, STDOUT_FILENO);
    move_fd(log_fd, STDERR_FILENO);
    move_fd(ready_fd, LAUNCH_READY_FD);
    close_range(LAUNCH_READY_FD + 1, ~0U, 0);
}

__attribute__((noreturn)) static void
run_broker(unsigned rank, char **argv, int log_fd, int ready_fd)
{
    setsid();
    reset_signals();
    redirect(log_fd, ready_fd);
    if (rank > 0)
        unsetenv("NOTIFY_SOCKET"); // rank 0 speaks for all
    execvp(argv[0], argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], err_name(errno));
    _exit(EXEC_FAILED);
}

/* SIGTERM when the parent ends.  It may have ended already, before anybody could notice. */
static void
tie_to(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
}

/* ---- start ---- */

/* Descriptors a child gets: moved out of the way of the numbers they will have there. */
static int
lift_fd(int fd)
{
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, LAUNCH_READY_FD + 1);
    int code = errno;

    close(fd);
    return lifted < 0 ? -code : lifted;
}

static int
open_log(const struct launch_dir *d, unsigned rank)
{
    AUTO(free) char *path = launch_dir_path(d, LAUNCH_LOG, rank);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    return fd < 0 ? -errno : lift_fd(fd);
}

static int
fork_broker(struct launch_rank *r, char **argv, int log_fd, bool is_tied)
{
    pid_t parent = getpid();
    int pipe_fds[2];
    int code;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    pipe_fds[1] = lift_fd(pipe_fds[1]);
    r->pid = pipe_fds[1] < 0 ? -1 : fork();
    if (r->pid == 0) {
        if (is_tied)
            tie_to(parent);
        run_broker(r->rank, argv, log_fd, pipe_fds[1]);
    }
    code = errno;
    close_fd(&pipe_fds[1]);
    r->ready_fd = pipe_fds[0];
    if (r->pid > 0)
        return 0;
    r->pid = 0;
    close_fd(&r->ready_fd);
    return -code;
}

int
launch_rank_start(struct launch_rank *r, const struct launch_dir *d, bool is_tied, struct err *err)
{
    AUTO(buf) struct buf memory = BUF_INIT;
    AUTO(free) char **argv = NULL;
    int log_fd;
    int rc;

    assert(r->state == LAUNCH_RANK_GONE);
    rc = launch_args_read(d, r->rank, &memory, &argv, err);
    if (rc < 0)
        return rc;
    log_fd = open_log(d, r->rank);
    rc = log_fd < 0 ? log_fd : fork_broker(r, argv, log_fd, is_tied);
    close_fd(&log_fd);
    if (rc < 0)
        return err_set(err, rc, "cannot start rank %u: %s", r->rank, err_name(rc));
    r->state = LAUNCH_RANK_STARTING;
    return launch_dir_write_pid(d, r->rank, r->pid, err);
}

/* ---- what becomes of it ---- */

void
launch_rank_read_ready(struct launch_rank *r)
{
    char byte;
    ssize_t size;

    assert(r->state == LAUNCH_RANK_STARTING);
    do {
        size = read(r->ready_fd, &byte, 1);
    } while (size < 0 && errno == EINTR);
    close_fd(&r->ready_fd);
    if (size == 1)
        r->state = LAUNCH_RANK_ONLINE;
}

void
launch_rank_set_gone(struct launch_rank *r)
{
    close_fd(&r->ready_fd);
    close_fd(&r->pid_fd);
    r->state = LAUNCH_RANK_GONE;
}

static bool
is_child(int pid_fd)
{
    siginfo_t info;

    return waitid(P_PIDFD, (id_t)pid_fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void
launch_rank_refresh(struct launch_rank *r, const struct launch_dir *d)
{
    pid_t pid = launch_dir_live_pid(d, r->rank);

    if (pid == 0 || (pid == r->pid && r->state != LAUNCH_RANK_GONE))
        return;
    launch_rank_set_gone(r);
    r->pid_fd = pidfd_open(pid, 0);
    if (r->pid_fd < 0)
        return; // ended just now
    if (is_child(r->pid_fd))
        close_fd(&r->pid_fd);
    r->pid = pid;
    r->state = LAUNCH_RANK_ONLINE;
}

void
launch_rank_kill(const struct launch_rank *r, int signum)
{
    if (r->state == LAUNCH_RANK_GONE)
        return;
    if (r->pid_fd >= 0)
        pidfd_send_signal(r->pid_fd, signum, NULL, 0);
    else
        kill(r->pid, signum);
}

const char *
launch_rank_format_status(int wait_status, char text[LAUNCH_STATUS_MAX])
{
    if (WIFSIGNALED(wait_status))
        snprintf(text, LAUNCH_STATUS_MAX, "was killed by signal %d", WTERMSIG(wait_status));
    else
        snprintf(text, LAUNCH_STATUS_MAX, "exited with status %d", WEXITSTATUS(wait_status));
    return text;
}
