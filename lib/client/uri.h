/* SPDX-License-Identifier: MPL-2.0 */
/* uri.h - where a rank is: the URI forms of xylem(1).  Pure.
 *
 *     local:///path      UNIX stream socket of a rank on this host
 *     ipc:///path        ZeroMQ over a UNIX socket
 *     tcp://host:port    ZeroMQ over TCP
 */
#ifndef XYLEM_URI_H
#define XYLEM_URI_H

#include "base.h"
#include "xerr.h"

#define URI_TEXT_MAX 512 // bytes of a URI and its NUL

enum uri_kind { URI_LOCAL, URI_IPC, URI_TCP };

struct uri {
    enum uri_kind kind;
    char text[URI_TEXT_MAX]; // the whole, as libzmq wants it
    const char *path;        // behind "//": a path, or host:port; points into text
};

/* -EINVAL unknown scheme, relative path, no port; -ENAMETOOLONG; with text.  *ret is valid only on
 * success, and must not be copied (path points into it). */
int uri_parse(const char *text, struct uri *ret, struct err *err);

/* Does it never leave this host, whatever a resolver says?  "localhost", 127.0.0.0/8 and [::1] do not. */
bool uri_is_local(const struct uri *uri);

#endif
