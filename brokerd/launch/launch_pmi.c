/* SPDX-License-Identifier: MPL-2.0 */
/* launch_pmi.c - see launch_pmi.h.
 *
 * Keys beyond those of PMI-1 itself:
 *   key              from            value
 *   xylem.cert       the launcher    public and secret key of the instance, for every rank
 *   card.R           rank R          its card (card.h); one that is started again reads its own first
 *   xylem.ready.R    rank R          its process id and the path of its local socket; it and all below
 *                                    it are online
 *   xylem.end        rank 0          "shutdown", before it ends because of one
 *
 * The secret key is with the ranks, in the memory of the launcher, and in a file (mode 0600) of the run
 * directory that COMMAND finds through XYLEM_CERT.
 */
#include "launch_pmi.h"

#include "card.h"
#include "xmem.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES 4096
#define NAME_BYTES 32 // of a key

/* ---- life ---- */

static int
make_cert(struct launch_pmi *p, struct err *err)
{
    AUTO(free) char *path = xasprintf("%s/" LAUNCH_CERT, p->dir->path);
    AUTO(free) char *pair = NULL;
    struct cert cert;
    int rc;

    cert_generate(&cert);
    rc = cert_save(&cert, CERT_WHOLE, path, true, err);
    pair = xasprintf("%s %s", cert.public_key, cert.secret_key);
    pmi_server_define(p->server, "xylem.cert", pair);
    explicit_bzero(pair, strlen(pair));
    cert_wipe(&cert);
    return rc;
}

int
launch_pmi_open(struct launch_pmi *p, const struct launch_dir *dir, const struct hostlist *hosts,
                struct launch_rank *ranks, unsigned size, struct err *err)
{
    AUTO(buf) struct buf mapping = BUF_INIT;

    *p = (struct launch_pmi){.dir = dir, .ranks = ranks, .size = size};
    p->server = pmi_server_new(size, "xylem");
    launch_hosts_format_mapping(hosts, size, &mapping);
    pmi_server_define(p->server, "PMI_process_mapping", buf_str(&mapping));
    return make_cert(p, err);
}

void
launch_pmi_close(struct launch_pmi *p)
{
    pmi_server_free(&p->server);
}

static const char *
get_of_rank(const struct launch_pmi *p, const char *what, unsigned rank)
{
    char key[NAME_BYTES];

    snprintf(key, sizeof(key), "%s.%u", what, rank);
    return pmi_server_get(p->server, key);
}

void
launch_pmi_expect(struct launch_pmi *p, const struct launch_rank *r)
{
    char key[NAME_BYTES];

    snprintf(key, sizeof(key), "xylem.ready.%u", r->rank);
    pmi_server_forget(p->server, key);
    if (r->rank == 0)
        pmi_server_forget(p->server, "xylem.end");
    pmi_server_restart(p->server, r->rank);
}

/* ---- ready ---- */

/* Text of xylem.ready.R behind the process id. */
const char *
launch_pmi_local(const struct launch_pmi *p, unsigned rank)
{
    const char *text = get_of_rank(p, "xylem.ready", rank);
    const char *blank = text ? strchr(text, ' ') : NULL;

    return blank ? blank + 1 : "";
}

static void
write_host(const struct launch_pmi *p, const struct launch_rank *r, const char *ready)
{
    AUTO(free) char *path = launch_dir_path(p->dir, LAUNCH_HOST, r->rank);
    AUTO(free) char *text = xasprintf("%s %ld\n", r->host, strtol(ready, NULL, 10));
    struct err err;

    if (launch_dir_write(p->dir, path, text, strlen(text), &err) < 0)
        warnx("%s", err.text);
}

static void
look_whether_ready(struct launch_pmi *p, struct launch_rank *r)
{
    const char *ready =
        r->state == LAUNCH_RANK_STARTING ? get_of_rank(p, "xylem.ready", r->rank) : NULL;

    if (!ready)
        return;
    write_host(p, r, ready);
    launch_rank_set_online(r);
}

/* ---- bytes ---- */

/* What is not taken now is for the next time; what cannot be sent has no reader any more. */
static void
flush_output(struct launch_pmi *p, const struct launch_rank *r)
{
    struct buf *out = pmi_server_output(p->server, r->rank);
    ssize_t size;

    if (out->size == 0 || r->talk_fd < 0)
        return;
    size = send(r->talk_fd, out->data, out->size, MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        size = (ssize_t)out->size;
    if (size > 0) {
        out->size -= (size_t)size;
        memmove(out->data, out->data + size, out->size + 1);
    }
}

/* One rank's words may let all pass the barrier. */
static void
take_bytes(struct launch_pmi *p, struct launch_rank *r, const char *bytes, size_t size)
{
    unsigned barriers = pmi_server_barriers(p->server);
    struct err err;

    if (pmi_server_feed(p->server, r->rank, bytes, size, &err) < 0) {
        warnx("rank %u on host %s: %s", r->rank, r->host, err.text);
        launch_rank_kill(r, SIGTERM);
        return;
    }
    look_whether_ready(p, r);
    flush_output(p, r);
    for (unsigned i = 0; i < p->size && barriers != pmi_server_barriers(p->server); i++)
        flush_output(p, &p->ranks[i]);
}

static void
on_talk(void *owner, void *item, short revents)
{
    struct launch_pmi *p = owner;
    struct launch_rank *r = item;
    char bytes[READ_BYTES];
    ssize_t size;

    if (revents & POLLOUT)
        flush_output(p, r);
    if (!(revents & ~POLLOUT))
        return;
    size = recv(r->talk_fd, bytes, sizeof(bytes), 0);
    if (size > 0)
        take_bytes(p, r, bytes, (size_t)size);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        launch_rank_hang_up(r);
}

void
launch_pmi_add(struct launch_pmi *p, struct launch_polls *polls)
{
    for (unsigned rank = 0; rank < p->size; rank++) {
        struct launch_rank *r = &p->ranks[rank];
        bool has_output = pmi_server_output(p->server, rank)->size > 0;

        if (r->talk_fd >= 0)
            launch_polls_add(polls, r->talk_fd, has_output ? POLLIN | POLLOUT : POLLIN, on_talk, p,
                             r);
    }
}

/* ---- what is known ---- */

bool
launch_pmi_has_arrived(const struct launch_pmi *p, const struct launch_rank *r)
{
    return pmi_server_has_entered(p->server, r->rank, 1);
}

bool
launch_pmi_has_spoken(const struct launch_pmi *p, const struct launch_rank *r)
{
    return pmi_server_state(p->server, r->rank) != PMI_SILENT;
}

bool
launch_pmi_is_shut_down(const struct launch_pmi *p)
{
    const char *end = pmi_server_get(p->server, "xylem.end");

    return end && strcmp(end, "shutdown") == 0;
}

/* Its host may be this one, or its run directory the same. */
static bool
is_here(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd;
    int rc;

    if (*path == '\0' || strlen(path) >= sizeof(addr.sun_path))
        return false;
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&addr, sizeof(addr));
    if (fd >= 0)
        close(fd);
    return rc == 0;
}

char *
launch_pmi_uri(const struct launch_pmi *p, unsigned rank)
{
    const char *local = launch_pmi_local(p, rank);
    const char *text = get_of_rank(p, "card", rank);
    struct card card;

    if (is_here(local) || !text || card_decode(text, &card, NULL) < 0)
        return xasprintf("local://%s", local);
    return xstrdup(card.uri);
}
