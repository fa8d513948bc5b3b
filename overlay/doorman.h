/* SPDX-License-Identifier: MPL-2.0 */
/* doorman.h - tells of connections to a socket that ended before anybody was asked about a key: without
 * CURVE, for another rank's key, with bytes that are no ZMTP, or with nothing at all.  zap.c has one for
 * each socket that it watches; of its thread. */
#ifndef XYLEM_DOORMAN_H
#define XYLEM_DOORMAN_H

#include "elog.h"

struct doorman;

/* What of a socket is to be monitored, with zmq_socket_monitor(). */
extern const int doorman_events;

/* address: of the monitor, which exists.  who: for the log; both are copied. */
struct doorman *doorman_new(const char *address, const char *who);
void doorman_free(struct doorman **d);

/* Raw socket, to be polled; of the doorman. */
void *doorman_socket(struct doorman *d);

/* Take all that has happened.  How many connections were refused is added to *refused.  false: the
 * monitor has ended. */
bool doorman_serve(struct doorman *d, struct elog_limit *lines, uint64_t *refused);

#endif
