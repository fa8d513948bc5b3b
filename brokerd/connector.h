/* SPDX-License-Identifier: MPL-2.0 */
/* connector.h - local clients: the UNIX stream socket of a rank (xylem-message(7), "Local clients").
 *
 * Only the instance owner's uid is let in.  Input is read in large pieces, output gathered and
 * written once per turn.  A client that does not read is not read from either: its requests wait in
 * the kernel until its answers have drained.
 */
#ifndef XYLEM_CONNECTOR_H
#define XYLEM_CONNECTOR_H

#include "loop.h"
#include "msg.h"
#include "xerr.h"

struct connector;

struct connector_ops {
    /* A message; userid and rolemask are stamped.  *m is finished by the caller afterwards. */
    void (*received)(void *arg, uint64_t conn, struct msg *m);
    /* The client is gone: what it asked need not be answered. */
    void (*closed)(void *arg, uint64_t conn);
};

/* Bind PATH (mode 0600); a stale socket is replaced: the caller holds the rank's lock.  -errno with
 * text. */
int connector_new(struct connector **ret, const char *path, size_t max_payload, struct loop *loop,
                  const struct connector_ops *ops, void *arg, struct err *err);
/* Writes out what it can without waiting, closes all, removes the socket file. */
void connector_free(struct connector **c);

/* Queue a message for a client; *m is finished.  A client that is gone is fine. */
void connector_send(struct connector *c, uint64_t conn, struct msg *m);

size_t connector_count(const struct connector *c);

#endif
