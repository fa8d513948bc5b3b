/* SPDX-License-Identifier: MPL-2.0 */
/* job_pmix.c - a job of a launcher that speaks PMIx: Slurm, Open MPI, PRRTE.
 *
 * The library is loaded when it is needed and not before: it brings much with it, and most ranks are
 * started by others.  What takes long is begun here and ends in a thread of the library, which writes to an
 * eventfd: so a signal is heard meanwhile.
 */
#include "clock.h"
#include "job.h"
#include "topo.h"
#include "xmem.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pmix.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NAME "PMIx: "
#define LIBRARY "libpmix.so.2"
#define CARD "xylem.card"
#define END_S 10

/* Functions of the library, by their names. */
#define FUNCTIONS(X) \
    X(PMIx_Init) \
    X(PMIx_Put) \
    X(PMIx_Commit) \
    X(PMIx_Fence_nb) \
    X(PMIx_Get) \
    X(PMIx_Abort) \
    X(PMIx_Finalize) \
    X(PMIx_Register_event_handler) \
    X(PMIx_Error_string)

static struct {
#define MEMBER(name) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
#undef MEMBER
} lib;

static int lost_fd =
    -1; // eventfd: the connection to the server is lost; the library knows no argument

struct pmix_job {
    pmix_proc_t self;
    int stop;            // borrowed, or -1
    int64_t timeout_ms;  //
    int done;            // eventfd: what was begun is over, with
    atomic_int status;   // a pmix_status_t
    char *peers;         // "0,3,4": who shares our node; NULL: not known
    bool is_unreachable; // so there is nobody to say goodbye to
};

/* --- the library --- */

static int
load_library(struct err *err)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_GLOBAL);

    if (!handle)
        return err_set(err, -ENOENT, NAME "%s", dlerror());
