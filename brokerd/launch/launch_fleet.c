/* SPDX-License-Identifier: MPL-2.0 */
/* launch_fleet.c - all ranks of a launch, and COMMAND.
 *
 * Model: one place waits, wait_once(): for signals (SIGCHLD among them) through a signalfd, for
 * the ready pipes of ranks that are starting, for what ranks on other hosts say, and for requests to
 * start a rank again.  Everything else is a loop around it with a condition.
 *
 *   phase    a rank ends                             SIGINT, SIGTERM, ...
 *   START    the launch fails, its log is shown      the launch is given up
 *   SERVE    one line on stderr                      passed on to COMMAND, or the end without one
 *   STOP     a line only if it did not end well      ignored
 *
 * A shutdown of the instance (xylem(1)) ends the ranks in order, leaves first, and rank 0 says that it
 * was one.  What is left when rank 0 has ended was cut off and has not heard of it.
 *
 * Invariant I1: every rank is a child of this process, so when launch_fleet_stop() returns none is
 * alive here; those on other hosts have seen the end of their input, or lost the way they came.
 */
#include "launch_fleet.h"

#include "clock.h"
#include "xmem.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS INT64_C(10000) // from SIGTERM to SIGKILL
#define FOREVER INT64_MAX
#define SHOWN_MAX 8   // ranks that did not arrive
#define NOT_FOUND 127 // exit statuses of shells
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

/* For those who ask for it to be started again, and at the start. */
static int
start_rank(void *arg, struct launch_rank *r, struct err *err)
{
    struct launch_fleet *f = arg;

    if (f->hosts)
        launch_pmi_expect(&f->pmi, r);
    return launch_rank_start(r, f->dir, err);
}

void
launch_fleet_init(struct launch_fleet *f, const struct launch_dir *dir,
                  const struct hostlist *hosts, unsigned size, bool verbose)
{
    *f = (struct launch_fleet){.dir = dir, .hosts = hosts, .size = size, .verbose = verbose};
    f->ranks = xcalloc(size, sizeof(*f->ranks));
    for (unsigned rank = 0; rank < size; rank++)
        launch_rank_init(&f->ranks[rank], rank, hosts ? launch_hosts_of(hosts, size, rank) : NULL);
    f->respawn = (struct launch_respawn){
        .dir = dir, .ranks = f->ranks, .size = size, .fd = -1, .start = start_rank, .arg = f};
    raise_fd_limit(f);
    catch_signals(f);
}

