/* SPDX-License-Identifier: MPL-2.0 */
/* launch_fleet.c - all ranks of a launch, and COMMAND.
 *
 * Model: one place waits, wait_once(): for signals (SIGCHLD among them) through a signalfd, for
 * the ready pipes of ranks that are starting, and for pidfds of ranks that somebody started again
 * from outside.  Everything else is a loop around it with a condition.
 *
 *   phase    a rank ends                             SIGINT, SIGTERM, ...
 *   START    the launch fails, its log is shown      the launch is given up
 *   SERVE    one line on stderr                      passed on to COMMAND, or the end without one
 *   STOP     a line only if it did not end well      ignored
 *
 * A shutdown of the instance (xylem(1)) ends the ranks in order, leaves first, and rank 0 says in a
 * file that it was one.  What is left when rank 0 has ended was cut off and has not heard of it.
 *
 * A respawned rank is an orphan of `xylem-launch --respawn`; being the reaper of our descendants
 * makes it a child of ours, unless that command was run from elsewhere: then it has a pidfd.
 *
 * Invariant I1: when launch_fleet_stop() returns, no rank named in a pid file is alive.
 */
#include "launch_fleet.h"

#include "clock.h"
#include "xmem.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS INT64_C(10000) // from SIGTERM to SIGKILL
#define FOREVER INT64_MAX
#define REFRESH_MS 1000 // how often ranks that are gone are looked for: they may have come again
#define NOT_FOUND 127   // exit statuses of shells
#define NOT_EXECUTABLE 126

static const int end_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* ---- life ---- */

/* In a background job of a script SIGINT is ignored, and an ignored signal is never waited for. */
static void
catch_signals(struct launch_fleet *f)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    signal(SIGCHLD, SIG_DFL);
    f->old_pipe = signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < ARRAY_SIZE(end_signals); i++) {
        sigaddset(&mask, end_signals[i]);
        if (end_signals[i] != SIGHUP) // nohup(1) means it
            signal(end_signals[i], SIG_DFL);
    }
    sigprocmask(SIG_BLOCK, &mask, &f->old_mask);
    f->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    assert(f->signal_fd >= 0);
}

/* Two descriptors a rank, and brokers want many. */
static void
raise_fd_limit(struct launch_fleet *f)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &f->old_limit);
    limit = f->old_limit;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void
launch_fleet_init(struct launch_fleet *f, const struct launch_dir *dir, unsigned size, bool verbose)
{
    *f = (struct launch_fleet){.dir = dir, .size = size, .verbose = verbose};
    f->ranks = xcalloc(size, sizeof(*f->ranks));
    f->polls = xcalloc((size_t)size + 1, sizeof(*f->polls));
    f->who = xcalloc((size_t)size + 1, sizeof(*f->who));
    for (unsigned rank = 0; rank < size; rank++)
        launch_rank_init(&f->ranks[rank], rank);
    raise_fd_limit(f);
    catch_signals(f);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void
launch_fleet_fini(struct launch_fleet *f)
{
    for (unsigned rank = 0; rank < f->size; rank++)
        launch_rank_set_gone(&f->ranks[rank]);
    close(f->signal_fd);
    sigprocmask(SIG_SETMASK, &f->old_mask, NULL);
    free(f->ranks);
    free(f->polls);
    free(f->who);
}

/* ---- ends of processes ---- */

static struct launch_rank *
find_by_pid(const struct launch_fleet *f, pid_t pid)
{
    for (unsigned rank = 0; rank < f->size; rank++) {
        if (f->ranks[rank].pid == pid)
            return &f->ranks[rank];
    }
    return NULL;
}

static bool
is_orderly(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Somebody outside ended it on purpose: there is nothing to see in its log. */
static bool
was_ended_by_others(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM);
}

static void
report_end(struct launch_fleet *f, const struct launch_rank *r, int status)
{
    char text[LAUNCH_STATUS_MAX];

    if (is_orderly(status) && f->phase != LAUNCH_PHASE_START) {
        if (f->verbose)
            warnx("rank %u (pid %d) has ended", r->rank, (int)r->pid);
        return;
    }
    f->failed++;
    if (f->phase == LAUNCH_PHASE_STOP && was_ended_by_others(status))
        return; // stop_range() has said it
    warnx("rank %u (pid %d) %s", r->rank, (int)r->pid, launch_rank_format_status(status, text));
    if (!was_ended_by_others(status))
        launch_dir_show_log(f->dir, r->rank, "  ");
}

/* Children we do not know are orphans of COMMAND, or ranks started again that ended again.
 * After the first failure of a start the others fail for lack of it: one report is enough. */
static void
on_child_end(struct launch_fleet *f, pid_t pid, int status)
{
    struct launch_rank *r = find_by_pid(f, pid);

    if (pid == f->command) {
        f->command = 0;
        f->command_status = status;
    }
    if (!r || r->state == LAUNCH_RANK_GONE)
        return;
    if (f->phase != LAUNCH_PHASE_START || f->failed == 0)
        report_end(f, r, status);
    launch_rank_set_gone(r);
}

static void
reap_children(struct launch_fleet *f)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_child_end(f, pid, status);
}

