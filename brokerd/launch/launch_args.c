/* SPDX-License-Identifier: MPL-2.0 */
/* launch_args.c - the command line of each rank, and the environment of COMMAND.
 *
 * Model: a rank is started from its rank-R.cmd file and from nothing else, the first time as well
 * as after --respawn, so the two cannot differ.  On one host nothing needs to be exchanged between
 * ranks: over ipc the endpoints follow from the run directory, over TCP they are all in cluster.conf.
 * On several hosts the ranks find each other with PMI (launch_pmi.h), over their standard input and
 * output; environment variables do not travel, so all they need is on the command line.
 *
 * The broker is $XYLEM_BROKERD, else the xylem-brokerd next to this program, else the one in PATH.
 */
#include "launch_args.h"

#include "xmem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define LATER_MS 30000
#define INSTANCE_BYTES 16 // enough that two launches never share an id

/* ---- where programs are ---- */

/* Directory of the running program; the caller's to free(). */
static char *
own_directory(void)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    path[MAX(size, 0)] = '\0';
    slash = strrchr(path, '/');
    return slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
}

static char *
find_broker(void)
{
    const char *override = getenv("XYLEM_BROKERD");
    AUTO(free) char *dir = own_directory();
    char *path;

    if (override && *override)
        return xstrdup(override);
    path = xasprintf("%s/xylem-brokerd", dir);
    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return xstrdup("xylem-brokerd");
}

static char *
make_absolute(const char *path)
{
    char *cwd;
    char *whole;

    if (path[0] == '/' || !(cwd = getcwd(NULL, 0)))
        return xstrdup(path);
    whole = xasprintf("%s/%s", cwd, path);
    free(cwd);
    return whole;
}

/* ---- TCP endpoints ---- */

/* A socket on a free loopback port, kept open so that the next call gets another one. */
static int
reserve_port(unsigned *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t size = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&addr, &size) == 0) {
        *ret_port = ntohs(addr.sin_port);
        return fd;
    }
    code = errno;
    if (fd >= 0)
        close(fd);
    return -code;
}

static int
add_endpoints(struct buf *text, unsigned size, struct err *err)
{
    AUTO(free) int *fds = xcalloc(size, sizeof(*fds));
    unsigned count = 0;
    int rc = 0;

    for (; count < size && rc == 0; count++) {
        unsigned port = 0;

        fds[count] = reserve_port(&port);
        if (fds[count] < 0)
            rc = err_set(err, fds[count], "no free TCP port: %s", err_name(fds[count]));
        buf_printf(text, "endpoint.%u = \"tcp://127.0.0.1:%u\"\n", count, port);
    }
    while (count-- > 0) {
        if (fds[count] >= 0)
            close(fds[count]);
    }
    return rc;
}

static int
write_cluster_conf(const struct launch_dir *d, unsigned size, struct err *err)
{
    AUTO(free) char *path = xasprintf("%s/" LAUNCH_CONF, d->path);
    AUTO(buf) struct buf text = BUF_INIT;
    int rc = add_endpoints(&text, size, err);

    return rc < 0 ? rc : launch_dir_write(d, path, text.data, text.size, err);
}

/* ---- command lines ---- */

static void
add_arg(struct buf *cmd, const char *arg)
{
    buf_add(cmd, arg, strlen(arg) + 1);
}

static void
add_pair(struct buf *cmd, const char *name, const char *value)
{
    add_arg(cmd, name);
    add_arg(cmd, value);
}

static void
add_number(struct buf *cmd, const char *name, long value)
{
    char text[24]; // a 64-bit number

    snprintf(text, sizeof(text), "%ld", value);
    add_pair(cmd, name, text);
}

/* "hash=sha256" and "--hash=sha256" mean the same. */
static void
add_option(struct buf *cmd, const char *option)
{
    AUTO(free) char *whole = xasprintf("%s%s", option[0] == '-' ? "" : "--", option);

    add_arg(cmd, whole);
}