void
launch_fleet_fini(struct launch_fleet *f)
{
    launch_respawn_close(&f->respawn);
    launch_pmi_close(&f->pmi);
    launch_polls_fini(&f->polls);
    for (unsigned rank = 0; rank < f->size; rank++)
        launch_rank_set_gone(&f->ranks[rank]);
    close(f->signal_fd);
    sigprocmask(SIG_SETMASK, &f->old_mask, NULL);
    free(f->ranks);
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
tell_end(const struct launch_fleet *f, const struct launch_rank *r, int status)
{
    char name[LAUNCH_NAME_MAX];
    char text[LAUNCH_STATUS_MAX];

    launch_rank_format_name(r, name);
    launch_rank_format_status(status, text);
    if (f->hosts && f->phase == LAUNCH_PHASE_START && !launch_pmi_has_arrived(&f->pmi, r))
        warnx("%s did not arrive: pid %d %s", name, (int)r->pid, text);
    else
        warnx("%s (pid %d) %s", name, (int)r->pid, text);
}

static void
report_end(struct launch_fleet *f, const struct launch_rank *r, int status)
{
    if (is_orderly(status) && f->phase != LAUNCH_PHASE_START) {
        if (f->verbose)
            warnx("rank %u (pid %d) has ended", r->rank, (int)r->pid);
        return;
    }
    f->failed++;
    if (f->phase == LAUNCH_PHASE_STOP && was_ended_by_others(status))
        return; // stop_range() has said it
    tell_end(f, r, status);
    if (!was_ended_by_others(status))
        launch_dir_show_log(f->dir, r->rank, "  ");
}

/* After the first failure of a start the others fail for lack of it: one report is enough.  The end of
 * a rank that was started again is told to who asked for it. */
static bool
is_worth_a_report(const struct launch_fleet *f, const struct launch_rank *r)
{
    if (f->phase == LAUNCH_PHASE_START)
        return f->failed == 0;
    return r->state == LAUNCH_RANK_ONLINE;
}

/* Children we do not know are ranks started again that ended again. */
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
    if (is_worth_a_report(f, r))
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
on_signals_readable(void *owner, void *item UNUSED, short revents UNUSED)
{
    struct launch_fleet *f = owner;
    struct signalfd_siginfo info;

    while (read(f->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        on_signal(f, &info);
}

static void
on_ready_pipe(void *owner, void *item, short revents UNUSED)
{
    const struct launch_fleet *f = owner;
    struct launch_rank *r = item;

    launch_rank_read_ready(r);
    if (f->verbose && r->state == LAUNCH_RANK_ONLINE)
        warnx("rank %u (pid %d) is ready", r->rank, (int)r->pid);
}

/* Signals come last: what a rank has said is heard before it is found to have ended. */
static void
fill_polls(struct launch_fleet *f)
{
    launch_polls_reset(&f->polls);
    for (unsigned rank = 0; rank < f->size; rank++) {
        if (f->ranks[rank].ready_fd >= 0)
            launch_polls_add(&f->polls, f->ranks[rank].ready_fd, POLLIN, on_ready_pipe, f,
                             &f->ranks[rank]);
    }
    if (f->hosts)
        launch_pmi_add(&f->pmi, &f->polls);
    launch_respawn_add(&f->respawn, &f->polls);
    launch_polls_add(&f->polls, f->signal_fd, POLLIN, on_signals_readable, f, NULL);
}

/* false: the deadline has passed. */
static bool
wait_once(struct launch_fleet *f, int64_t deadline)
{
    int64_t until = MIN(deadline, launch_respawn_deadline(&f->respawn));
    int64_t left = until == FOREVER ? -1 : MAX(until - clock_ms(), 0);
    bool is_ready;

    fill_polls(f);
    is_ready = launch_polls_wait(&f->polls, left);
    launch_respawn_step(&f->respawn, f->phase == LAUNCH_PHASE_SERVE);
    return is_ready || deadline == FOREVER || clock_ms() < deadline;
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
    char name[LAUNCH_NAME_MAX];

    for (unsigned rank = f->size; rank-- > 0;) {
        if (f->ranks[rank].state == LAUNCH_RANK_STARTING) {
            warnx("%s is not ready", launch_rank_format_name(&f->ranks[rank], name));
            launch_dir_show_log(f->dir, rank, "  ");
            return;
        }
    }
}

/* Each of them holds up all others. */
static unsigned
show_missing_ranks(const struct launch_fleet *f)
{
    unsigned missing = 0;
    char name[LAUNCH_NAME_MAX];

    for (unsigned rank = 0; rank < f->size; rank++) {
        const struct launch_rank *r = &f->ranks[rank];

        if (launch_pmi_has_arrived(&f->pmi, r) || missing++ >= SHOWN_MAX)
            continue;
        warnx("%s did not arrive: %s in time", launch_rank_format_name(r, name),
              launch_pmi_has_spoken(&f->pmi, r) ? "it did not tell its address"
                                                : "nothing was heard of it");
        launch_dir_show_log(f->dir, rank, "  ");
    }
    if (missing > SHOWN_MAX)
        warnx("and %u more ranks did not arrive", missing - SHOWN_MAX);
    return missing;
}

static int
wait_until_ready(struct launch_fleet *f, int64_t deadline, struct err *err)
{
    while (f->failed == 0 && f->stop_signal == 0) {
        if (count_state(f, LAUNCH_RANK_ONLINE) == f->size)
            return 0;
        if (!wait_once(f, deadline)) {
            if (!f->hosts || show_missing_ranks(f) == 0)
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
    int rc = launch_respawn_open(&f->respawn, err);

    if (rc == 0 && f->hosts)
        rc = launch_pmi_open(&f->pmi, f->dir, f->hosts, f->ranks, f->size, err);
    for (unsigned rank = 0; rank < f->size && rc == 0; rank++)
        rc = start_rank(f, &f->ranks[rank], err);
    if (rc == 0)
        rc = wait_until_ready(f, begin + timeout_ms, err);
    if (rc == 0 && f->verbose)
        warnx("%u ranks are ready after %lld ms", f->size, (long long)(clock_ms() - begin));
    if (rc == 0)
        f->phase = LAUNCH_PHASE_SERVE;
    return rc;
}

char *
launch_fleet_uri(const struct launch_fleet *f, unsigned rank)
{
    return f->hosts ? launch_pmi_uri(&f->pmi, rank)
                    : xasprintf("local://%s/local-%u", f->dir->path, rank);
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

static bool
is_shut_down(const struct launch_fleet *f)
{
    AUTO(free) char *path = launch_dir_path(f->dir, LAUNCH_END, 0);

    if (f->ranks[0].state != LAUNCH_RANK_GONE)
        return false;
    return f->hosts ? launch_pmi_is_shut_down(&f->pmi) : access(path, F_OK) == 0;
}

void
launch_fleet_serve(struct launch_fleet *f)
{
    while (f->stop_signal == 0) {
        unsigned gone = count_state(f, LAUNCH_RANK_GONE);

        if (is_shut_down(f) || (f->failed == 0 && gone == f->size))
            return;
        wait_once(f, FOREVER);
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

/* One of which nothing was heard may never read what it is told. */
static void
tell_to_end(const struct launch_fleet *f, struct launch_rank *r)
{
    launch_rank_stop(r);
    if (f->hosts && !launch_pmi_has_spoken(&f->pmi, r))
        launch_rank_kill(r, SIGTERM);
}

static void
wait_for_range(struct launch_fleet *f, unsigned first, unsigned last, int64_t deadline)
{
    while (count_alive(f, first, last) > 0) {
        if (!wait_once(f, deadline))
            return;
    }
}

/* Leaves have the highest numbers: they are told first. */
static void
stop_range(struct launch_fleet *f, unsigned first, unsigned last)
{
    char name[LAUNCH_NAME_MAX];

    for (unsigned rank = last + 1; rank-- > first;)
        tell_to_end(f, &f->ranks[rank]);
    wait_for_range(f, first, last, clock_ms() + GRACE_MS);
    for (unsigned rank = first; rank <= last; rank++) {
        const struct launch_rank *r = &f->ranks[rank];

        if (r->state == LAUNCH_RANK_GONE)
            continue;
        warnx("%s (pid %d) does not end: killing it", launch_rank_format_name(r, name),
              (int)r->pid);
        launch_rank_kill(r, SIGKILL);
    }
    wait_for_range(f, first, last, FOREVER);
}

void
launch_fleet_stop(struct launch_fleet *f)
{
    f->phase = LAUNCH_PHASE_STOP;
    reap_children(f);
    if (f->size > 1)
        stop_range(f, 1, f->size - 1);
    stop_range(f, 0, 0);
}
