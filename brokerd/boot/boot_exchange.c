/* SPDX-License-Identifier: MPL-2.0 */
/* boot_exchange.c - what ranks tell each other through their launcher (boot.h).
 *
 * Each publishes its card (card.h), waits until all have, and reads the cards of those it may come to
 * talk to: all above it, whom it greets, and all below it, whom it lets in.  In a tree of n ranks these
 * are n log n cards, and not n * n.
 *
 * A launcher does not tell who keeps the others waiting.  What can be seen on a host is said by the first
 * rank of those that are there (rollcall.h).
 */
#include "address.h"
#include "boot_priv.h"
#include "buf.h"
#include "card.h"
#include "clock.h"
#include "elog.h"
#include "greeting.h"
#include "rollcall.h"
#include "xmem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_WORD_MS 5000 // until the missing are named; then after twice the time, and so on
#define NAMED_MAX 20       // ranks in one complaint

/* --- where to listen --- */

bool
boot_uses_tcp(const struct boot *b)
{
    return b->asked.interface || b->asked.wants_tcp || !b->job.is_one_host;
}

/* Another run of this rank was here: others know where it listened. */
static char *
find_former_uri(struct boot *b)
{
    AUTO(free) char *text = NULL;
    struct card card;
    struct err err;

    if (b->job.ops->lookup(b->job.arg, b->rank, &text, &err) < 0 ||
        card_decode(text, &card, &err) < 0)
        return NULL;
    return xstrdup(card.uri);
}

int
boot_choose_listen(struct boot *b, const char *rundir, struct err *err)
{
    char address[ADDRESS_SIZE];
    int rc;

    if (!boot_uses_tcp(b)) {
        b->listen = xasprintf("ipc://%s/tree-%u", rundir, b->rank);
        return 0;
    }
    b->listen = b->job.ops->ask ? find_former_uri(b) : NULL;
    if (b->listen)
        return 0;
    rc = address_pick(b->asked.interface, address, err);
    if (rc == 0)
        b->listen = xasprintf("tcp://%s:*", address);
    return rc;
}

/* --- our card --- */

/* What listens everywhere is reached at one address. */
static int
make_uri(const struct boot *b, const char *uri, struct card *card, struct err *err)
{
    static const char everywhere[] = "tcp://0.0.0.0:";
    char address[ADDRESS_SIZE];
    int len;

    if (strncmp(uri, everywhere, sizeof(everywhere) - 1) == 0) {
        int rc = address_pick(b->asked.interface, address, err);

        if (rc < 0)
            return rc;
        len = snprintf(card->uri, sizeof(card->uri), "tcp://%s:%s", address,
                       uri + sizeof(everywhere) - 1);
    } else {
        len = snprintf(card->uri, sizeof(card->uri), "%s", uri);
    }
    if ((size_t)len >= sizeof(card->uri))
        return err_set(err, -ENAMETOOLONG, "%s: too long to be told to others", uri);
    return 0;
}

/* One word, also in a list with commas between. */
static void
set_host(char ret[CARD_WORD_SIZE])
{
    memset(ret, 0, CARD_WORD_SIZE);
    if (gethostname(ret, CARD_WORD_SIZE - 1) < 0 || ret[0] == '\0')
        strcpy(ret, "unknown");
    for (char *p = ret; *p; p++)
        *p = isgraph((unsigned char)*p) && *p != ',' ? *p : '?';
}

static int
publish(struct boot *b, const char *uri, struct card *card, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;
    int rc = make_uri(b, uri, card, err);

    if (rc < 0)
        return rc;
    set_host(card->host);
    snprintf(card->key, sizeof(card->key), "%s", b->has_cert ? b->cert.public_key : "");
    snprintf(card->instance, sizeof(card->instance), "%s", b->instance);
    card->size = b->topo.size;
    card->fanout = b->topo.fanout;
    card->protocol = GREETING_PROTOCOL;
    card_encode(card, &text);
    return b->job.ops->publish(b->job.arg, buf_str(&text), err);
}

/* --- waiting for the others --- */

void
boot_leave_rollcall(struct boot *b)
{
    if (b->presence >= 0)
        close(b->presence);
    b->presence = -1;
}

/* A run directory that was not there belongs to all ranks of the job that use it, and goes with the last
 * of them.  Whoever has made it holds a name for that, for as long as it lives. */
static void
share_rundir(struct boot *b, bool is_over)
{
    AUTO(free) char *name = NULL;
    struct stat st;

    if (stat(b->rundir, &st) < 0)
        return;
    name =
        xasprintf("%.32s/%lx.%lx", b->job.name, (unsigned long)st.st_dev, (unsigned long)st.st_ino);
    if (!is_over && b->has_made_rundir)
        b->maker = rollcall_answer(name, 0);
    else if (is_over && !b->has_made_rundir)
        b->has_made_rundir = rollcall_is_here(name, 0);
}

static void
add_missing(struct buf *list, size_t n, uint32_t rank)
{
    if (n < NAMED_MAX)
        buf_printf(list, "%s%" PRIu32, n > 0 ? ", " : "", rank);
    else if (n == NAMED_MAX)
        buf_add_str(list, " and others");
}

/* Ranks that should be on this host and are not; how many.  *ret_first: the first that is there. */
static size_t
find_missing(const struct boot *b, struct buf *list, uint32_t *ret_first)
{
    size_t n = 0;

    *ret_first = b->rank;
    for (uint32_t r = 0; r < b->topo.size; r++) {
        if (r == b->rank || (b->job.knows_nodes && !b->job.ops->is_near(b->job.arg, r)))
            continue;
        if (rollcall_is_here(b->job.name, r))
            *ret_first = MIN(*ret_first, r);
        else
            add_missing(list, n++, r);
    }
    return n;
}

