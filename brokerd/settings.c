/* SPDX-License-Identifier: MPL-2.0 */
/* settings.c - see settings.h. */
#include "settings.h"
#include "buf.h"
#include "elog.h"
#include "hdir.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM "xylem-brokerd"
#define BLOB_SIZE_MAX (1l << 30)            // bytes
#define PERIOD_MAX_MS (365 * 24 * 3600000l) // between checkpoints
#define PULSE_MAX_MS (24 * 3600000l)        // a day: of heartbeat and timeout
#define TCP "tcp://"

static struct settings settings = {
    .rank = -1,
    .size = -1,
    .fanout = 2,
    .boot_timeout = 60000,
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
    {0, "boot", "METHOD", OPT_STRING, &settings.boot, "single, conf, pmi or pmix (found by itself)",
     0, 0},
    {0, "boot-timeout", "TIME", OPT_DURATION, &settings.boot_timeout,
     "pmi, pmix: how long the other ranks are waited for (60s)", 1, PULSE_MAX_MS},
    {0, "pmi-stdio", NULL, OPT_FLAG, &settings.pmi_stdio,
     "pmi: talk to the launcher over standard input and output", 0, 0},
    {0, "interface", "NAME", OPT_STRING, &settings.interface,
     "network interface, or address, for the other ranks", 0, 0},
    {0, "cert", "FILE", OPT_STRING, &settings.cert,
     "certificate of the instance (xylem keygen); tcp:// needs one", 0, 0},
    {0, "authorized", "DIR", OPT_STRING, &settings.authorized,
     "public keys of others who may connect ('authorized' beside the certificate)", 0, 0},
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
    {0, "torpid", "TIME", OPT_DURATION, &settings.torpid,
     "a neighbour silent for this long is reported as slow (2.5 heartbeats)", 1, PULSE_MAX_MS},
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

/* --- telling what is wrong --- */

__attribute__((noreturn)) static void
fail(const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    exit(1);
}

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
    fail(&err);
}

/* One of two values that do not go together: the one to name. */
static const char *
culprit(const char *name, const char *other)
{
    return is_on_command_line(other) && !is_on_command_line(name) ? other : name;
}

/* --- what goes together --- */

/* Ids travel in greetings and are printed by the other side. */
static bool
is_word(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= 63 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:@") ==
               len;
}

/* Where nobody else gives the one that is not given. */
static void
check_place(const struct boot *boot)
{
    long rank = MAX(settings.rank, 0);
    long size = settings.size < 0 ? 1 : settings.size;

    if (settings.boot || settings.pmi_stdio || boot->hosts.count > 0)
        return;
    if (rank >= size)
        refuse(culprit("rank", "size"), "rank %ld is not below size %ld", rank, size);
}

static void
check_pulse(void)
{
    if (settings.timeout < 2 * settings.heartbeat)
        refuse(culprit("timeout", "heartbeat"),
               "timeout %" PRId64 " ms is not at least twice heartbeat %" PRId64 " ms",
               settings.timeout, settings.heartbeat);
    if (settings.torpid > 0 && settings.torpid <= settings.heartbeat)
        refuse(culprit("torpid", "heartbeat"),
               "torpid %" PRId64 " ms is not more than heartbeat %" PRId64 " ms", settings.torpid,
               settings.heartbeat);
    if (settings.torpid > settings.timeout)
        refuse(culprit("torpid", "timeout"),
               "torpid %" PRId64 " ms is more than timeout %" PRId64 " ms", settings.torpid,
               settings.timeout);
}

static void
check_words(void)
{
    enum boot_method method;
    enum elog_level level;

    if (settings.instance && !is_word(settings.instance))
        refuse("instance", "'%s' is not 1 to 63 letters, digits or -_.:@", settings.instance);
    if (settings.boot && boot_method_parse(settings.boot, &method) < 0)
        refuse("boot", "no such method: %s", settings.boot);
    if (settings.pmi_stdio && settings.boot && method != BOOT_PMI)
        refuse("boot", "%s, but pmi-stdio is for pmi", settings.boot);
    if (elog_level_parse(settings.log_level, &level) < 0)
        refuse("log-level", "no such level: %s", settings.log_level);
    elog_set_level(level);
}

static size_t
find_word(const char *word, const char *const *words, size_t count)
{
    size_t i = 0;

    while (i < count && strcmp(word, words[i]) != 0)
        i++;
    return i;
}

