/* SPDX-License-Identifier: MPL-2.0 */
/* main.c - xylem-brokerd: options, directories and signals around one rank (rank.h).
 *
 * The main thread sleeps until a signal or news from the rank comes in.  Exit status: 0 after
 * SIGTERM or SIGINT and after a shutdown of the instance, 1 when the rank could not start or was refused, 2 for a wrong command line.
 */
#include "actor.h"
#include "boot.h"
#include "elog.h"
#include "heap.h"
#include "loop.h"
#include "opt.h"
#include "rank.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "xylem-brokerd"

static struct settings {
    long rank;
    long size;
    long fanout;
    const char *instance;
    const char *conf;
    const char *rundir;
    const char *statedir;
    struct opt_list listen;
    const char *local;
    const char *hash;
    const char *durability;
    const char *backing;
    bool no_kvs;
    uint64_t cache_size;
    uint64_t blob_size_limit;
    uint64_t scrub_rate;
    long max_checkpoints;
    int64_t heartbeat;
    int64_t timeout;
    long ready_fd;
    const char *shutdown_file;
    const char *log_level;
    const char *log_file;
} settings = {
    .size = 1,
    .fanout = 2,
    .instance = "xylem",
    .hash = "blake2b",
    .durability = "commit",
    .backing = "sqlite",
    .cache_size = 64u << 20,
    .blob_size_limit = 1u << 20,
    .max_checkpoints = 5,
    .heartbeat = 1000,
    .timeout = 5000,
    .ready_fd = -1,
    .log_level = "info",
};

static const struct opt options[] = {
    {0, "rank", "R", OPT_LONG, &settings.rank, "which rank this is (0)", 0, TOPO_SIZE_MAX - 1},
    {0, "size", "N", OPT_LONG, &settings.size, "number of ranks (1)", 1, TOPO_SIZE_MAX},
    {0, "fanout", "K", OPT_LONG, &settings.fanout, "children of a rank (2)", 1, TOPO_SIZE_MAX},
    {0, "instance", "ID", OPT_STRING, &settings.instance, "name of the cluster, equal on all ranks",
     0, 0},
    {0, "conf", "FILE", OPT_STRING, &settings.conf, "read these options from FILE (ZPL)", 0, 0},
    {0, "rundir", "DIR", OPT_STRING, &settings.rundir,
     "sockets and pid file (a private temporary directory)", 0, 0},
    {0, "statedir", "DIR", OPT_STRING, &settings.statedir,
     "rank 0: where content.sqlite lives (the run directory, removed at exit)", 0, 0},
    {0, "listen", "URI", OPT_LIST, &settings.listen,
     "for children and remote clients (ipc://RUNDIR/tree-R)", 0, 0},
    {0, "local", "PATH", OPT_STRING, &settings.local, "UNIX socket (RUNDIR/local-R)", 0, 0},
    {0, "hash", "NAME", OPT_STRING, &settings.hash, "blake2b, sha256 or sha1 (blake2b)", 0, 0},
    {0, "durability", "MODE", OPT_STRING, &settings.durability, "memory, commit or fsync (commit)",
     0, 0},
    {0, "backing", "KIND", OPT_STRING, &settings.backing, "sqlite or none (sqlite)", 0, 0},
    {0, "no-kvs", NULL, OPT_FLAG, &settings.no_kvs, "do not serve kvs.*", 0, 0},
    {0, "cache-size", "SIZE", OPT_SIZE, &settings.cache_size, "memory for clean blobs (64M)", 0, 0},
    {0, "blob-size-limit", "SIZE", OPT_SIZE, &settings.blob_size_limit,
     "largest blob, 1 to 1G (1M)", 0, 0},
    {0, "scrub-rate", "SIZE", OPT_SIZE, &settings.scrub_rate,
     "rank 0: read the store again at so many bytes a second (0 = off)", 0, 0},
    {0, "max-checkpoints", "N", OPT_LONG, &settings.max_checkpoints, "newest N are kept (5)", 1,
     1000},
    {0, "heartbeat", "TIME", OPT_DURATION, &settings.heartbeat,
     "how often neighbours are pinged (1s)", 0, 0},
    {0, "timeout", "TIME", OPT_DURATION, &settings.timeout,
     "a neighbour silent for this long is lost (5s)", 0, 0},
    {0, "ready-fd", "FD", OPT_LONG, &settings.ready_fd,
     "write a byte there when the subtree is complete", 3, INT_MAX},
    {0, "shutdown-file", "FILE", OPT_STRING, &settings.shutdown_file,
     "make FILE at the end if it is a shutdown of the instance", 0, 0},
    {0, "log-level", "LEVEL", OPT_STRING, &settings.log_level, "err, warn, info or debug (info)", 0,
     0},
    {0, "log-file", "FILE", OPT_STRING, &settings.log_file, "append the log to FILE (stderr)", 0,
     0},
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = PROGRAM,
    .synopsis = "[--rank R --size N] [OPTION]...",
    .description = "Run one rank of a Xylem cluster until SIGTERM or SIGINT.",
    .options = options,
};

