/* SPDX-License-Identifier: MPL-2.0 */
/* zap.c - see zap.h.
 *
 *   first zap_open()   the thread starts, the address is bound
 *   a request          zap_answer.c
 *   an event           of a socket that is watched: doorman.h
 *   last zap_close()   the address is unbound, the thread ends
 *
 * Threads: `life` serialises open, watch and close; `lock` guards the list of zaps, their ranks and counters.
 * The keyring of clients reads files, so it is of the thread alone, which holds a reference meanwhile.
 */
#include "actor.h"
#include "doorman.h"
#include "xmem.h"
#include "zap_priv.h"

#include <czmq.h>
#include <errno.h>
#include <pthread.h>

#define ADDRESS "inproc://zeromq.zap.01" // RFC 27
#define BATCH 64                         // requests until the pipe is looked at
#define TELL_MS 10000                    // how often to look whether lines were left out of the log

static struct {
    pthread_mutex_t life;
    pthread_mutex_t lock;
    struct list zaps;
    unsigned long long opened;  // zaps so far: makes their domains unique
    unsigned long long watched; // sockets so far, likewise
    struct actor *thread;       // owned; NULL while there are no zaps
} handler = {
    .life = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .zaps = LIST_INIT(handler.zaps),
};

/* --- domains --- */

void
zap_lock(void)
{
    pthread_mutex_lock(&handler.lock);
}

void
zap_unlock(void)
{
    pthread_mutex_unlock(&handler.lock);
}

/* The lock is held. */
static struct zap *
find_domain(const void *domain, size_t len)
{
    LIST_FOR_EACH (node, &handler.zaps) {
        struct zap *z = list_entry(node, struct zap, node);

        if (strlen(z->domain) == len && memcmp(z->domain, domain, len) == 0)
            return z;
    }
    return NULL;
}

struct zap *
zap_hold(const void *domain, size_t len)
{
    struct zap *z;

    zap_lock();
    z = find_domain(domain, len);
    if (z)
        z->refs++;
    zap_unlock();
    return z;
}

static void
free_zap(struct zap *z)
{
    keyring_free(&z->ranks);
    keyring_free(&z->clients);
    free(z->domain);
    free(z->directory);
    free(z);
}

void
zap_drop(struct zap *z)
{
    bool is_last;

    zap_lock();
    is_last = --z->refs == 0;
    zap_unlock();
    if (is_last)
        free_zap(z);
}

/* --- the thread --- */

/* A socket that is watched. */
struct door {
    struct doorman *doorman; // owned
    struct zap *zap;         // a reference
};

/* What the thread has. */
struct keeper {
    zsock_t *router;       // owned
    struct door *doors;    // owned array
    zmq_pollitem_t *items; // owned array: the pipe, the router, and a monitor for each door
    size_t ndoors;
    struct elog_limit keys;  // lines about keys that are refused
    struct elog_limit calls; // and about who came without: neither hides the other
};

static int
start(void *arg, void *pipe UNUSED, struct err *err)
{
    struct keeper *k = arg;

    k->router = zsock_new(ZMQ_ROUTER);
    assert(k->router);
    zsock_set_linger(k->router, 0);
    zsock_set_sndhwm(k->router, 0);
    zsock_set_rcvhwm(k->router, 0);
    if (zmq_bind(zsock_resolve(k->router), ADDRESS) == 0)
        return 0;
    err_set(err, -EADDRINUSE, "cannot handle ZAP: %s", zmq_strerror(zmq_errno()));
    zsock_destroy(&k->router);
    return -EADDRINUSE;
}

static void
set_item(struct keeper *k, size_t i, void *zsock)
{
    k->items = xrealloc(k->items, (i + 1) * sizeof(*k->items));
    k->items[i] = (zmq_pollitem_t){.socket = zsock, .events = ZMQ_POLLIN};
}

static void
open_door(struct keeper *k, struct door *door)
{
    k->doors = xrealloc(k->doors, (k->ndoors + 1) * sizeof(*k->doors));
    k->doors[k->ndoors] = *door;
    set_item(k, 2 + k->ndoors, doorman_socket(door->doorman));
    k->ndoors++;
    free(door);
}

/* The last one takes its place. */
static void
close_door(struct keeper *k, size_t i)
{
    doorman_free(&k->doors[i].doorman);
    zap_drop(k->doors[i].zap);
    k->ndoors--;
    k->doors[i] = k->doors[k->ndoors];
    k->items[2 + i] = k->items[2 + k->ndoors];
}

static void
serve_doors(struct keeper *k)
{
    for (size_t i = k->ndoors; i-- > 0;) {
        uint64_t refused = 0;
        bool is_open = doorman_serve(k->doors[i].doorman, &k->calls, &refused);

        zap_lock();
        k->doors[i].zap->stats.refused += refused;
        zap_unlock();
        if (!is_open)
            close_door(k, i);
    }
}

