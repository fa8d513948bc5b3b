/* SPDX-License-Identifier: MPL-2.0 */
/* main.c - xylem-brokerd: options, directories and signals around one rank (rank.h).
 *
 * The main thread sleeps until a signal or news from the rank comes in.  Exit status: 0 after
 * SIGTERM or SIGINT and after a shutdown of the instance, 1 when the rank could not start or was
 * refused, or for a wrong configuration file, 2 for a wrong command line.
 */
#include "actor.h"
#include "boot.h"
#include "buf.h"
#include "dirs.h"
#include "elog.h"
#include "hdir.h"
#include "heap.h"
#include "loop.h"
#include "opt.h"
#include "rank.h"
#include "sd_notify.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "xylem-brokerd"
#define BLOB_SIZE_MAX (1l << 30)            // bytes
#define PERIOD_MAX_MS (365 * 24 * 3600000l) // between checkpoints
#define PULSE_MAX_MS (24 * 3600000l)        // a day: of heartbeat and timeout
#define TELL_MS 5000                        // how long a busy service manager is waited for

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
    long maxdirent;
    uint64_t scrub_rate;
    int64_t checkpoint_period;
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
    .maxdirent = HDIR_MAXDIRENT,
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
     "largest blob, 1 to 1G (1M)", 1, BLOB_SIZE_MAX},
    {0, "maxdirent", "N", OPT_LONG, &settings.maxdirent,
     "larger directories are hash tries; 0 = none are (1024)", 0, INT_MAX},
    {0, "scrub-rate", "SIZE", OPT_SIZE, &settings.scrub_rate,
     "rank 0: read the store again at so many bytes a second (0 = off)", 0, 0},
    {0, "checkpoint-period", "TIME", OPT_DURATION, &settings.checkpoint_period,
     "rank 0: record a checkpoint so often (0 = at the end only)", 0, PERIOD_MAX_MS},
    {0, "max-checkpoints", "N", OPT_LONG, &settings.max_checkpoints, "newest N are kept (5)", 1,
     1000},
    {0, "heartbeat", "TIME", OPT_DURATION, &settings.heartbeat,
     "how often neighbours are pinged (1s)", 1, PULSE_MAX_MS},
    {0, "timeout", "TIME", OPT_DURATION, &settings.timeout,
     "a neighbour silent for this long is lost (5s)", 1, PULSE_MAX_MS},
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

static bool
is_on_command_line(const char *name)
{
    size_t i = 0;

    while (strcmp(options[i].name, name) != 0)
        i++;
    return opt_given()[i];
}

/* A wrong value, told where it is from: the command line or the configuration file. */
__attribute__((noreturn, format(printf, 2, 3))) static void
refuse(const char *name, const char *fmt, ...)
{
    struct err err;
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (is_on_command_line(name) || !settings.conf)
        opt_usage_error(&program, "--%s: %s", name, text);
    err_set(&err, -EINVAL, "%s: %s: %s", settings.conf, name, text);
    exit(fail(&err));
}

/* One of two values that do not go together: the one to name. */
static const char *
culprit(const char *name, const char *other)
{
    return is_on_command_line(other) && !is_on_command_line(name) ? other : name;
}

static void
choose_modes(struct rank_conf *conf)
{
    static const char *const durabilities[] = {"memory", "commit", "fsync"};
    size_t d = 0;

    if (digest_alg_parse(settings.hash, &conf->hash) < 0)
        refuse("hash", "no such algorithm: %s", settings.hash);
    while (d < ARRAY_SIZE(durabilities) && strcmp(settings.durability, durabilities[d]) != 0)
        d++;
    if (d == ARRAY_SIZE(durabilities))
        refuse("durability", "no such mode: %s", settings.durability);
    conf->durability = (enum store_durability)d;
    conf->backing = strcmp(settings.backing, "sqlite") == 0;
    if (!conf->backing && strcmp(settings.backing, "none") != 0)
        refuse("backing", "no such kind: %s", settings.backing);
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
        refuse(culprit("rank", "size"), "rank %ld is not below size %ld", settings.rank,
               settings.size);
    if (!is_word(settings.instance))
        refuse("instance", "'%s' is not 1 to 63 letters, digits or -_.:@", settings.instance);
    if (settings.timeout < 2 * settings.heartbeat)
        refuse(culprit("timeout", "heartbeat"),
               "timeout %" PRId64 " ms is not at least twice heartbeat %" PRId64 " ms",
               settings.timeout, settings.heartbeat);
    if (elog_level_parse(settings.log_level, &level) < 0)
        refuse("log-level", "no such level: %s", settings.log_level);
    elog_set_level(level);
}

static void
check_listen(void)
{
    struct err err;

    for (size_t i = 0; i < settings.listen.count; i++) {
        if (boot_check(settings.listen.values[i], BOOT_LISTEN, &err) < 0)
            refuse("listen", "%s", err.text);
    }
}

