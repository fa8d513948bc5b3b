/* SPDX-License-Identifier: MPL-2.0 */
/* testing_exit.c - what a cluster means to the program it is in.
 *
 * At the start: CZMQ would take over SIGINT and SIGTERM at its first use.  They stay the program's, and
 * SIGPIPE too: no thread of ours lets signals in, or uses the program's.
 *
 * At exit(): CZMQ takes ZeroMQ's context away under the feet of threads that use it.  So what the
 * program has not stopped is stopped before.  A child that was forked has no such threads: there,
 * nothing is touched.
 */
#include "testing_priv.h"

#include <czmq.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const int handled[] = {SIGINT, SIGTERM}; // by CZMQ

static pid_t process; // whose threads there are

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of the list
static struct list clusters = {&clusters, &clusters};

static struct xylem_cluster *
take_first(void)
{
    struct list *node;

    pthread_mutex_lock(&lock);
    node = list_pop_front(&clusters);
    pthread_mutex_unlock(&lock);
    return node ? list_entry(node, struct xylem_cluster, node) : NULL;
}

static void
stop_what_is_left(void)
{
    struct xylem_cluster *c;

    while ((c = take_first())) {
        if (c->pid == getpid())
            xylem_testing_stop(&c);
        else
            zsys_set_logstream(NULL); // CZMQ would complain of the parent's sockets
    }
}

/* CZMQ takes the number of sockets that there may be from the environment, at its first use; later it
 * can be told only while there are none. */
static void
init_process(void)
{
    static const char limit[] = "ZSYS_MAX_SOCKETS";
    struct sigaction before[ARRAY_SIZE(handled)];
    bool has_limit = getenv(limit) != NULL;

    for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
        sigaction(handled[i], NULL, &before[i]);
    if (!has_limit)
        setenv(limit, "65535", 1);
    zsys_init();
    if (!has_limit)
        unsetenv(limit);
    for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
        sigaction(handled[i], &before[i], NULL);
    zsys_set_pipehwm(0);
    process = getpid();
    atexit(stop_what_is_left); // it comes before CZMQ's own, which is older
}

bool
testing_process_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, init_process);
    return process == getpid();
}

void
testing_enlist(struct xylem_cluster *c)
{
    c->pid = getpid();
    pthread_mutex_lock(&lock);
    list_push_back(&clusters, &c->node);
    pthread_mutex_unlock(&lock);
}

void
testing_delist(struct xylem_cluster *c)
{
    pthread_mutex_lock(&lock);
    list_remove(&c->node);
    pthread_mutex_unlock(&lock);
}
