/* SPDX-License-Identifier: MPL-2.0 */
/* zap.h - who may connect: the handler that libzmq asks (ZAP, ZeroMQ RFC 27) when a peer has proved to have
 * a CURVE key.  xylem-overlay(7), "SECURITY".
 *
 * libzmq has one handler in a process.  Here it is a thread that lives while anybody needs it; each rank has
 * a domain of its own, with its own list of keys.  A socket names its domain (cert_apply_server()).
 *
 * Order: zap_open(), then the socket is bound; the socket is closed, then zap_close().  Connections that
 * exist stay when a key is taken away: it counts for new ones.
 *
 * These functions may be called from any thread, but one `struct zap` by one at a time. */
#ifndef XYLEM_ZAP_H
#define XYLEM_ZAP_H

#include "base.h"
#include "xerr.h"

struct zap;

struct zap_conf {
    const char *domain;      // for people: a number is put behind it; borrowed during the call
    const char *const *keys; // Z85 public keys of ranks; entries may be NULL; borrowed likewise
    size_t nkeys;            // of these
    const char *authorized;  // directory with public keys of clients, one in a file; NULL: none
};

/* -EINVAL a key is no key, -EADDRINUSE somebody else in this process
 * handles ZAP; with text.  That there is no directory is no error: there may be one later. */
int zap_open(struct zap **ret, const struct zap_conf *conf, struct err *err);

/* *z becomes NULL; NULL is fine.  Nobody gets in by this domain any more. */
void zap_close(struct zap **z);

/* One more rank's key.  -EINVAL it is none. */
int zap_allow(struct zap *z, const char *key);

/* For cert_apply_server(); valid as long as z. */
const char *zap_domain(const struct zap *z);

/* Have it logged, and counted, who connects to a socket (raw) and fails before there is a key to ask about.
 * Before the socket is bound; it is monitored from then on, by nobody else.  Undo it before the socket is
 * closed, in the socket's thread.  0, or the -errno of zmq_socket_monitor(). */
int zap_watch(struct zap *z, void *zsock);
void zap_unwatch(void *zsock);

struct zap_stats {
    uint64_t accepted;
    uint64_t refused; // with another key; of a socket that is watched, also without any
};
struct zap_stats zap_stats(struct zap *z);

/* What libzmq calls "User-Id" of messages (zmq_msg_gets()) whose sender has the key of a rank.  Those of
 * others have "client NAME", NAME being that of the file. */
#define ZAP_RANK "rank"

#endif
