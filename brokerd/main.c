/* SPDX-License-Identifier: MPL-2.0 */
/* main.c - xylem-brokerd: directories, signals and a launcher around one rank (rank.h).  What it is told
 * is in settings.c, how it finds the others in boot.c.
 *
 * The main thread sleeps until a signal, news from the rank, or the end of the launcher comes in.  Exit
 * status: 0 after SIGTERM or SIGINT and after a shutdown of the instance, 1 when the rank could not start
 * or was refused, or for a wrong configuration file, 2 for a wrong command line.
 */
#include "actor.h"
#include "boot.h"
#include "buf.h"
#include "dirs.h"
#include "elog.h"
#include "heap.h"
#include "loop.h"
#include "rank.h"
#include "sd_notify.h"
#include "settings.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "xylem-brokerd"
#define TELL_MS 5000 // how long a busy service manager is waited for

/* The whole program. */
struct broker {
    const struct settings *settings; // borrowed
    struct boot boot;
    struct dirs dirs;
    struct rank_conf conf;
    char *local;            // owned: the path of the UNIX socket, unless it was given
    int signals;            // signalfd
    int ready_fd;           // -1: nobody wants to know, or was told
    struct loop *loop;      // owned by serve(), like all that follow
    struct rank *rank;      // borrowed
    struct loop_source *up; // the launcher, until it is gone
    int status;             // to exit with
    bool is_shutdown;       // not we alone: the whole instance ends
};

static int
fail(const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    return 1;
}

/* --- while the rank runs --- */

/* Nothing depends on it: a failure is told, and that is all. */
static void
tell_service_manager(const struct rank_conf *conf, const char *state, const char *does)
{
    AUTO(buf) struct buf lines = BUF_INIT;
    int rc;

    buf_printf(&lines, "%s\nSTATUS=rank %u of %u %s", state, conf->rank, conf->topo.size, does);
    rc = conf->notify_socket ? sd_notify_send(conf->notify_socket, buf_str(&lines), TELL_MS) : 0;
    if (rc < 0)
        elog(ELOG_WARN, "cannot tell the service manager: %s", err_name(rc));
}

static void
tell_launcher(struct broker *b)
{
    AUTO(free) char *key = xasprintf("xylem.ready.%u", b->conf.rank);
    AUTO(free) char *value = xasprintf("%d %s", (int)getpid(), b->conf.local);

    boot_tell(&b->boot, key, value);
}

static void
tell_ready(struct broker *b)
{
    tell_launcher(b);
    if (b->ready_fd < 0)
        return;
    if (write(b->ready_fd, "+", 1) < 0)
        elog(ELOG_WARN, "cannot write to the ready descriptor: %s", err_name(errno));
    close(b->ready_fd);
    b->ready_fd = -1;
}

static void
take_news(struct broker *b, const struct rank_report *news)
{
    switch (news->news) {
    case RANK_COMPLETE:
        tell_ready(b);
        break;
    case RANK_REFUSED:
        fprintf(stderr, PROGRAM ": rank %u was refused: %s\n", b->conf.rank, news->text);
        b->status = 1;
        loop_stop(b->loop);
        break;
    case RANK_SHUTDOWN:
        elog(ELOG_INFO, "stopping: the instance is being shut down");
        b->is_shutdown = true;
        loop_stop(b->loop);
        break;
    }
}

static bool
on_news(void *arg)
{
    struct broker *b = arg;
    struct rank_report *news;
    void *item;

    if (actor_recv(rank_pipe(b->rank), false, &item) < 0)
        return false;
    news = item;
    take_news(b, news);
    rank_report_free(&news);
    return true;
}

static void
on_signal(void *arg, unsigned events)
{
    struct broker *b = arg;
    struct signalfd_siginfo info;

    (void)events;
    if (read(b->signals, &info, sizeof(info)) != sizeof(info))
        return;
    elog(ELOG_INFO, "stopping: %s", strsignal((int)info.ssi_signo));
    loop_stop(b->loop);
}

static void
on_launcher(void *arg, unsigned events)
{
    struct broker *b = arg;

    (void)events;
    if (!boot_launcher_is_gone(&b->boot))
        return;
    elog(ELOG_INFO, "stopping: the launcher is gone");
    loop_remove(&b->up);
    loop_stop(b->loop);
}

static void
serve(struct broker *b)
{
    struct loop_source *news;
    struct loop_source *stop;
    int up = boot_fd(&b->boot);

    b->loop = loop_new();
    news = loop_add_zmq(b->loop, rank_pipe(b->rank), on_news, b);
    stop = loop_add_fd(b->loop, b->signals, LOOP_READ, on_signal, b);
    b->up = up < 0 ? NULL : loop_add_fd(b->loop, up, LOOP_READ, on_launcher, b);
    loop_run(b->loop);
    loop_remove(&b->up);
    loop_remove(&news);
    loop_remove(&stop);
    loop_free(&b->loop);
}

