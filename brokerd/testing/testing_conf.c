/* SPDX-License-Identifier: MPL-2.0 */
/* testing_conf.c - from xylem_testing_conf to one rank_conf for each rank, and the directory.
 *
 *   $TMPDIR/xylem-testing-XXXXXX/    mode 0700
 *       local-R, rank-R.lock         of rank R
 *       content.sqlite ...           when no statedir was named
 */
#include "buf.h"
#include "elog.h"
#include "hdir.h"
#include "testing_priv.h"
#include "xmem.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SIZE_DEFAULT 4
#define FANOUT_DEFAULT 2
#define CACHE_DEFAULT (16u << 20)
#define BLOB_DEFAULT (1u << 20)
#define BLOB_MAX (1u << 30)
#define HEARTBEAT_DEFAULT 100 // ms
#define TIMEOUT_DEFAULT 1000 // ms: threads of a busy machine under a sanitizer stand still for long
#define MAX_CHECKPOINTS 5
#define FDS_OF_CLUSTER 40
#define FDS_OF_RANK 14
#define FDS_OF_LINK 3

/* --- the log --- */

static int
open_log(const struct xylem_testing_conf *conf, struct err *err)
{
    enum elog_level level = ELOG_INFO;
    const char *file = conf->log_file ? conf->log_file : "/dev/null";

    if (conf->log_level && elog_level_parse(conf->log_level, &level) < 0)
        return err_set(err, -EINVAL, "log_level: no such level: %s", conf->log_level);
    elog_set_level(level);
    return elog_open(strcmp(file, "-") == 0 ? NULL : file, err);
}

/* --- what is asked for --- */

static int
check_numbers(const struct xylem_testing_conf *conf, const struct rank_conf *r, struct err *err)
{
    if (r->topo.size > XYLEM_TESTING_SIZE_MAX)
        return err_set(err, -EINVAL, "size: %u is more than %u ranks", conf->size,
                       XYLEM_TESTING_SIZE_MAX);
    if (r->topo.fanout > TOPO_SIZE_MAX)
        return err_set(err, -EINVAL, "fanout: %u is too much", conf->fanout);
    if (r->blob_size_limit > BLOB_MAX)
        return err_set(err, -EINVAL, "blob_size_limit: %" PRIu64 " is more than 1 GiB",
                       conf->blob_size_limit);
    if (r->heartbeat_ms < 1 || r->timeout_ms < 2 * r->heartbeat_ms)
        return err_set(err, -EINVAL,
                       "timeout_ms: %" PRId64 " is not at least twice heartbeat_ms %" PRId64,
                       r->timeout_ms, r->heartbeat_ms);
    return 0;
}

static int
parse_modes(const struct xylem_testing_conf *conf, struct rank_conf *r, struct err *err)
{
    static const char *const durabilities[] = {"memory", "commit", "fsync"};
    const char *durability = conf->durability ? conf->durability
                             : conf->statedir ? "commit"
                                              : "memory";
    size_t d = 0;

    if (digest_alg_parse(conf->hash ? conf->hash : "blake2b", &r->hash) < 0)
        return err_set(err, -EINVAL, "hash: no such algorithm: %s", conf->hash);
    while (d < ARRAY_SIZE(durabilities) && strcmp(durability, durabilities[d]) != 0)
        d++;
    if (d == ARRAY_SIZE(durabilities))
        return err_set(err, -EINVAL, "durability: no such mode: %s", durability);
    r->durability = (enum store_durability)d;
    return 0;
}

/* What is the same for all ranks. */
static int
read_conf(const struct xylem_testing_conf *conf, struct rank_conf *r, struct err *err)
{
    *r = (struct rank_conf){
        .topo = {conf->size ? conf->size : SIZE_DEFAULT,
                 conf->fanout ? conf->fanout : FANOUT_DEFAULT},
        .backing = true,
        .kvs = true,
        .cache_size = conf->cache_size ? conf->cache_size : CACHE_DEFAULT,
        .blob_size_limit = conf->blob_size_limit ? conf->blob_size_limit : BLOB_DEFAULT,
        .maxdirent = HDIR_MAXDIRENT,
        .max_checkpoints = MAX_CHECKPOINTS,
        .heartbeat_ms = conf->heartbeat_ms ? conf->heartbeat_ms : HEARTBEAT_DEFAULT,
        .timeout_ms = conf->timeout_ms ? conf->timeout_ms : TIMEOUT_DEFAULT,
    };
    r->torpid_ms = r->timeout_ms / 2;
    if (check_numbers(conf, r, err) < 0 || parse_modes(conf, r, err) < 0)
        return err->code;
    return 0;
}

