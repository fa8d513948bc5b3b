/* SPDX-License-Identifier: MPL-2.0 */
/* connector.h - local clients: the UNIX stream socket of a rank (xylem-message(7), "Local clients").
 *
 * Only the instance owner's uid is let in, root's neither if it is another; what others cost is a turn's
 * share of connections that are closed at once.  Input is read in large pieces, output gathered and
 * written once per turn.  A client that does not read, or has as much in flight as it may, is not read
 * from either: its requests wait in the kernel.
 */
#ifndef XYLEM_CONNECTOR_H
#define XYLEM_CONNECTOR_H

#include "credit.h"
#include "loop.h"
#include "msg.h"
#include "xerr.h"

struct connector;

struct connector_ops {
    /* A message; userid and rolemask are stamped.  *charge: what it holds until it is answered.  Both
     * are finished by the caller afterwards unless they were moved out. */
    void (*received)(void *arg, uint64_t conn, struct msg *m, struct credit_charge *charge);
    /* A client that connector_is_full() or connector_must_wait() was said of may be answered again.  From
     * the loop only. */
    void (*drained)(void *arg, uint64_t conn);
    /* The client is gone: what it asked need not be answered. */
    void (*closed)(void *arg, uint64_t conn);
};

struct connector_conf {
    const char *path;      // of the socket; borrowed during the call
    size_t max_payload;    // bytes
    struct credit *credit; // borrowed
    int64_t stall_ms;      // who lets others wait for so long for the rest of a message is cut off
    int64_t unread_ms;     // the same, for room that answers take which it does not read; 0: 5 s
};

/* Bind conf->path (mode 0600); a stale socket is replaced: the caller holds the rank's lock.  -errno
 * with text. */
int connector_new(struct connector **ret, const struct connector_conf *conf, struct loop *loop,
                  const struct connector_ops *ops, void *arg, struct err *err);
/* Writes out what it can without waiting, closes all, removes the socket file. */
void connector_free(struct connector **c);

/* Queue a message for a client; *m is finished.  A client that is gone is fine. */
void connector_send(struct connector *c, uint64_t conn, struct msg *m);
/* The same for an event.  A client that does not read its events is cut off: at the end of the turn, never
 * from inside. */
void connector_send_event(struct connector *c, uint64_t conn, struct msg *m);

size_t connector_count(const struct connector *c);

/* So much is queued for the client that an answer that can be made again should wait for drained(). */
bool connector_is_full(struct connector *c, uint64_t conn);
/* Should an answer of so many bytes that can be made again wait for drained()?  Because the client is
 * full, or because too much is queued for all of them together. */
bool connector_must_wait(struct connector *c, uint64_t conn, size_t bytes);

struct connector_stats {
    size_t clients;
    size_t held;         // of them, not read from at the moment
    size_t output_bytes; // queued for all
    uint64_t messages_in, messages_out;
    uint64_t bytes_in, bytes_out;
    uint64_t refused; // connections of other users
    uint64_t cut_off; // clients that stalled in the middle of a message, or did not read
};
const struct connector_stats *connector_stats(const struct connector *c);

#endif
