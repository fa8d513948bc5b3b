/* SPDX-License-Identifier: MPL-2.0 */
/* sd_notify.h - tell the service manager how this process is: the datagrams of sd_notify(3), made here.
 *
 * A service manager such as systemd gives the process a socket in $NOTIFY_SOCKET and reads from it lines of
 * NAME=VALUE, as READY=1.  A datagram is one step: all its lines, or none.
 */
#ifndef XYLEM_SD_NOTIFY_H
#define XYLEM_SD_NOTIFY_H

#include "base.h"

#define SD_NOTIFY_LINE_MAX 1024 // bytes of a value that others choose

/* The address in the environment; NULL: nobody wants to be told. */
const char *sd_notify_socket(void);

/* Send a datagram to the address: a path, or '@' and the name of an abstract socket.  Waits up to
 * patience_ms for room at the other end; 0: not at all.  -EAFNOSUPPORT: no such address, -EAGAIN: no room,
 * and the -errno of sendto(2). */
int sd_notify_send(const char *address, const char *lines, int patience_ms);

/* May the text be a value?  It has no control character, of which a newline would begin another line, and is
 * not longer than SD_NOTIFY_LINE_MAX. */
bool sd_notify_is_value(const char *text);

#endif