static void
fill_instance_id(char text[2 * INSTANCE_BYTES + 1])
{
    unsigned char bytes[INSTANCE_BYTES];
    ssize_t size = getrandom(bytes, sizeof(bytes), 0);

    assert(size == (ssize_t)sizeof(bytes));
    for (unsigned i = 0; i < sizeof(bytes); i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
}

/* Longer than ours: it is for us to say who did not arrive. */
static void
add_boot_timeout(struct buf *cmd, const struct launch_conf *conf)
{
    AUTO(free) char *time = xasprintf("%lldms", (long long)conf->start_timeout_ms + LATER_MS);

    add_pair(cmd, "--boot-timeout", time);
}

/* How ranks find their files and each other. */
static void
add_places(struct buf *cmd, const struct launch_conf *conf, const struct launch_dir *d)
{
    if (!conf->host_list) {
        add_pair(cmd, "--rundir", d->path);
        add_number(cmd, "--ready-fd", LAUNCH_READY_FD);
    } else {
        if (conf->remote_rundir)
            add_pair(cmd, "--rundir", conf->remote_rundir);
        else if (conf->rundir)
            add_pair(cmd, "--rundir", d->path);
        add_pair(cmd, "--boot", "pmi");
        add_arg(cmd, "--pmi-stdio");
        add_boot_timeout(cmd, conf);
    }
    if (conf->tcp) {
        AUTO(free) char *path = xasprintf("%s/" LAUNCH_CONF, d->path);

        add_pair(cmd, "--conf", path);
    }
}

/* The arguments all ranks share.  What the user gave comes last, so that it wins. */
static void
add_common(struct buf *cmd, const struct launch_conf *conf, const struct launch_dir *d)
{
    char instance[2 * INSTANCE_BYTES + 1];

    fill_instance_id(instance);
    add_number(cmd, "--size", conf->size);
    add_number(cmd, "--fanout", conf->fanout);
    add_pair(cmd, "--instance", instance);
    add_places(cmd, conf, d);
    for (size_t i = 0; i < conf->options.count; i++)
        add_option(cmd, conf->options.values[i]);
}

/* What rank 0 has and the others have not. */
static void
add_root(struct buf *cmd, const struct launch_conf *conf, const struct launch_dir *d)
{
    if (!conf->host_list) {
        AUTO(free) char *end = launch_dir_path(d, LAUNCH_END, 0);

        add_pair(cmd, "--shutdown-file", end);
    }
    if (conf->statedir) {
        AUTO(free) char *statedir = make_absolute(conf->statedir);

        add_pair(cmd, "--statedir", statedir);
    }
}

/* Of rank R, to be run here. */
static void
add_command(struct buf *cmd, const struct launch_conf *conf, const struct launch_dir *d,
            unsigned rank, const struct buf *common)
{
    AUTO(free) char *broker = conf->broker ? xstrdup(conf->broker) : find_broker();

    add_arg(cmd, broker);
    add_number(cmd, "--rank", rank);
    if (rank == 0)
        add_root(cmd, conf, d);
    buf_add(cmd, common->data, common->size);
}

static int
write_command(const struct launch_conf *conf, const struct launch_dir *d,
              const struct hostlist *hosts, unsigned rank, const struct buf *common,
              struct err *err)
{
    AUTO(free) char *path = launch_dir_path(d, LAUNCH_CMD, rank);
    AUTO(buf) struct buf cmd = BUF_INIT;
    AUTO(buf) struct buf wrapped = BUF_INIT;
    int rc = 0;

    add_command(&cmd, conf, d, rank, common);
    if (hosts)
        rc = launch_hosts_wrap(conf->rsh ? conf->rsh : "ssh",
                               launch_hosts_of(hosts, (unsigned)conf->size, rank), &cmd, &wrapped,
                               err);
    else
        buf_add(&wrapped, cmd.data, cmd.size);
    return rc < 0 ? rc : launch_dir_write(d, path, wrapped.data, wrapped.size, err);
}

int
launch_args_write(const struct launch_conf *conf, const struct launch_dir *d,
                  const struct hostlist *hosts, struct err *err)
{
    AUTO(buf) struct buf common = BUF_INIT;
    int rc = 0;

    add_common(&common, conf, d);
    if (conf->tcp)
        rc = write_cluster_conf(d, (unsigned)conf->size, err);
    for (unsigned rank = 0; rank < conf->size && rc == 0; rank++)
        rc = write_command(conf, d, hosts, rank, &common, err);
    return rc;
}

int
launch_args_read(const struct launch_dir *d, unsigned rank, struct buf *memory, char ***ret_argv,
                 struct err *err)
{
    AUTO(free) char *path = launch_dir_path(d, LAUNCH_CMD, rank);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : buf_read_fd(memory, fd, INT_MAX);
    size_t most = 1; // the last one may lack its NUL
    size_t count = 0;
    char **argv;

    if (fd >= 0)
        close(fd);
    if (rc < 0 || memory->size == 0)
        return err_set(err, rc < 0 ? rc : -EINVAL, "%s: no command line there", path);
    for (size_t i = 0; i < memory->size; i++)
        most += memory->data[i] == '\0';
    argv = xcalloc(most + 1, sizeof(*argv));
    for (size_t at = 0; at < memory->size; at += strlen(memory->data + at) + 1)
        argv[count++] = memory->data + at;
    *ret_argv = argv;
    return 0;
}

/* ---- COMMAND's environment ---- */

static void
add_to_path(struct buf *path, const char *dir, const char *program)
{
    AUTO(free) char *file = xasprintf("%s/%s", dir, program);
    AUTO(free) char *real = realpath(dir, NULL);

    if (real && access(file, X_OK) == 0)
        buf_printf(path, "%s:", real);
}

/* The sibling folders exist in a build tree only. */
static void
export_path(void)
{
    const char *old = getenv("PATH");
    AUTO(free) char *dir = own_directory();
    AUTO(free) char *cmd = xasprintf("%s/../lib/cmd", dir);
    AUTO(free) char *dump = xasprintf("%s/../dump", dir);
    AUTO(buf) struct buf path = BUF_INIT;

    add_to_path(&path, dir, "xylem-launch");
    add_to_path(&path, cmd, "xylem");
    add_to_path(&path, dump, "xylem-dump");
    buf_add_str(&path, old ? old : "/usr/local/bin:/usr/bin:/bin");
    setenv("PATH", buf_str(&path), 1);
}

void
launch_args_export(const struct launch_conf *conf, const struct launch_dir *d, const char *uri)
{
    AUTO(free) char *size = xasprintf("%ld", conf->size);

    setenv("XYLEM_URI", uri, 1);
    setenv("FLUX_URI", uri, 1);
    setenv("XYLEM_RUNDIR", d->path, 1);
    setenv("XYLEM_SIZE", size, 1);
    if (conf->host_list) {
        AUTO(free) char *cert = xasprintf("%s/" LAUNCH_CERT, d->path);

        setenv("XYLEM_CERT", cert, 1);
    }
    export_path();
}