static void
fill_conf(struct rank_conf *conf, const struct boot *boot, const struct dirs *dirs)
{
    conf->rank = (uint32_t)settings.rank;
    conf->topo = (struct topo){(uint32_t)settings.size, (uint32_t)settings.fanout};
    conf->instance = settings.instance;
    conf->rundir = dirs->rundir;
    conf->statedir = dirs->statedir;
    conf->endpoints = (const char *const *)boot->endpoints;
    conf->listen =
        settings.listen.count > 0 ? settings.listen.values : &conf->endpoints[conf->rank];
    conf->nlisten = settings.listen.count > 0 ? settings.listen.count : 1;
    conf->kvs = !settings.no_kvs;
    conf->cache_size = settings.cache_size;
    conf->blob_size_limit = settings.blob_size_limit;
    conf->maxdirent = (uint64_t)settings.maxdirent;
    conf->scrub_rate = settings.scrub_rate;
    conf->checkpoint_period_ms = settings.checkpoint_period;
    conf->max_checkpoints = settings.max_checkpoints;
    conf->heartbeat_ms = settings.heartbeat;
    conf->timeout_ms = settings.timeout;
    conf->notify_socket = sd_notify_socket();
}

/* --- while the rank runs --- */

struct watch {
    struct loop *loop; // owned by serve()
    struct rank *rank; // borrowed
    int signals;       // signalfd
    int status;        // to exit with
    bool is_shutdown;  // not we alone: the whole instance ends
};

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
run_rank(const struct rank_conf *conf, struct dirs *dirs, int signals, struct err *err)
{
    struct rank *rank;
    bool is_shutdown;
    int status;

    if (rank_start(&rank, conf, err) < 0)
        return fail(err);
    dirs_write_pid(dirs);
    tell_service_manager(conf, "READY=1", "serves");
    status = serve(rank, signals, &is_shutdown);
    tell_service_manager(conf, "STOPPING=1", "stops");
    rank_stop(&rank);
    if (is_shutdown && settings.shutdown_file)
        dirs_write_pid_to(settings.shutdown_file);
    return status;
}

/* With --listen what the file says about this rank is for the others. */
static int
check_endpoints(const struct rank_conf *conf, const struct boot *boot, struct err *err)
{
    uint32_t parent = topo_parent(&conf->topo, conf->rank);
    int rc = parent == TOPO_NONE ? 0 : boot_check_endpoint(boot, parent, BOOT_CONNECT, err);

    if (rc == 0 && settings.listen.count == 0)
        rc = boot_check_endpoint(boot, conf->rank, BOOT_LISTEN, err);
    return rc;
}

static int
expect_sockets(const struct rank_conf *conf, struct dirs *dirs, struct err *err)
{
    int rc = dirs_expect_local(conf->local, err);

    for (size_t i = 0; rc == 0 && i < conf->nlisten; i++)
        rc = dirs_expect_uri(dirs, conf->listen[i], err);
    return rc;
}

/* Everything between the directories and the rank. */
static int
configure_and_run(struct rank_conf *conf, struct boot *boot, struct dirs *dirs, int signals,
                  struct err *err)
{
    AUTO(free) char *local = xasprintf("%s/local-%ld", dirs->rundir, settings.rank);

    if (boot_fill(boot, (uint32_t)settings.size, dirs->rundir, err) < 0 ||
        (settings.log_file && elog_open(settings.log_file, err) < 0))
        return fail(err);
    fill_conf(conf, boot, dirs);
    conf->local = settings.local ? settings.local : local;
    if (check_endpoints(conf, boot, err) < 0 || expect_sockets(conf, dirs, err) < 0)
        return fail(err);
    return run_rank(conf, dirs, signals, err);
}

int
main(int argc, char **argv)
{
    struct boot boot = BOOT_INIT;
    struct dirs dirs = DIRS_INIT;
    struct rank_conf conf = {0};
    struct err err = {0};
    int signals;
    int status;

    umask(077);
    elog_dump_on_abort();
    heap_init();
    actor_process_init();
    if (opt_parse(&program, argc, argv) < argc)
        opt_usage_error(&program, "there are no operands");
    boot.source = settings.conf;
    if (settings.conf &&
        opt_load_conf(options, opt_given(), settings.conf, boot_on_conf, &boot, &err) < 0)
        return fail(&err);
    check_limits();
    check_listen();
    choose_modes(&conf);
    signals = block_signals(); // from here on there are files to remove
    if (dirs_open(&dirs, (uint32_t)settings.rank, settings.rundir, settings.statedir, &err) == 0)
        status = configure_and_run(&conf, &boot, &dirs, signals, &err);
    else
        status = fail(&err);
    dirs_close(&dirs);
    boot_fini(&boot);
    zsys_shutdown();
    close(signals);
    return status;
}