/* ---- waiting ---- */

/* From the terminal's keyboard COMMAND has got the signal already. */
static void
on_signal(struct launch_fleet *f, const struct signalfd_siginfo *info)
{
    int signum = (int)info->ssi_signo;

    if (signum == SIGCHLD) {
        reap_children(f);
        return;
    }
    if (f->stop_signal == 0)
        f->stop_signal = signum;
    if (f->command > 0 && info->ssi_code != SI_KERNEL)
        kill(f->command, signum);
}

static void
read_signals(struct launch_fleet *f)
{
    struct signalfd_siginfo info;

    while (read(f->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        on_signal(f, &info);
}

static nfds_t
fill_polls(struct launch_fleet *f)
{
    nfds_t count = 0;

    f->polls[count++] = (struct pollfd){.fd = f->signal_fd, .events = POLLIN};
    for (unsigned rank = 0; rank < f->size; rank++) {
        struct launch_rank *r = &f->ranks[rank];
        int fd = r->ready_fd >= 0 ? r->ready_fd : r->pid_fd;

        if (fd < 0)
            continue;
        f->who[count] = r;
        f->polls[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    return count;
}

static void
on_rank_readable(struct launch_fleet *f, struct launch_rank *r)
{
    if (r->pid_fd >= 0) {
        launch_rank_set_gone(r);
        return;
    }
    launch_rank_read_ready(r);
    if (f->verbose && r->state == LAUNCH_RANK_ONLINE)
        warnx("rank %u (pid %d) is ready", r->rank, (int)r->pid);
}

/* false: the deadline has passed. */
static bool
wait_once(struct launch_fleet *f, int64_t deadline)
{
    int64_t left = deadline == FOREVER ? -1 : MAX(deadline - clock_ms(), 0);
    nfds_t count = fill_polls(f);
    int ready = poll(f->polls, count, (int)MIN(left, INT32_MAX));

    for (nfds_t i = 1; i < count && ready > 0; i++) {
        if (f->polls[i].revents)
            on_rank_readable(f, f->who[i]);
    }
    if (ready > 0 && f->polls[0].revents)
        read_signals(f);
    return ready != 0;
}

/* ---- start ---- */

static unsigned
count_state(const struct launch_fleet *f, enum launch_rank_state state)
{
    unsigned count = 0;

    for (unsigned rank = 0; rank < f->size; rank++)
        count += f->ranks[rank].state == state;
    return count;
}

/* A rank that hangs holds up all its ancestors: the last of them in number is the one. */
static void
show_late_rank(const struct launch_fleet *f)
{
    for (unsigned rank = f->size; rank-- > 0;) {
        if (f->ranks[rank].state == LAUNCH_RANK_STARTING) {
            warnx("rank %u is not ready", rank);
            launch_dir_show_log(f->dir, rank, "  ");
            return;
        }
    }
}

static int
wait_until_ready(struct launch_fleet *f, int64_t deadline, struct err *err)
{
    while (f->failed == 0 && f->stop_signal == 0) {
        if (count_state(f, LAUNCH_RANK_ONLINE) == f->size)
            return 0;
        if (!wait_once(f, deadline)) {
            show_late_rank(f);
            return err_set(err, -ETIMEDOUT, "start: the tree is not complete in time");
        }
    }
    if (f->stop_signal)
        return err_set(err, -EINTR, "start: ended by signal %d", f->stop_signal);
    return err_set(err, -ECHILD, "start: a rank failed");
}

int
launch_fleet_start(struct launch_fleet *f, int64_t timeout_ms, struct err *err)
{
    int64_t begin = clock_ms();
    int rc = 0;

    for (unsigned rank = 0; rank < f->size && rc == 0; rank++)
        rc = launch_rank_start(&f->ranks[rank], f->dir, true, err);
    if (rc == 0)
        rc = wait_until_ready(f, begin + timeout_ms, err);
    if (rc == 0 && f->verbose)
        warnx("%u ranks are ready after %lld ms", f->size, (long long)(clock_ms() - begin));
    if (rc == 0)
        f->phase = LAUNCH_PHASE_SERVE;
    return rc;
}

/* ---- COMMAND ---- */

__attribute__((noreturn)) static void
exec_command(const struct launch_fleet *f, char **argv)
{
    int code;

    signal(SIGPIPE, f->old_pipe);
    setrlimit(RLIMIT_NOFILE, &f->old_limit);
    sigprocmask(SIG_SETMASK, &f->old_mask, NULL);
    execvp(argv[0], argv);
    code = errno;
    warnx("%s: %s", argv[0], err_name(code));
    _exit(code == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

int
launch_fleet_run(struct launch_fleet *f, char **argv)
{
    fflush(NULL);
    f->command = fork();
    if (f->command == 0)
        exec_command(f, argv);
    if (f->command < 0) {
        f->command = 0;
        warn("%s", argv[0]);
        return EXIT_FAILURE;
    }
    while (f->command)
        wait_once(f, FOREVER);
    if (WIFSIGNALED(f->command_status))
        return 128 + WTERMSIG(f->command_status);
    return WEXITSTATUS(f->command_status);
}

/* Ranks started again by others are not known until we look for them. */
static void
refresh_all(struct launch_fleet *f)
{
    for (unsigned rank = 0; rank < f->size; rank++)
        launch_rank_refresh(&f->ranks[rank], f->dir);
}

static bool
is_shut_down(const struct launch_fleet *f)
{
    AUTO(free) char *path = launch_dir_path(f->dir, LAUNCH_END, 0);

    return f->ranks[0].state == LAUNCH_RANK_GONE && access(path, F_OK) == 0;
}

void
launch_fleet_serve(struct launch_fleet *f)
{
    while (f->stop_signal == 0) {
        unsigned gone = count_state(f, LAUNCH_RANK_GONE);

        if (is_shut_down(f) || (f->failed == 0 && gone == f->size))
            return;
        wait_once(f, gone > 0 ? clock_ms() + REFRESH_MS : FOREVER);
        refresh_all(f);
    }
}

/* ---- stop ---- */

static unsigned
count_alive(const struct launch_fleet *f, unsigned first, unsigned last)
{
    unsigned count = 0;

    for (unsigned rank = first; rank <= last; rank++)
        count += f->ranks[rank].state != LAUNCH_RANK_GONE;
    return count;
}

/* Leaves have the highest numbers: they are told first. */
static void
kill_range(const struct launch_fleet *f, unsigned first, unsigned last, int signum)
{
    for (unsigned rank = last + 1; rank-- > first;)
        launch_rank_kill(&f->ranks[rank], signum);
}

static void
wait_for_range(struct launch_fleet *f, unsigned first, unsigned last, int64_t deadline)
{
    while (count_alive(f, first, last) > 0) {
        if (!wait_once(f, deadline))
            return;
    }
}

static void
stop_range(struct launch_fleet *f, unsigned first, unsigned last)
{
    kill_range(f, first, last, SIGTERM);
    wait_for_range(f, first, last, clock_ms() + GRACE_MS);
    for (unsigned rank = first; rank <= last; rank++) {
        if (f->ranks[rank].state != LAUNCH_RANK_GONE)
            warnx("rank %u (pid %d) does not end: killing it", rank, (int)f->ranks[rank].pid);
    }
    kill_range(f, first, last, SIGKILL);
    wait_for_range(f, first, last, FOREVER);
}

void
launch_fleet_stop(struct launch_fleet *f)
{
    f->phase = LAUNCH_PHASE_STOP;
    reap_children(f);
    refresh_all(f);
    if (f->size > 1)
        stop_range(f, 1, f->size - 1);
    stop_range(f, 0, 0);
}
