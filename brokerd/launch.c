/* SPDX-License-Identifier: MPL-2.0 */
/* launch.c - xylem-launch: N ranks of an instance, for people and for test harnesses.
 *
 * A launch: make the run directory, write down each rank's command line there, start them all,
 * wait until the tree is complete, run COMMAND (or print the URIs and wait for a signal), stop all
 * ranks, remove every file.
 * A respawn (--respawn R --rundir D) is another process that starts one rank of a running launch
 * again and leaves it to that launch, which finds it through its pid file.
 *
 * Parts: launch_dir (files), launch_args (command lines, environment), launch_rank (a process),
 * launch_fleet (all of them).  One thread.  See xylem-launch(1).
 */
#include "launch_fleet.h"

#include "clock.h"
#include "launch_args.h"
#include "xmem.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define RANKS_MAX 4096
#define START_TIMEOUT_MS INT64_C(120000) // sanitizers on a busy machine take long
#define DEATH_GRACE_MS 1000              // SIGKILL is not instant, and harnesses are quick

static struct launch_conf conf = {.fanout = 2, .start_timeout_ms = START_TIMEOUT_MS, .respawn = -1};

static const struct opt options[] = {
    {'n', "size", "N", OPT_LONG, &conf.size, "number of ranks", 1, RANKS_MAX},
    {'k', "fanout", "K", OPT_LONG, &conf.fanout, "children of a rank (2)", 1, RANKS_MAX},
    {0, "statedir", "DIR", OPT_STRING, &conf.statedir, "where rank 0 keeps its data", 0, 0},
    {0, "rundir", "DIR", OPT_STRING, &conf.rundir, "sockets and logs (a private directory)", 0, 0},
    {0, "tcp", NULL, OPT_FLAG, &conf.tcp, "ranks talk over loopback TCP", 0, 0},
    {0, "hosts", "LIST", OPT_STRING, &conf.hosts, NULL, 0, 0}, // not built yet
    {0, "rsh", "CMD", OPT_STRING, &conf.rsh, NULL, 0, 0},      // likewise
    {'o', "broker-option", "OPTION", OPT_LIST, &conf.options, "option for every broker", 0, 0},
    {'t', "timeout", "TIME", OPT_DURATION, &conf.start_timeout_ms, "for the start (2m)", 0, 0},
    {0, "respawn", "R", OPT_LONG, &conf.respawn, "start rank R of --rundir again", 0, RANKS_MAX},
    {'v', "verbose", NULL, OPT_FLAG, &conf.verbose, "say what is done", 0, 0},
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-launch",
    .synopsis = "-n N [OPTIONS] [--] [COMMAND [ARG...]]\n"
                "  or:  xylem-launch --respawn R --rundir DIR",
    .description = "Start N ranks, wait until the tree is complete, run COMMAND with XYLEM_URI "
                   "set, stop the ranks and exit with COMMAND's status.  Without COMMAND: print "
                   "the URIs and stay until SIGINT or SIGTERM.",
    .options = options,
    .stop_at_operand = true,
};

/* ---- a launch ---- */

static void
print_uris(const struct launch_dir *d)
{
    printf("XYLEM_URI=local://%s/local-0\n", d->path);
    for (unsigned rank = 0; rank < conf.size; rank++)
        printf("rank %u local://%s/local-%u\n", rank, d->path, rank);
    fflush(stdout);
}

static int
use_fleet(struct launch_fleet *f, char **command)
{
    if (*command)
        return launch_fleet_run(f, command);
    print_uris(f->dir);
    launch_fleet_serve(f);
    return EXIT_SUCCESS;
}