/* Returns the first rank of this host that is there. */
static uint32_t
describe_missing(const struct boot *b, const char *host, struct buf *ret)
{
    AUTO(buf) struct buf list = BUF_INIT;
    uint32_t first;
    size_t n = find_missing(b, &list, &first);

    if (n > 0)
        buf_printf(ret, "%s %s on %s %s not arrived", n == 1 ? "rank" : "ranks", buf_str(&list),
                   host, n == 1 ? "has" : "have");
    else
        buf_printf(ret, "ranks on other hosts than %s have not arrived", host);
    if (n > 0 && !b->job.knows_nodes)
        buf_add_str(ret, ", unless they are on another host");
    return first;
}

static int
give_up(const struct boot *b, const char *host, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;

    describe_missing(b, host, &text);
    return err_set(err, -ETIMEDOUT, "not all ranks have arrived in %g s: %s",
                   (double)b->asked.timeout_ms / 1000, buf_str(&text));
}

static int
wait_for_all(struct boot *b, const char *host, struct err *err)
{
    int64_t end = clock_ms() + b->asked.timeout_ms;
    int64_t pause = MIN(FIRST_WORD_MS, b->asked.timeout_ms / 2);
    int rc = b->job.ops->fence_begin(b->job.arg, err);

    while (rc == 0) {
        AUTO(buf) struct buf text = BUF_INIT;

        rc = b->job.ops->fence_wait(b->job.arg, MIN(MAX(end - clock_ms(), 0), pause), err);
        if (rc != -EAGAIN)
            return rc;
        if (clock_ms() >= end)
            return give_up(b, host, err);
        rc = 0;
        pause *= 2;
        if (describe_missing(b, host, &text) == b->rank)
            elog(ELOG_WARN, "%s", buf_str(&text));
    }
    return rc;
}

/* --- the cards of others --- */

static int
read_card(struct boot *b, uint32_t rank, struct card *ret, struct err *err)
{
    AUTO(free) char *text = NULL;
    int rc = b->job.ops->lookup(b->job.arg, rank, &text, err);

    if (rc < 0)
        return err_prefix(err, rc, "rank %" PRIu32 " has published nothing", rank);
    rc = card_decode(text, ret, err);
    return rc < 0 ? err_prefix(err, rc, "rank %" PRIu32, rank) : 0;
}

static void
keep(struct boot *b, uint32_t rank, const struct card *card)
{
    boot_set(&b->endpoints[rank], xstrdup(card->uri));
    boot_set(&b->hostnames[rank], xstrdup(card->host));
    if (b->has_cert)
        boot_set(&b->keys[rank], xstrdup(card->key));
}

static int
learn(struct boot *b, uint32_t rank, struct err *err)
{
    struct card card;
    int rc = read_card(b, rank, &card, err);

    if (rc == 0 && b->has_cert && !cert_is_key(card.key))
        rc = err_set(err, -EPROTO, "rank %" PRIu32 " on %s has published no public key", rank,
                     card.host);
    if (rc == 0 && boot_check(card.uri, BOOT_CONNECT, b->has_cert, err) < 0)
        rc = err_prefix(err, -EPROTO, "rank %" PRIu32 " on %s", rank, card.host);
    if (rc == 0)
        keep(b, rank, &card);
    return rc;
}

static int
learn_above(struct boot *b, struct err *err)
{
    uint32_t rank = b->rank;
    int rc = 0;

    while (rc == 0 && (rank = topo_parent(&b->topo, rank)) != TOPO_NONE)
        rc = learn(b, rank, err);
    return rc;
}

/* Level by level: below one rank the numbers of a level follow each other. */
static int
learn_below(struct boot *b, struct err *err)
{
    uint64_t first = b->rank;
    uint64_t last = b->rank;
    int rc = 0;

    while (rc == 0 && (first = first * b->topo.fanout + 1) < b->topo.size) {
        last = MIN(last * b->topo.fanout + b->topo.fanout, b->topo.size - 1);
        for (uint64_t r = first; r <= last && rc == 0; r++)
            rc = learn(b, (uint32_t)r, err);
    }
    return rc;
}

static int
compare_with_root(struct boot *b, const struct card *own, struct err *err)
{
    struct card root;
    int rc = b->rank == 0 ? 0 : read_card(b, 0, &root, err);

    return rc < 0 || b->rank == 0 ? rc : card_check(&root, b->rank, own, err);
}

/* Whoever greets a rank that does not know its key yet is refused, and has to come again.  With the one
 * certificate of xylem-launch there is nothing to learn. */
static bool
has_keys_to_learn(const struct boot *b)
{
    return b->has_cert && !b->job.ops->ask;
}

int
boot_exchange(void *arg, const char *uri, struct err *err)
{
    struct boot *b = arg;
    struct card card;
    int rc;

    b->presence = rollcall_answer(b->job.name, b->rank);
    share_rundir(b, false);
    if ((rc = publish(b, uri, &card, err)) < 0 || (rc = wait_for_all(b, card.host, err)) < 0)
        return rc;
    share_rundir(b, true);
    if ((rc = compare_with_root(b, &card, err)) < 0 || (rc = learn_above(b, err)) < 0)
        return rc;
    keep(b, b->rank, &card);
    if (b->has_cert || b->rank == 0)
        rc = learn_below(b, err);
    if (!has_keys_to_learn(b))
        boot_leave_rollcall(b);
    return rc;
}

int
boot_settled(void *arg, struct err *err)
{
    struct boot *b = arg;
    char host[CARD_WORD_SIZE];
    int rc = 0;

    set_host(host);
    if (has_keys_to_learn(b))
        rc = wait_for_all(b, host, err);
    boot_leave_rollcall(b);
    return rc;
}