/* Threads that find none left would end the program. */
static int
check_descriptors(const struct topo *topo, bool has_net, struct err *err)
{
    rlim_t need = FDS_OF_CLUSTER + FDS_OF_RANK * (rlim_t)topo->size;
    struct rlimit limit;

    for (uint32_t r = 0; has_net && r < topo->size; r++)
        need += FDS_OF_LINK * (rlim_t)topo_level(topo, r);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
        return 0;
    return err_set(err, -EMFILE,
                   "%u ranks take %llu descriptors, and the limit is %llu (ulimit -n)", topo->size,
                   (unsigned long long)need, (unsigned long long)limit.rlim_cur);
}

/* --- directories --- */

static int
make_dirs(struct xylem_cluster *c, const char *statedir)
{
    const char *tmp = getenv("TMPDIR");
    AUTO(free) char *path = xasprintf("%s/xylem-testing-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");

    if (path[0] != '/')
        return err_set(&c->err, -EINVAL, "TMPDIR: %s is not absolute", path);
    if (strlen(path) + sizeof("/local-255") > sizeof(((struct sockaddr_un *)0)->sun_path))
        return err_set(&c->err, -ENAMETOOLONG, "%s: too long for the path of a socket", path);
    if (!mkdtemp(path))
        return err_set(&c->err, -errno, "%s: %s", path, err_name(errno));
    c->dir = TAKE(path);
    c->has_state = !statedir;
    c->statedir = xstrdup(statedir ? statedir : c->dir);
    if (statedir && mkdir(statedir, 0700) < 0 && errno != EEXIST)
        return err_set(&c->err, -errno, "%s: %s", statedir, err_name(errno));
    return 0;
}

static void
remove_dir(const struct xylem_cluster *c)
{
    DIR *dir = opendir(c->dir);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0); // "." and ".." are refused
    closedir(dir);
    rmdir(c->dir);
}

/* --- ranks --- */

static void
name_rank(struct xylem_cluster *c, uint32_t rank)
{
    struct testing_rank *r = &c->ranks[rank];

    r->uri = xasprintf("local://%s/local-%u", c->dir, rank);
    r->listen = xasprintf("inproc://%s/%u", c->id, rank);
}

static void
configure_rank(struct xylem_cluster *c, uint32_t rank, const struct rank_conf *common)
{
    struct testing_rank *r = &c->ranks[rank];

    r->endpoints = xcalloc(c->size, sizeof(*r->endpoints));
    for (uint32_t i = 0; i < c->size; i++) {
        const char *link = c->net ? testing_net_uri(c->net, rank, i) : NULL;

        r->endpoints[i] = link ? link : c->ranks[i].listen;
    }
    r->conf = *common;
    r->conf.rank = rank;
    r->conf.instance = c->id;
    r->conf.rundir = c->dir;
    r->conf.statedir = c->statedir;
    r->conf.local = r->uri + strlen("local://");
    r->conf.endpoints = r->endpoints;
    r->conf.listen = &r->endpoints[rank];
    r->conf.nlisten = 1;
}

static int
start_net(struct xylem_cluster *c)
{
    const char **real = xcalloc(c->size, sizeof(*real));
    int rc;

    for (uint32_t i = 0; i < c->size; i++)
        real[i] = c->ranks[i].listen;
    rc = testing_net_start(&c->net, &c->topo, c->id, real, &c->err);
    free(real);
    return rc;
}

int
testing_configure(struct xylem_cluster *c, const struct xylem_testing_conf *conf)
{
    struct rank_conf common;
    int rc = read_conf(conf, &common, &c->err);

    if (rc < 0 || (rc = check_descriptors(&common.topo, conf->network, &c->err)) < 0 ||
        (rc = open_log(conf, &c->err)) < 0 || (rc = make_dirs(c, conf->statedir)) < 0)
        return rc;
    c->topo = common.topo;
    c->size = c->topo.size;
    c->id = xstrdup(strrchr(c->dir, '/') + 1);
    c->ranks = xcalloc(c->size, sizeof(*c->ranks));
    for (uint32_t i = 0; i < c->size; i++)
        name_rank(c, i);
    if (conf->network && (rc = start_net(c)) < 0)
        return rc;
    for (uint32_t i = 0; i < c->size; i++)
        configure_rank(c, i, &common);
    return 0;
}

void
testing_unconfigure(struct xylem_cluster *c)
{
    testing_net_stop(&c->net);
    if (c->dir)
        remove_dir(c);
    for (uint32_t i = 0; i < c->size; i++) {
        free(c->ranks[i].uri);
        free(c->ranks[i].listen);
        free(c->ranks[i].endpoints);
    }
    free(c->ranks);
    free(c->id);
    free(c->dir);
    free(c->statedir);
}
