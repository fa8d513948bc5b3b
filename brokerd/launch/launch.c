/* SPDX-License-Identifier: MPL-2.0 */
/* launch.c - xylem-launch: N ranks of an instance, for people and for test harnesses.
 *
 * A launch: make the run directory, write down each rank's command line there, start them all,
 * wait until the tree is complete, run COMMAND (or print the URIs and wait for a signal), stop all
 * ranks, remove every file.
 * A respawn (--respawn R --rundir D) is another process that asks a running launch to start one of its
 * ranks again.
 *
 * Parts: launch_dir (files), launch_hosts (places), launch_args (command lines, environment),
 * launch_rank (a process), launch_pmi (what ranks on other hosts say), launch_respawn, launch_polls
 * (what is waited for), launch_fleet (all of them).  One thread.  See xylem-launch(1).
 */
#include "launch_fleet.h"

#include "launch_args.h"
#include "xmem.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RANKS_MAX 4096
#define START_TIMEOUT_MS INT64_C(120000) // sanitizers on a busy machine take long

static struct launch_conf conf = {.fanout = 2, .start_timeout_ms = START_TIMEOUT_MS, .respawn = -1};

static const struct opt options[] = {
    {'n', "size", "N", OPT_LONG, &conf.size, "number of ranks (one for each host)", 1, RANKS_MAX},
    {'k', "fanout", "K", OPT_LONG, &conf.fanout, "children of a rank (2)", 1, RANKS_MAX},
    {0, "statedir", "DIR", OPT_STRING, &conf.statedir, "where rank 0 keeps its data", 0, 0},
    {0, "rundir", "DIR", OPT_STRING, &conf.rundir, "sockets and logs (a private directory)", 0, 0},
    {0, "tcp", NULL, OPT_FLAG, &conf.tcp, "ranks talk over loopback TCP", 0, 0},
    {0, "hosts", "LIST", OPT_STRING, &conf.host_list, "where ranks run: a,b or h[1-8] (here)", 0,
     0},
    {0, "rsh", "CMD", OPT_STRING, &conf.rsh, "runs a command on a host: CMD HOST ... (ssh)", 0, 0},
    {0, "broker-path", "PATH", OPT_STRING, &conf.broker, "xylem-brokerd on the hosts (the same)", 0,
     0},
    {0, "remote-rundir", "DIR", OPT_STRING, &conf.remote_rundir,
     "run directory on the hosts (--rundir, or a private one)", 0, 0},
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
print_uris(const struct launch_fleet *f)
{
    printf("XYLEM_URI=%s\n", getenv("XYLEM_URI"));
    if (f->hosts)
        printf("XYLEM_CERT=%s\n", getenv("XYLEM_CERT"));
    for (unsigned rank = 0; rank < f->size; rank++) {
        if (f->hosts)
            printf("rank %u local://%s %s\n", rank, launch_pmi_local(&f->pmi, rank),
                   f->ranks[rank].host);
        else
            printf("rank %u local://%s/local-%u\n", rank, f->dir->path, rank);
    }
    fflush(stdout);
}

static int
use_fleet(struct launch_fleet *f, char **command)
{
    if (*command)
        return launch_fleet_run(f, command);
    print_uris(f);
    launch_fleet_serve(f);
    return EXIT_SUCCESS;
}

static void
export_uri(const struct launch_fleet *f)
{
    AUTO(free) char *uri = launch_fleet_uri(f, 0);

    launch_args_export(&conf, f->dir, uri);
}

/* Returns the exit status. */
static int
run_fleet(const struct launch_dir *d, const struct hostlist *hosts, char **command)
{
    struct launch_fleet fleet;
    struct err err;
    int status;

    launch_fleet_init(&fleet, d, hosts, (unsigned)conf.size, conf.verbose);
    if (launch_fleet_start(&fleet, conf.start_timeout_ms, &err) == 0) {
        export_uri(&fleet);
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
launch(const struct hostlist *hosts, char **command)
{
    AUTO(launch_dir) struct launch_dir dir = {.fd = -1};
    struct err err;
    int status;

    if (launch_dir_create(&dir, conf.rundir, (unsigned)conf.size, &err) < 0)
        errx(EXIT_FAILURE, "start: %s", err.text);
    if (conf.verbose)
        warnx("run directory %s", dir.path);
    if (launch_args_write(&conf, &dir, hosts, &err) == 0) {
        status = run_fleet(&dir, hosts, command);
    } else {
        warnx("start: %s", err.text);
        status = EXIT_FAILURE;
    }
    launch_dir_clean(&dir, (unsigned)conf.size, !conf.statedir);
    return status;
}

/* ---- a respawn ---- */

static int
respawn(void)
{
    AUTO(launch_dir) struct launch_dir dir = {.fd = -1};
    unsigned rank = (unsigned)conf.respawn;
    struct err err;
    int rc;

    if (launch_dir_attach(&dir, conf.rundir, &err) < 0)
        errx(EXIT_FAILURE, "respawn: %s", err.text);
    rc = launch_respawn_ask(&dir, rank, conf.start_timeout_ms, &err);
    if (rc == 0)
        return EXIT_SUCCESS;
    warnx("respawn: %s", err.text);
    if (rc == -ECHILD || rc == -ETIMEDOUT)
        launch_dir_show_log(&dir, rank, "  ");
    return EXIT_FAILURE;
}

/* ---- */

static void
check_usage(char **operands)
{
    if (conf.respawn >= 0 && (!conf.rundir || *operands))
        opt_usage_error(&program, "--respawn takes --rundir and nothing else");
    if (conf.respawn < 0 && conf.size == 0 && !conf.host_list)
        opt_usage_error(&program, "-n N is needed");
    if (conf.host_list && conf.tcp)
        opt_usage_error(&program, "--tcp is for ranks on this host, without --hosts");
    if (!conf.host_list && (conf.rsh || conf.broker || conf.remote_rundir))
        opt_usage_error(&program, "--%s takes --hosts",
                        conf.rsh      ? "rsh"
                        : conf.broker ? "broker-path"
                                      : "remote-rundir");
}

int
main(int argc, char **argv)
{
    AUTO(hostlist) struct hostlist hosts = {0};
    int first = opt_parse(&program, argc, argv);
    struct err err;

    check_usage(argv + first);
    if (conf.respawn >= 0)
        return respawn();
    if (!conf.host_list)
        return launch(NULL, argv + first);
    if (launch_hosts_parse(&hosts, conf.host_list, &err) < 0)
        opt_usage_error(&program, "--hosts: %s", err.text);
    if (conf.size == 0)
        conf.size = (long)hosts.count;
    return launch(&hosts, argv + first);
}