static int
fail(const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    return 1;
}

/* --- options to configuration --- */

static void
choose_modes(struct rank_conf *conf)
{
    static const char *const durabilities[] = {"memory", "commit", "fsync"};
    size_t d = 0;

    if (digest_alg_parse(settings.hash, &conf->hash) < 0)
        opt_usage_error(&program, "--hash: no such algorithm: %s", settings.hash);
    while (d < ARRAY_SIZE(durabilities) && strcmp(settings.durability, durabilities[d]) != 0)
        d++;
    if (d == ARRAY_SIZE(durabilities))
        opt_usage_error(&program, "--durability: no such mode: %s", settings.durability);
    conf->durability = (enum store_durability)d;
    conf->backing = strcmp(settings.backing, "sqlite") == 0;
    if (!conf->backing && strcmp(settings.backing, "none") != 0)
        opt_usage_error(&program, "--backing: no such kind: %s", settings.backing);
}

/* Ids travel in greetings and are printed by the other side. */
static bool
is_word(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= 63 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:@") ==
               len;
}

static void
check_limits(void)
{
    enum elog_level level;

    if (settings.rank >= settings.size)
        opt_usage_error(&program, "--rank %ld is not below --size %ld", settings.rank,
                        settings.size);
    if (settings.blob_size_limit < 1 || settings.blob_size_limit > (1u << 30))
        opt_usage_error(&program, "--blob-size-limit: not between 1 and 1G");
    if (!is_word(settings.instance))
        opt_usage_error(&program, "--instance: 1 to 63 letters, digits or -_.:@");
    if (settings.heartbeat < 1 || settings.timeout < 2 * settings.heartbeat)
        opt_usage_error(&program, "--timeout must be at least twice --heartbeat");
    if (elog_level_parse(settings.log_level, &level) < 0)
        opt_usage_error(&program, "--log-level: no such level: %s", settings.log_level);
    elog_set_level(level);
}

static void
fill_conf(struct rank_conf *conf, const struct boot *boot)
{
    conf->rank = (uint32_t)settings.rank;
    conf->topo = (struct topo){(uint32_t)settings.size, (uint32_t)settings.fanout};
    conf->instance = settings.instance;
    conf->rundir = settings.rundir;
    conf->statedir = settings.statedir;
    conf->local = settings.local;
    conf->endpoints = (const char *const *)boot->endpoints;
    conf->listen =
        settings.listen.count > 0 ? settings.listen.values : &conf->endpoints[conf->rank];
    conf->nlisten = settings.listen.count > 0 ? settings.listen.count : 1;
    conf->kvs = !settings.no_kvs;
    conf->cache_size = settings.cache_size;
    conf->blob_size_limit = settings.blob_size_limit;
    conf->scrub_rate = settings.scrub_rate;
    conf->max_checkpoints = settings.max_checkpoints;
    conf->heartbeat_ms = settings.heartbeat;
    conf->timeout_ms = settings.timeout;
}

/* --- directories --- */

struct dirs {
    char rundir[PATH_MAX]; // "" when the user gave one
    bool temporary_state;  // content.sqlite goes with the run directory
    bool used;             // the rank ran: the files there are ours, not another broker's
};

static int
make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    return 0;
}