static void
tell_shutdown(struct broker *b)
{
    if (!b->is_shutdown)
        return;
    if (b->settings->shutdown_file)
        dirs_write_pid_to(b->settings->shutdown_file);
    if (b->conf.rank == 0)
        boot_tell(&b->boot, "xylem.end", "shutdown");
}

/* Its lines and those of its rank look alike. */
static void
name_log(const struct broker *b)
{
    AUTO(free) char *name = xasprintf("rank %u", b->boot.rank);

    elog_set_name(name);
}

static int
run_rank(struct broker *b, struct err *err)
{
    int rc;

    b->boot.has_made_rundir = b->dirs.has_made;
    rc = rank_start(&b->rank, &b->conf, err);
    b->dirs.has_made = b->boot.has_made_rundir;
    if (rc < 0)
        return rc;
    dirs_write_pid(&b->dirs);
    name_log(b);
    elog(ELOG_INFO, "serves local://%s, one of %u ranks of instance %s", b->conf.local,
         b->conf.topo.size, b->conf.instance);
    tell_service_manager(&b->conf, "READY=1", "serves");
    serve(b);
    tell_service_manager(&b->conf, "STOPPING=1", "stops");
    rank_stop(&b->rank);
    tell_shutdown(b);
    return 0;
}

/* --- before --- */

static int
block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
expect_sockets(struct broker *b, struct err *err)
{
    int rc = dirs_expect_local(b->conf.local, err);

    for (size_t i = 0; rc == 0 && i < b->conf.nlisten; i++)
        rc = dirs_expect_uri(&b->dirs, b->conf.listen[i], err);
    return rc;
}

static void
fill_conf(struct broker *b)
{
    const struct settings *s = b->settings;

    settings_fill(&b->boot, &b->conf);
    b->local = xasprintf("%s/local-%u", b->dirs.rundir, b->boot.rank);
    b->conf.local = s->local ? s->local : b->local;
    b->conf.rundir = b->dirs.rundir;
    b->conf.statedir = b->dirs.statedir;
    b->conf.notify_socket = sd_notify_socket();
    if (b->boot.job.ops) {
        b->conf.exchange = boot_exchange;
        b->conf.settled = boot_settled;
        b->conf.exchange_arg = &b->boot;
    }
}

/* Everything between the launcher and the rank. */
static int
configure_and_run(struct broker *b, struct err *err)
{
    const struct settings *s = b->settings;
    int rc = dirs_open(&b->dirs, b->boot.rank, s->rundir, s->statedir, err);

    if (rc < 0 || (rc = boot_fill(&b->boot, b->dirs.rundir, err)) < 0 ||
        (s->log_file && (rc = elog_open(s->log_file, err)) < 0))
        return rc;
    fill_conf(b);
    /* With --listen what the file says about this rank is for the others. */
    if ((rc = boot_check_endpoints(&b->boot, s->listen.count == 0, err)) < 0 ||
        (rc = expect_sockets(b, err)) < 0)
        return rc;
    return run_rank(b, err);
}

/* In their order: signals first, as from here on there is something to take back. */
static int
start(struct broker *b, struct err *err)
{
    struct boot_asked asked;
    int rc;

    b->signals = block_signals();
    settings_asked(b->signals, &asked);
    rc = boot_open(&b->boot, &asked, err);
    if (rc < 0)
        return rc;
    settings_check_places(&b->boot);
    if (b->boot.method == BOOT_PMI)
        signal(SIGUSR1, SIG_IGN); // MPICH's hydra tells so that another rank has died
    return configure_and_run(b, err);
}

int
main(int argc, char **argv)
{
    struct broker b = {.boot = BOOT_INIT, .dirs = DIRS_INIT};
    struct err err = {0};
    int rc;

    umask(077);
    elog_dump_on_abort();
    heap_init();
    actor_process_init();
    b.settings = settings_load(argc, argv, &b.boot);
    b.ready_fd = (int)b.settings->ready_fd;
    rc = start(&b, &err);
    if (rc == -EINTR) // a signal: asked to stop before there was a rank
        elog(ELOG_INFO, "stopping: %s", err.text);
    else if (rc < 0)
        b.status = fail(&err);
    dirs_close(&b.dirs);
    boot_close(&b.boot, b.status == 0);
    free(b.local);
    zsys_shutdown();
    close(b.signals);
    return b.status;
}
