/* SPDX-License-Identifier: MPL-2.0 */
/* launch_rank.c - the process that runs one rank.
 *
 * Model
 *              start            ready byte, set_online    process ended
 *   GONE       STARTING         -                         -
 *   STARTING   -                ONLINE                    GONE
 *   ONLINE     -                -                         GONE
 *
 * A rank has a session of its own, so that Ctrl-C in the terminal reaches COMMAND and the launcher
 * but not the ranks, which must outlive COMMAND.
 * On this host it inherits nothing but its log as standard output and error, and the pipe for the
 * ready byte.  On another host the process here is the way to that host: it has the log as standard
 * error, and one end of a pair of sockets as standard input and output.  What runs on the host sees the
 * end of its input when the launch is over, however that came about.
 *
 * Invariant I1: ready_fd >= 0 only in STARTING; talk_fd >= 0 only with a host, in STARTING and ONLINE.
 */
#include "launch_rank.h"

#include "launch_args.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC_FAILED 127 // as shells have it

void
launch_rank_init(struct launch_rank *r, unsigned rank, const char *host)
{
    *r = (struct launch_rank){.rank = rank, .host = host, .ready_fd = -1, .talk_fd = -1};
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

static void
redirect_to_talk(int log_fd, int talk_fd)
{
    move_fd(talk_fd, STDIN_FILENO);
    move_fd(talk_fd, STDOUT_FILENO);
    move_fd(log_fd, STDERR_FILENO);
    close_range(STDERR_FILENO + 1, ~0U, 0);
}

__attribute__((noreturn)) static void
run_broker(const struct launch_rank *r, char **argv, int log_fd, int other_fd)
{
    setsid();
    reset_signals();
    if (r->host)
        redirect_to_talk(log_fd, other_fd);
    else
        redirect(log_fd, other_fd);
    if (r->rank > 0)
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

/* [0] is for us, [1] for the child. */
static int
make_channel(const struct launch_rank *r, int fds[2])
{
    int rc =
        r->host ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) : pipe2(fds, O_CLOEXEC);

    if (rc < 0)
        return -errno;
    if (r->host)
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fds[1] = lift_fd(fds[1]);
    if (fds[1] >= 0)
        return 0;
    close(fds[0]);
    return fds[1];
}

static int
fork_broker(struct launch_rank *r, char **argv, int log_fd)
{
    pid_t parent = getpid();
    int fds[2];
    int rc = make_channel(r, fds);

    if (rc < 0)
        return rc;
    r->pid = fork();
    if (r->pid == 0) {
        tie_to(parent);
        run_broker(r, argv, log_fd, fds[1]);
    }
    rc = r->pid < 0 ? -errno : 0;
    close(fds[1]);
    *(r->host ? &r->talk_fd : &r->ready_fd) = fds[0];
    if (rc < 0) {
        r->pid = 0;
        launch_rank_set_gone(r);
    }
    return rc;
}

int
launch_rank_start(struct launch_rank *r, const struct launch_dir *d, struct err *err)
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
    rc = log_fd < 0 ? log_fd : fork_broker(r, argv, log_fd);
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
launch_rank_set_online(struct launch_rank *r)
{
    assert(r->state == LAUNCH_RANK_STARTING);
    close_fd(&r->ready_fd);
    r->state = LAUNCH_RANK_ONLINE;
}

void
launch_rank_set_gone(struct launch_rank *r)
{
    close_fd(&r->ready_fd);
    close_fd(&r->talk_fd);
    r->state = LAUNCH_RANK_GONE;
}

void
launch_rank_stop(struct launch_rank *r)
{
    if (r->talk_fd >= 0)
        shutdown(r->talk_fd, SHUT_WR);
    else
        launch_rank_kill(r, SIGTERM);
}

void
launch_rank_hang_up(struct launch_rank *r)
{
    close_fd(&r->talk_fd);
}

void
launch_rank_kill(const struct launch_rank *r, int signum)
{
    if (r->state == LAUNCH_RANK_GONE)
        return;
    if (!r->host || kill(-r->pid, signum) < 0) // or its session is not made yet
        kill(r->pid, signum);
}

const char *
launch_rank_format_name(const struct launch_rank *r, char text[LAUNCH_NAME_MAX])
{
    if (r->host)
        snprintf(text, LAUNCH_NAME_MAX, "rank %u on host %s", r->rank, r->host);
    else
        snprintf(text, LAUNCH_NAME_MAX, "rank %u", r->rank);
    return text;
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