static void
choose_modes(struct rank_conf *conf)
{
    static const char *const durabilities[] = {"memory", "commit", "fsync"};
    static const char *const backings[] = {"none", "sqlite"};
    size_t d = find_word(settings.durability, durabilities, ARRAY_SIZE(durabilities));
    size_t b = find_word(settings.backing, backings, ARRAY_SIZE(backings));

    if (digest_alg_parse(settings.hash, &conf->hash) < 0)
        refuse("hash", "no such algorithm: %s", settings.hash);
    if (d == ARRAY_SIZE(durabilities))
        refuse("durability", "no such mode: %s", settings.durability);
    if (b == ARRAY_SIZE(backings))
        refuse("backing", "no such kind: %s", settings.backing);
    conf->durability = (enum store_durability)d;
    conf->backing = b == 1;
}

void
settings_check_places(const struct boot *boot)
{
    struct err err;

    if (settings.interface && !boot->job.ops && boot->hosts.count == 0)
        refuse("interface", "there is neither a launcher nor a list of hosts: use --listen");
    for (size_t i = 0; i < settings.listen.count; i++) {
        if (boot_check(settings.listen.values[i], BOOT_LISTEN, boot->has_cert, &err) < 0)
            refuse("listen", "%s", err.text);
    }
}

/* --- certificates --- */

static void
load_cert(struct boot *boot)
{
    struct err err;
    const char *slash;

    if (!settings.cert)
        return;
    if (cert_load(&boot->cert, settings.cert, &err) < 0)
        fail(&err);
    if (boot->cert.server_key[0] && strcmp(boot->cert.server_key, boot->cert.public_key) != 0)
        elog(ELOG_WARN, "%s is a certificate for clients of ranks that have another one",
             settings.cert);
    boot->has_cert = true;
    slash = strrchr(settings.cert, '/');
    if (!settings.authorized) // kept for the life of the process, as all the others are
        settings.authorized = xasprintf(
            "%.*sauthorized", slash ? (int)(slash - settings.cert + 1) : 0, settings.cert);
}

/* --- loading --- */

static void
load_conf(struct boot *boot)
{
    struct err err;
    int rc = opt_load_conf(options, opt_given(), settings.conf, boot_on_conf, boot, &err);

    if (rc < 0 && boot->wrong.text[0])
        err_set(&err, rc, "%s: %s", settings.conf, boot->wrong.text);
    if (rc < 0)
        fail(&err);
}

const struct settings *
settings_load(int argc, char **argv, struct boot *boot)
{
    struct rank_conf ignored;

    if (opt_parse(&program, argc, argv) < argc)
        opt_usage_error(&program, "there are no operands");
    boot->source = settings.conf;
    if (settings.conf)
        load_conf(boot);
    check_place(boot);
    check_pulse();
    check_words();
    choose_modes(&ignored);
    load_cert(boot);
    return &settings;
}

void
settings_asked(int stop, struct boot_asked *ret)
{
    *ret = (struct boot_asked){
        .method = BOOT_FIND,
        .rank = settings.rank,
        .size = settings.size,
        .fanout = settings.fanout,
        .instance = settings.instance,
        .interface = settings.interface,
        .use_stdio = settings.pmi_stdio,
        .stop = stop,
        .timeout_ms = settings.boot_timeout,
    };
    for (size_t i = 0; i < settings.listen.count; i++)
        ret->wants_tcp |= strncmp(settings.listen.values[i], TCP, sizeof(TCP) - 1) == 0;
    if (settings.boot)
        boot_method_parse(settings.boot, &ret->method);
}

void
settings_fill(const struct boot *boot, struct rank_conf *conf)
{
    conf->rank = boot->rank;
    conf->topo = boot->topo;
    conf->instance = boot->instance;
    conf->endpoints = (const char *const *)boot->endpoints;
    conf->hosts = (const char *const *)boot->hostnames;
    conf->keys = boot->job.ops ? (const char *const *)boot->keys : NULL;
    conf->cert = boot->has_cert ? &boot->cert : NULL;
    conf->authorized = boot->has_cert ? settings.authorized : NULL;
    conf->listen =
        settings.listen.count > 0 ? settings.listen.values : (const char *const *)&boot->listen;
    conf->nlisten = settings.listen.count > 0 ? settings.listen.count : 1;
    choose_modes(conf);
    conf->kvs = !settings.no_kvs;
    conf->cache_size = settings.cache_size;
    conf->blob_size_limit = settings.blob_size_limit;
    conf->maxdirent = (uint64_t)settings.maxdirent;
    conf->scrub_rate = settings.scrub_rate;
    conf->checkpoint_period_ms = settings.checkpoint_period;
    conf->max_checkpoints = settings.max_checkpoints;
    conf->heartbeat_ms = settings.heartbeat;
    conf->torpid_ms = settings.torpid;
    conf->timeout_ms = settings.timeout;
}
