/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_shutdown.c - xylem shutdown: archive the key-value store if asked to, have rank 0 stop the
 * instance, and wait until it is gone.
 *
 * Leaves go first and rank 0 last, so it is rank 0 that is watched: by a second connection, made
 * before anything is stopped.  If there is no way to it from here, the rank we talk to stands for it.
 * A rank that ends in order removes its pid file last. */
#include "cmd.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PID_FILE_MS 10000 // from the end of the connection to the end of the pid file
#define LOOK_MS 10        // how often it is looked for

static const char *dump_path;
static bool with_gc, in_background, quiet, verbose;

static const struct opt options[] = {
    {0, "gc", NULL, OPT_FLAG, &with_gc, "rank 0 collects garbage at the end", 0, 0},
    {0, "dump", "PATH", OPT_STRING, &dump_path, "first archive the key-value store to PATH", 0, 0},
    {0, "background", NULL, OPT_FLAG, &in_background, "do not wait for the end", 0, 0},
    {'q', "quiet", NULL, OPT_FLAG, &quiet, "say nothing of the archive", 0, 0},
    {'v', "verbose", NULL, OPT_FLAG, &verbose, "say what is done", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem shutdown",
    .synopsis = "[OPTIONS]",
    .description = "Stop all ranks of the instance, leaves first, and wait until rank 0 has ended.",
    .options = options,
};

static void
say(const char *text)
{
    if (verbose)
        fprintf(stderr, "xylem: shutdown: %s\n", text);
}

/* --- the archive --- */

__attribute__((noreturn)) static void
exec_dump(void)
{
    char *args[5] = {xstrdup("dump")}; // with the NULL at the end
    int n = 1;

    if (quiet)
        args[n++] = xstrdup("--quiet");
    args[n++] = xstrdup("--");
    args[n] = xstrdup(dump_path);
    cmd_exec(args);
    _exit(cmd_fail(&program, "there is no program xylem-dump"));
}

static int
run_dump(void)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        exec_dump();
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CMD_OK;
    return cmd_fail(&program, "%s: not archived: nothing is stopped", dump_path);
}

/* --- the rank to be watched --- */

/* A rank, and what tells it from any other that might be found at the same address. */
struct watched {
    xylem_t *x;     // borrowed or owned: see open_root()
    char *instance; // owned, like all that follow
    char *rank;
    char *pid;
    char *rundir;
};

/* The caller's to free(); NULL: the rank does not say. */
static char *
ask_attr(xylem_t *x, uint32_t rank, const char *name)
{
    AUTO(free) char *request = xasprintf("{\"name\":\"%s\"}", name);
    AUTO(free) char *text = NULL;
    const char *value;
    json_t *json;
    char *copy;

    if (xylem_rpc(x, "attr.get", rank, request, &text) < 0)
        return NULL;
    json = json_loads(text, 0, NULL);
    value = json_string_value(json_object_get(json, "value"));
    copy = value ? xstrdup(value) : NULL;
    json_decref(json);
    return copy;
}

/* -errno: the rank cannot be asked. */
static int
identify(xylem_t *x, uint32_t rank, struct watched *w)
{
    *w = (struct watched){.x = x};
    w->instance = ask_attr(x, rank, "instance");
    w->rank = ask_attr(x, rank, "rank");
    w->pid = ask_attr(x, rank, "broker.pid");
    w->rundir = ask_attr(x, rank, "rundir");
    return w->instance && w->rank && w->pid && w->rundir ? 0 : -EHOSTUNREACH;
}

static void
free_watched(struct watched *w)
{
    free(w->instance);
    free(w->rank);
    free(w->pid);
    free(w->rundir);
}

static bool
is_same(const struct watched *a, const struct watched *b)
{
    return strcmp(a->instance, b->instance) == 0 && strcmp(a->rank, b->rank) == 0 &&
           strcmp(a->pid, b->pid) == 0 && strcmp(a->rundir, b->rundir) == 0;
}

/* Connect to the rank at `uri` if it is `root`. */
static xylem_t *
try_uri(const struct watched *root, const char *uri)
{
    struct watched found;
    xylem_t *x = NULL;
    bool same;

    if (!uri || xylem_open(&x, uri, cmd_cert, NULL) < 0)
        return NULL;
    same = identify(x, XYLEM_RANK_ANY, &found) == 0 && is_same(root, &found);
    free_watched(&found);
    if (same)
        return x;
    xylem_close(x);
    return NULL;
}

/* A connection to rank 0 of x's instance, to be closed by the caller; NULL: there is no way to it. */
static xylem_t *
open_root(xylem_t *x, const struct watched *root)
{
    AUTO(free) char *local = ask_attr(x, 0, "local-uri");
    AUTO(free) char *tree = ask_attr(x, 0, "tbon.endpoint");
    xylem_t *found = try_uri(root, local);

    return found ? found : try_uri(root, tree);
}

/* --- the end --- */

static void
wait_for_loss(xylem_t *x)
{
    struct pollfd wait = {.fd = xylem_fd(x), .events = POLLIN};

    while (xylem_dispatch(x, 0) >= 0)
        poll(&wait, 1, -1);
}

/* The pid file is there at the beginning only if the rank is on this host. */
static int
wait_for_pid_file(const char *path)
{
    int64_t deadline = clock_ms() + PID_FILE_MS;

    while (access(path, F_OK) == 0) {
        if (clock_ms() > deadline)
            return cmd_fail(&program, "rank 0 did not end in order: %s is still there", path);
        usleep(LOOK_MS * 1000);
    }
    return CMD_OK;
}

static int
start(xylem_t *x)
{
    int rc = xylem_rpc(x, "shutdown.start", XYLEM_RANK_ANY,
                       with_gc ? "{\"gc\":true}" : "{\"gc\":false}", NULL);

    if (rc == -EHOSTUNREACH)
        return cmd_fail(&program, "rank 0 cannot be reached");
    if (rc < 0)
        return cmd_fail_x(&program, x, NULL);
    say("rank 0 stops the instance");
    return CMD_OK;
}

/* watched: the rank whose connection is x. */
static int
stop_and_wait(xylem_t *through, xylem_t *x, const struct watched *watched)
{
    AUTO(free) char *path = xasprintf("%s/rank-%s.pid", watched->rundir, watched->rank);
    bool is_here = access(path, F_OK) == 0;
    int status = start(through);

    if (status != CMD_OK || in_background)
        return status;
    wait_for_loss(x);
    status = is_here ? wait_for_pid_file(path) : CMD_OK;
    if (status == CMD_OK)
        say("the instance is gone");
    return status;
}

static int
shut_down(xylem_t *x)
{
    struct watched root;
    struct watched own = {0};
    xylem_t *second = NULL;
    int status;

    if (identify(x, 0, &root) < 0)
        status = cmd_fail(&program, "rank 0 cannot be reached: %s", xylem_error(x));
    else if (identify(x, XYLEM_RANK_ANY, &own) < 0)
        status = cmd_fail_x(&program, x, NULL);
    else if (is_same(&root, &own) || !(second = open_root(x, &root)))
        status = stop_and_wait(x, x, &own);
    else
        status = stop_and_wait(x, second, &root);
    free_watched(&root);
    free_watched(&own);
    xylem_close(second);
    return status;
}

int
cmd_shutdown(int argc, char **argv)
{
    xylem_t *x;
    int status;

    cmd_parse(&program, argc, argv, 0, 0);
    x = cmd_open(&program);
    status = dump_path ? run_dump() : CMD_OK;
    if (status == CMD_OK)
        status = shut_down(x);
    xylem_close(x);
    return status;
}
