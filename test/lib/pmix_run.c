/* SPDX-License-Identifier: MPL-2.0 */
/* pmix_run.c - a launcher that speaks PMIx, for tests:
 *
 *     pmix_run [--spread] N PROGRAM [ARG...]
 *
 * Starts N processes on this host (--spread: and says that each has a host of its own), passes SIGTERM on to
 * them, and exits with 0 if all of them did.  When one of them fails, aborts, or leaves without having said
 * goodbye, all others are killed, and it exits with 1.
 */
#include "base.h"
#include "xmem.h"

#include <pmix.h>
#include <pmix_server.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB_MAX 64 // processes

static struct {
    char nspace[PMIX_MAX_NSLEN + 1];
    size_t size;
    pid_t pids[JOB_MAX];       // 0: has ended
    bool is_finished[JOB_MAX]; // has said goodbye
    volatile bool has_failed;
} job;

/* --- what the library asks for --- */

static pmix_status_t
on_finalized(const pmix_proc_t *proc, void *object, pmix_op_cbfunc_t cbfunc, void *arg)
{
    (void)object, (void)cbfunc, (void)arg;
    if (proc->rank < JOB_MAX)
        job.is_finished[proc->rank] = true;
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t
on_abort(const pmix_proc_t *proc, void *object, int status, const char msg[], pmix_proc_t procs[],
         size_t nprocs, pmix_op_cbfunc_t cbfunc, void *arg)
{
    (void)object, (void)procs, (void)nprocs, (void)cbfunc, (void)arg;
    fprintf(stderr, "pmix_run: rank %u aborts with %d: %s\n", proc->rank, status, msg);
    job.has_failed = true;
    return PMIX_OPERATION_SUCCEEDED;
}

/* All of the job are here: what they have collected goes back to them as it is. */
static pmix_status_t
on_fence(const pmix_proc_t procs[], size_t nprocs, const pmix_info_t info[], size_t ninfo,
         char *data, size_t ndata, pmix_modex_cbfunc_t cbfunc, void *arg)
{
    (void)procs, (void)nprocs, (void)info, (void)ninfo;
    cbfunc(PMIX_SUCCESS, data, ndata, arg, free, data);
    return PMIX_SUCCESS;
}

static pmix_server_module_t module = {
    .client_finalized = on_finalized,
    .abort = on_abort,
    .fence_nb = on_fence,
};

/* --- starting --- */

static void
set_number(pmix_info_t *info, const char *key, uint32_t number)
{
    *info = (pmix_info_t){.value.type = PMIX_UINT32};
    snprintf(info->key, sizeof(info->key), "%s", key);
    info->value.data.uint32 = number;
}

static void
set_text(pmix_info_t *info, const char *key, char *text)
{
    *info = (pmix_info_t){.value.type = PMIX_STRING};
    snprintf(info->key, sizeof(info->key), "%s", key);
    info->value.data.string = text;
}

static void
die(const char *what, pmix_status_t status)
{
    fprintf(stderr, "pmix_run: %s: %s\n", what, PMIx_Error_string(status));
    exit(1);
}

static void
check(const char *what, pmix_status_t status)
{
    if (status != PMIX_SUCCESS && status != PMIX_OPERATION_SUCCEEDED)
        die(what, status);
}

static void
register_job(bool is_spread)
{
    pmix_info_t info[6];
    char host[256] = "";
    char *nodes, *places;
    char peers[JOB_MAX * 4] = "";
    size_t n = 0;

    for (size_t r = 0; r < job.size; r++)
        snprintf(peers + strlen(peers), sizeof(peers) - strlen(peers), "%s%zu", r > 0 ? "," : "",
                 r);
    gethostname(host, sizeof(host) - 1);
    check("generate_regex", PMIx_generate_regex(host, &nodes));
    check("generate_ppn", PMIx_generate_ppn(peers, &places));
    set_text(&info[n++], PMIX_NODE_MAP, nodes);
    set_text(&info[n++], PMIX_PROC_MAP, places);
    set_number(&info[n++], PMIX_UNIV_SIZE, (uint32_t)job.size);
    set_number(&info[n++], PMIX_JOB_SIZE, (uint32_t)job.size);
    set_number(&info[n++], PMIX_LOCAL_SIZE, is_spread ? 1 : (uint32_t)job.size);
    if (!is_spread)
        set_text(&info[n++], PMIX_LOCAL_PEERS, peers);
    check("register_nspace",
          PMIx_server_register_nspace(job.nspace, (int)job.size, info, n, NULL, NULL));
}

static void
start_process(size_t rank, char **argv)
{
    extern char **environ;
    pmix_proc_t proc = {.rank = (pmix_rank_t)rank};
    char **env = NULL;
    sigset_t none;

    memcpy(proc.nspace, job.nspace, sizeof(job.nspace));
    check("register_client",
          PMIx_server_register_client(&proc, geteuid(), getegid(), NULL, NULL, NULL));
    check("setup_fork", PMIx_server_setup_fork(&proc, &env));
    job.pids[rank] = fork();
    if (job.pids[rank] != 0)
        return;
    for (; env && *env; env++)
        putenv(*env);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvpe(argv[0], argv, environ);
    perror(argv[0]);
    _exit(127);
}

/* --- until they have ended --- */

static void
send_all(int signum)
{
    for (size_t r = 0; r < job.size; r++) {
        if (job.pids[r] > 0)
            kill(job.pids[r], signum);
    }
}

static void
take_end(pid_t pid, int status)
{
    for (size_t r = 0; r < job.size; r++) {
        if (job.pids[r] != pid)
            continue;
        job.pids[r] = 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !job.is_finished[r]) {
            fprintf(stderr, "pmix_run: rank %zu ends with wait status %d%s\n", r, status,
                    job.is_finished[r] ? "" : " and has not said goodbye");
            job.has_failed = true;
        }
    }
}

static void
wait_for_all(int signals)
{
    size_t left = job.size;

    while (left > 0) {
        struct signalfd_siginfo info;
        int status;
        pid_t pid;

        if (read(signals, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGCHLD)
            send_all((int)info.ssi_signo);
        for (; (pid = waitpid(-1, &status, WNOHANG)) > 0; left--)
            take_end(pid, status);
        if (job.has_failed)
            send_all(SIGKILL);
    }
}

int
main(int argc, char **argv)
{
    bool is_spread = argc > 1 && strcmp(argv[1], "--spread") == 0;
    sigset_t set;

    argv += 1 + is_spread;
    job.size = argv[0] ? strtoul(argv[0], NULL, 10) : 0;
    if (job.size < 1 || job.size > JOB_MAX || !argv[1])
        return 2;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    snprintf(job.nspace, sizeof(job.nspace), "pmix_run.%d", (int)getpid());
    check("server_init", PMIx_server_init(&module, NULL, 0));
    register_job(is_spread);
    for (size_t r = 0; r < job.size; r++)
        start_process(r, argv + 1);
    wait_for_all(signalfd(-1, &set, SFD_CLOEXEC));
    alarm(10); // the library is not always willing
    if (!job.has_failed)
        PMIx_server_finalize();
    fflush(stderr);
    _exit(job.has_failed ? 1 : 0); // what the library has not freed is not ours to look for
}