#define LOAD(name) \
    *(void **)&lib.name = dlsym(handle, #name); \
    if (!lib.name) \
        return err_set(err, -ENOSYS, NAME "%s has no " #name, LIBRARY);
    FUNCTIONS(LOAD)
#undef LOAD
    return 0;
}

static int
fail(struct err *err, pmix_status_t status, const char *what)
{
    int rc = status == PMIX_ERR_TIMEOUT ? -ETIMEDOUT : -EREMOTEIO;

    return err_set(err, rc, NAME "%s: %s", what, lib.PMIx_Error_string(status));
}

/* --- waiting --- */

static void
on_done(pmix_status_t status, void *arg)
{
    struct pmix_job *j = arg;

    atomic_store(&j->status, status);
    eventfd_write(j->done, 1);
}

static void
on_lost(size_t id, pmix_status_t status, const pmix_proc_t *source, pmix_info_t info[],
        size_t ninfo, pmix_info_t *results, size_t nresults,
        pmix_event_notification_cbfunc_fn_t go_on, void *arg)
{
    (void)id, (void)status, (void)source, (void)info, (void)ninfo, (void)results, (void)nresults;
    eventfd_write(lost_fd, 1);
    if (go_on)
        go_on(PMIX_EVENT_ACTION_COMPLETE, NULL, 0, NULL, NULL, arg);
}

static int
fence_begin(void *arg, struct err *err)
{
    struct pmix_job *j = arg;
    pmix_info_t collect = {.key = PMIX_COLLECT_DATA};
    pmix_status_t status;

    collect.value.type = PMIX_BOOL;
    collect.value.data.flag = true;
    status = lib.PMIx_Fence_nb(NULL, 0, &collect, 1, on_done, j);
    if (status == PMIX_OPERATION_SUCCEEDED)
        on_done(PMIX_SUCCESS, j);
    else if (status != PMIX_SUCCESS)
        return fail(err, status, "fence");
    return 0;
}

static int
finish_fence(struct pmix_job *j, struct err *err)
{
    eventfd_t ignored;
    int status;

    eventfd_read(j->done, &ignored);
    status = atomic_load(&j->status);
    return status == PMIX_SUCCESS ? 0 : fail(err, status, "fence");
}

static int
fence_wait(void *arg, int64_t ms, struct err *err)
{
    struct pmix_job *j = arg;
    int64_t end = clock_ms() + ms;
    struct pollfd fds[3] = {{.fd = j->done, .events = POLLIN},
                            {.fd = j->stop, .events = POLLIN},
                            {.fd = lost_fd, .events = POLLIN}};

    for (;;) {
        int64_t left = MAX(end - clock_ms(), 0);
        int n = poll(fds, ARRAY_SIZE(fds), (int)MIN(left, INT_MAX));

        if (n < 0 && errno != EINTR)
            return err_set(err, -errno, NAME "%s", err_name(errno));
        if (n > 0 && fds[0].revents)
            return finish_fence(j, err);
        if (n > 0 && fds[1].revents)
            return err_set(err, -EINTR, NAME "stopped by a signal");
        if (n > 0)
            return err_set(err, -EPIPE, NAME "the server is gone");
        if (left == 0)
            return -EAGAIN;
    }
}

/* --- values --- */

static int
publish(void *arg UNUSED, const char *value, struct err *err)
{
    AUTO(free) char *text = xstrdup(value);
    pmix_value_t v = {.type = PMIX_STRING};
    pmix_status_t status;

    v.data.string = text;
    status = lib.PMIx_Put(PMIX_GLOBAL, CARD, &v);
    if (status == PMIX_SUCCESS)
        status = lib.PMIx_Commit();
    return status == PMIX_SUCCESS ? 0 : fail(err, status, "put");
}

/* The value's memory is the library's, as much as it is: it goes with the process. */
static pmix_status_t
get(struct pmix_job *j, pmix_rank_t rank, const char *key, pmix_value_t **ret)
{
    pmix_proc_t proc = j->self;
    pmix_info_t limit = {.key = PMIX_TIMEOUT};

    proc.rank = rank;
    limit.value.type = PMIX_INT;
    limit.value.data.integer = (int)MIN(j->timeout_ms / 1000 + 1, INT_MAX);
    return lib.PMIx_Get(&proc, key, &limit, 1, ret);
}

static void
free_value(pmix_value_t *value)
{
    if (value->type == PMIX_STRING)
        free(value->data.string);
    free(value);
}

static int
lookup(void *arg, uint32_t rank, char **ret, struct err *err)
{
    struct pmix_job *j = arg;
    pmix_value_t *value = NULL;
    pmix_status_t status = get(j, rank, CARD, &value);

    if (status == PMIX_ERR_NOT_FOUND)
        return err_set(err, -ENOENT, NAME "%s: there is no such key", CARD);
    if (status != PMIX_SUCCESS)
        return fail(err, status, CARD);
    *ret = value->type == PMIX_STRING && value->data.string ? xstrdup(value->data.string) : NULL;
    free_value(value);
    return *ret ? 0 : err_set(err, -EPROTO, NAME "%s is not text", CARD);
}

static uint32_t
get_number(struct pmix_job *j, const char *key)
{
    pmix_value_t *value = NULL;
    uint32_t number;

    if (get(j, PMIX_RANK_WILDCARD, key, &value) != PMIX_SUCCESS)
        return 0;
    number = value->type == PMIX_UINT32 ? value->data.uint32 : 0;
    free_value(value);
    return number;
}

static char *
get_text(struct pmix_job *j, const char *key)
{
    pmix_value_t *value = NULL;
    char *text;

    if (get(j, PMIX_RANK_WILDCARD, key, &value) != PMIX_SUCCESS)
        return NULL;
    text = value->type == PMIX_STRING && value->data.string ? xstrdup(value->data.string) : NULL;
    free_value(value);
    return text;
}

static bool
is_near(void *arg, uint32_t rank)
{
    const struct pmix_job *j = arg;
    const char *p = j->peers;
    char *end;

    while (p && *p) {
        if (strtoul(p, &end, 10) == rank && end > p)
            return true;
        p = strchr(p, ',');
        p = p ? p + 1 : NULL;
    }
    return false;
}

/* --- the end --- */

/* These calls know no time-out, and nothing comes behind them: a server that does not answer ends us. */
static int
finalize(void *arg, struct err *err)
{
    struct pmix_job *j = arg;
    pmix_status_t status;

    alarm(END_S);
    status = j->is_unreachable ? PMIX_ERR_LOST_CONNECTION : lib.PMIx_Finalize(NULL, 0);
    alarm(0);
    return status == PMIX_SUCCESS ? 0 : fail(err, status, "finalize");
}

static void
abort_job(void *arg)
{
    struct pmix_job *j = arg;

    alarm(END_S);
    if (!j->is_unreachable)
        lib.PMIx_Abort(1, "a rank of Xylem failed", NULL, 0);
    alarm(0);
}

static int
fd(void *arg UNUSED)
{
    return lost_fd;
}

static bool
is_gone(void *arg)
{
    struct pmix_job *j = arg;

    j->is_unreachable = true;
    return true;
}

static void
free_job(void *arg)
{
    struct pmix_job *j = arg;

    close(j->done);
    free(j->peers);
    free(j);
}

static const struct job_ops ops = {
    .publish = publish,
    .lookup = lookup,
    .fence_begin = fence_begin,
    .fence_wait = fence_wait,
    .is_near = is_near,
    .finalize = finalize,
    .abort = abort_job,
    .fd = fd,
    .is_gone = is_gone,
    .free = free_job,
};

/* --- opening --- */

static int
check_place(const struct job_conf *conf, const struct job *j, struct err *err)
{
    if (j->size < 1 || j->size > TOPO_SIZE_MAX || j->rank >= j->size)
        return err_set(err, -EPROTO, NAME "rank %" PRIu32 " of %" PRIu32 " is not possible",
                       j->rank, j->size);
    if ((conf->rank >= 0 && conf->rank != (long)j->rank) ||
        (conf->size >= 0 && conf->size != (long)j->size))
        return err_set(err, -EINVAL,
                       NAME "this is rank %" PRIu32 " of %" PRIu32 ", --rank and --size say other",
                       j->rank, j->size);
    return 0;
}

static int
join(struct pmix_job *j, struct job *ret, const struct job_conf *conf, struct err *err)
{
    pmix_status_t lost = PMIX_ERR_LOST_CONNECTION;
    pmix_status_t status = lib.PMIx_Init(&j->self, NULL, 0);

    if (status != PMIX_SUCCESS)
        return fail(err, status, "init");
    lib.PMIx_Register_event_handler(&lost, 1, NULL, 0, on_lost, NULL, NULL);
    ret->rank = j->self.rank;
    ret->size = get_number(j, PMIX_JOB_SIZE);
    j->peers = get_text(j, PMIX_LOCAL_PEERS);
    ret->knows_nodes = j->peers != NULL;
    ret->is_one_host = ret->size == 1 || get_number(j, PMIX_LOCAL_SIZE) == ret->size;
    ret->name = xstrndup(j->self.nspace, sizeof(j->self.nspace));
    return check_place(conf, ret, err);
}

int
job_open_pmix(struct job *ret, const struct job_conf *conf, struct err *err)
{
    int rc = load_library(err);

    if (rc < 0)
        return rc;
    lost_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ret->ops = &ops;
    ret->arg = xcalloc(1, sizeof(struct pmix_job));
    *(struct pmix_job *)ret->arg = (struct pmix_job){
        .stop = conf->stop,
        .timeout_ms = conf->timeout_ms,
        .done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    rc = join(ret->arg, ret, conf, err);
    if (rc < 0)
        job_close(ret);
    return rc;
}