/* Returns the exit status. */
static int
run_fleet(const struct launch_dir *d, char **command)
{
    struct launch_fleet fleet;
    struct err err;
    int status;

    launch_fleet_init(&fleet, d, (unsigned)conf.size, conf.verbose);
    if (launch_fleet_start(&fleet, conf.start_timeout_ms, &err) == 0) {
        launch_args_export(&conf, d);
        status = use_fleet(&fleet, command);
    } else {
        warnx("%s", err.text);
        status = fleet.stop_signal ? 128 + fleet.stop_signal : EXIT_FAILURE;
    }
    launch_fleet_stop(&fleet);
    launch_fleet_fini(&fleet);
    return status;
}

static int
launch(char **command)
{
    AUTO(launch_dir) struct launch_dir dir = {.fd = -1};
    struct err err;
    int status;

    if (launch_dir_create(&dir, conf.rundir, (unsigned)conf.size, &err) < 0)
        errx(EXIT_FAILURE, "start: %s", err.text);
    if (conf.verbose)
        warnx("run directory %s", dir.path);
    if (launch_args_write(&conf, &dir, &err) == 0) {
        status = run_fleet(&dir, command);
    } else {
        warnx("start: %s", err.text);
        status = EXIT_FAILURE;
    }
    launch_dir_clean(&dir, (unsigned)conf.size, !conf.statedir);
    return status;
}

/* ---- a respawn ---- */

/* A rank killed a moment ago may still be there. */
static int
check_is_dead(const struct launch_dir *d, unsigned rank, struct err *err)
{
    int64_t deadline = clock_ms() + DEATH_GRACE_MS;
    struct launch_rank old;

    launch_rank_init(&old, rank);
    launch_rank_refresh(&old, d);
    if (old.state != LAUNCH_RANK_GONE) {
        struct pollfd wait = {.fd = old.pid_fd, .events = POLLIN};
        int left = (int)MAX(deadline - clock_ms(), 0);

        if (poll(&wait, 1, left) == 0)
            return err_set(err, -EBUSY, "rank %u is alive (pid %d)", rank, (int)old.pid);
    }
    launch_rank_set_gone(&old);
    return 0;
}

static int
wait_for_byte(struct launch_rank *r, struct err *err)
{
    struct pollfd wait = {.fd = r->ready_fd, .events = POLLIN};

    if (poll(&wait, 1, (int)MIN(conf.start_timeout_ms, INT32_MAX)) == 0)
        return err_set(err, -ETIMEDOUT, "rank %u is not ready in time", r->rank);
    launch_rank_read_ready(r);
    if (r->state != LAUNCH_RANK_ONLINE)
        return err_set(err, -ECHILD, "rank %u failed", r->rank);
    return 0;
}

static int
respawn(void)
{
    AUTO(launch_dir) struct launch_dir dir = {.fd = -1};
    struct launch_rank rank;
    struct err err;

    launch_rank_init(&rank, (unsigned)conf.respawn);
    if (launch_dir_attach(&dir, conf.rundir, &err) < 0 ||
        check_is_dead(&dir, rank.rank, &err) < 0 || launch_rank_start(&rank, &dir, false, &err) < 0)
        errx(EXIT_FAILURE, "respawn: %s", err.text);
    if (wait_for_byte(&rank, &err) == 0)
        return EXIT_SUCCESS;
    warnx("respawn: %s", err.text);
    launch_dir_show_log(&dir, rank.rank, "  ");
    launch_rank_kill(&rank, SIGKILL);
    return EXIT_FAILURE;
}

/* ---- */

static void
check_usage(char **operands)
{
    if (conf.respawn >= 0 && (!conf.rundir || *operands))
        opt_usage_error(&program, "--respawn takes --rundir and nothing else");
    if (conf.respawn < 0 && conf.size == 0)
        opt_usage_error(&program, "-n N is needed");
    if (conf.hosts || conf.rsh)
        opt_usage_error(&program, "--%s is not built yet: all ranks run on this host",
                        conf.hosts ? "hosts" : "rsh");
}

int
main(int argc, char **argv)
{
    int first = opt_parse(&program, argc, argv);

    check_usage(argv + first);
    return conf.respawn >= 0 ? respawn() : launch(argv + first);
}