static int
make_dirs(struct dirs *d, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    int rc;

    if (!settings.rundir) {
        snprintf(d->rundir, sizeof(d->rundir), "%s/xylem-XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(d->rundir))
            return err_set(err, -errno, "%s: %s", d->rundir, err_name(errno));
        settings.rundir = d->rundir;
    } else if ((rc = make_dir(settings.rundir, err)) < 0) {
        return rc;
    }
    d->temporary_state = !settings.statedir;
    if (!settings.statedir)
        settings.statedir = settings.rundir;
    else if (settings.rank == 0 && (rc = make_dir(settings.statedir, err)) < 0)
        return rc;
    if (!settings.local)
        settings.local = xasprintf("%s/local-%ld", settings.rundir, settings.rank);
    return 0;
}

static void
remove_file(const char *dir, const char *name)
{
    AUTO(free) char *path = xasprintf("%s/%s", dir, name);

    unlink(path);
}

static void
remove_files(const struct dirs *d)
{
    static const char *const state[] = {"content.sqlite", "content.sqlite-wal",
                                        "content.sqlite-shm", "lock"};
    char name[32];

    snprintf(name, sizeof(name), "tree-%ld", settings.rank);
    remove_file(settings.rundir, name);
    snprintf(name, sizeof(name), "rank-%ld.pid", settings.rank);
    remove_file(settings.rundir, name);
    for (size_t i = 0; d->temporary_state && settings.rank == 0 && i < ARRAY_SIZE(state); i++)
        remove_file(settings.rundir, state[i]);
}

static void
remove_dirs(const struct dirs *d)
{
    if (d->used)
        remove_files(d);
    if (d->rundir[0] && rmdir(d->rundir) < 0)
        elog(ELOG_WARN, "%s: %s", d->rundir, err_name(errno));
}

static void
write_pid(const char *path)
{
    FILE *f = fopen(path, "we");

    if (!f) {
        elog(ELOG_WARN, "%s: %s", path, err_name(errno));
        return;
    }
    fprintf(f, "%d\n", (int)getpid());
    fclose(f);
}

/* RUNDIR/rank-R.pid */
static void
write_pid_file(void)
{
    AUTO(free) char *path = xasprintf("%s/rank-%ld.pid", settings.rundir, settings.rank);

    write_pid(path);
}

/* --- while the rank runs --- */

struct watch {
    struct loop *loop; // owned by serve()
    struct rank *rank; // borrowed
    int signals;       // signalfd
    int status;        // to exit with
    bool is_shutdown;  // not we alone: the whole instance ends
};

static void
tell_ready(void)
{
    if (settings.ready_fd < 0)
        return;
    if (write((int)settings.ready_fd, "+", 1) < 0)
        elog(ELOG_WARN, "cannot write to the ready descriptor: %s", err_name(errno));
    close((int)settings.ready_fd);
    settings.ready_fd = -1;
}

static void
take_news(struct watch *w, const struct rank_report *news)
{
    switch (news->news) {
    case RANK_COMPLETE:
        tell_ready();
        break;
    case RANK_REFUSED:
        fprintf(stderr, PROGRAM ": rank %ld was refused: %s\n", settings.rank, news->text);
        w->status = 1;
        loop_stop(w->loop);
        break;
    case RANK_SHUTDOWN:
        elog(ELOG_INFO, "stopping: the instance is being shut down");
        w->is_shutdown = true;
        loop_stop(w->loop);
        break;
    }
}

static bool
on_news(void *arg)
{
    struct watch *w = arg;
    struct rank_report *news;
    void *item;

    if (actor_recv(rank_pipe(w->rank), false, &item) < 0)
        return false;
    news = item;
    take_news(w, news);
    rank_report_free(&news);
    return true;
}

static void
on_signal(void *arg, unsigned events)
{
    struct watch *w = arg;
    struct signalfd_siginfo info;

    (void)events;
    if (read(w->signals, &info, sizeof(info)) != sizeof(info))
        return;
    elog(ELOG_INFO, "stopping: %s", strsignal((int)info.ssi_signo));
    loop_stop(w->loop);
}

static int
serve(struct rank *rank, int signals, bool *ret_is_shutdown)
{
    struct watch w = {.loop = loop_new(), .rank = rank, .signals = signals};
    struct loop_source *news = loop_add_zmq(w.loop, rank_pipe(rank), on_news, &w);
    struct loop_source *stop = loop_add_fd(w.loop, signals, LOOP_READ, on_signal, &w);

    loop_run(w.loop);
    loop_remove(&news);
    loop_remove(&stop);
    loop_free(&w.loop);
    *ret_is_shutdown = w.is_shutdown;
    return w.status;
}

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
run_rank(const struct rank_conf *conf, struct dirs *dirs, struct err *err)
{
    struct rank *rank;
    int signals = block_signals();
    bool is_shutdown;
    int status;

    if (rank_start(&rank, conf, err) < 0)
        return fail(err);
    dirs->used = true;
    write_pid_file();
    status = serve(rank, signals, &is_shutdown);
    rank_stop(&rank);
    if (is_shutdown && settings.shutdown_file)
        write_pid(settings.shutdown_file);
    close(signals);
    return status;
}

static int
check_uris(const struct rank_conf *conf, struct err *err)
{
    uint32_t parent = topo_parent(&conf->topo, conf->rank);
    int rc = parent == TOPO_NONE ? 0 : boot_check(conf->endpoints[parent], err);

    for (size_t i = 0; rc == 0 && i < conf->nlisten; i++)
        rc = boot_check(conf->listen[i], err);
    return rc;
}

/* Everything between the directories and the rank. */
static int
configure_and_run(struct rank_conf *conf, struct boot *boot, struct dirs *dirs, struct err *err)
{
    if (boot_fill(boot, (uint32_t)settings.size, settings.rundir, err) < 0 ||
        (settings.log_file && elog_open(settings.log_file, err) < 0))
        return fail(err);
    fill_conf(conf, boot);
    if (check_uris(conf, err) < 0)
        return fail(err);
    return run_rank(conf, dirs, err);
}

int
main(int argc, char **argv)
{
    struct boot boot = BOOT_INIT;
    struct dirs dirs = {.rundir = ""};
    struct rank_conf conf = {0};
    struct err err = {0};
    int status;

    umask(077);
    elog_dump_on_abort();
    heap_init();
    actor_process_init();
    if (opt_parse(&program, argc, argv) < argc)
        opt_usage_error(&program, "there are no operands");
    if (settings.conf &&
        opt_load_conf(options, opt_given(), settings.conf, boot_on_conf, &boot, &err) < 0)
        return fail(&err);
    check_limits();
    choose_modes(&conf);
    if (make_dirs(&dirs, &err) < 0)
        return fail(&err);
    status = configure_and_run(&conf, &boot, &dirs, &err);
    remove_dirs(&dirs);
    boot_fini(&boot);
    zsys_shutdown();
    return status;
}