/* false: stop. */
static bool
take_orders(struct keeper *k, void *pipe)
{
    void *item;
    int rc;

    while ((rc = actor_recv(pipe, false, &item)) == 0)
        open_door(k, item);
    return rc != -ETERM;
}

/* A close alone would leave the address in use for a while: sockets are closed in the background. */
static void
close_keeper(struct keeper *k)
{
    while (k->ndoors > 0)
        close_door(k, 0);
    zmq_unbind(zsock_resolve(k->router), ADDRESS);
    zsock_destroy(&k->router);
    free(k->doors);
    free(k->items);
    *k = (struct keeper){0};
}

static long
patience(const struct keeper *k)
{
    return k->keys.left_out > 0 || k->calls.left_out > 0 ? TELL_MS : -1;
}

static void
run(void *arg, void *pipe)
{
    struct keeper *k = arg;

    set_item(k, 0, pipe);
    set_item(k, 1, zsock_resolve(k->router));
    while (take_orders(k, pipe)) {
        zmq_poll(k->items, 2 + (int)k->ndoors, patience(k));
        for (int i = 0; i < BATCH && zap_answer(zsock_resolve(k->router), &k->keys); i++)
            ;
        serve_doors(k);
        elog_limit_tell(&k->keys);
        elog_limit_tell(&k->calls);
    }
    close_keeper(k);
}

static const struct actor_ops ops = {"zap", start, run};
static struct keeper keeper; // of the thread

/* --- open and close --- */

/* `life` is held. */
static int
add_zap(struct zap *z, const struct zap_conf *conf, struct err *err)
{
    for (size_t i = 0; i < conf->nkeys; i++) {
        if (conf->keys[i] && keyring_add(z->ranks, conf->keys[i], ZAP_RANK) < 0)
            return err_set(err, -EINVAL, "the key of rank %zu is no key (40 characters of Z85)", i);
    }
    z->domain = xasprintf("%s#%llu", conf->domain, ++handler.opened);
    zap_lock();
    list_push_back(&handler.zaps, &z->node);
    zap_unlock();
    return 0;
}

static struct zap *
new_zap(const struct zap_conf *conf)
{
    struct zap *z = xcalloc(1, sizeof(*z));

    list_init(&z->node);
    z->refs = 1;
    z->directory = conf->authorized ? xstrdup(conf->authorized) : NULL;
    z->ranks = keyring_new(NULL);
    z->clients = keyring_new(z->directory);
    return z;
}

/* `life` is held. */
static void
remove_zap(struct zap *z)
{
    bool was_last;

    zap_lock();
    list_remove(&z->node);
    was_last = list_is_empty(&handler.zaps);
    zap_unlock();
    zap_drop(z);
    if (was_last)
        actor_stop(&handler.thread, NULL, NULL);
}

int
zap_open(struct zap **ret, const struct zap_conf *conf, struct err *err)
{
    struct zap *z = new_zap(conf);
    int rc;

    assert(conf->domain[0]);
    pthread_mutex_lock(&handler.life);
    rc = add_zap(z, conf, err);
    if (rc == 0 && !handler.thread)
        rc = actor_start(&handler.thread, &ops, &keeper, err);
    if (rc < 0)
        remove_zap(z);
    pthread_mutex_unlock(&handler.life);
    if (rc == 0)
        *ret = z;
    return rc;
}

void
zap_close(struct zap **zap)
{
    struct zap *z = TAKE(*zap);

    if (!z)
        return;
    pthread_mutex_lock(&handler.life);
    remove_zap(z);
    pthread_mutex_unlock(&handler.life);
}

int
zap_allow(struct zap *z, const char *key)
{
    int rc;

    zap_lock();
    rc = keyring_add(z->ranks, key, ZAP_RANK);
    zap_unlock();
    return rc;
}

const char *
zap_domain(const struct zap *z)
{
    return z->domain;
}

struct zap_stats
zap_stats(struct zap *z)
{
    struct zap_stats stats;

    zap_lock();
    stats = z->stats;
    zap_unlock();
    return stats;
}

/* --- watching --- */

int
zap_watch(struct zap *z, void *zsock)
{
    AUTO(free) char *address = NULL;
    AUTO(free) char *who = xstrndup(z->domain, strcspn(z->domain, "#"));
    struct door *door = xcalloc(1, sizeof(*door));

    pthread_mutex_lock(&handler.life);
    address = xasprintf("inproc://zap-watch-%llu", ++handler.watched);
    if (zmq_socket_monitor(zsock, address, doorman_events) < 0) {
        int rc = -zmq_errno();

        pthread_mutex_unlock(&handler.life);
        free(door);
        return rc;
    }
    zap_lock();
    z->refs++;
    zap_unlock();
    *door = (struct door){doorman_new(address, who), z};
    actor_post(actor_pipe(handler.thread), door);
    pthread_mutex_unlock(&handler.life);
    return 0;
}

void
zap_unwatch(void *zsock)
{
    zmq_socket_monitor(zsock, NULL, 0);
}
