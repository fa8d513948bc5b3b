/* SPDX-License-Identifier: MPL-2.0 */
/* client.h - what the files of libxylem share: the handle, requests, and waiting for answers. */
#ifndef XYLEM_CLIENT_H
#define XYLEM_CLIENT_H

#include "client_window.h"
#include "digest.h"
#include "list.h"
#include "rpc.h"
#include "transport.h"
#include "xerr.h"
#include "xylem.h"

enum client_state {
    CLIENT_OPEN,
    CLIENT_LOST,    // the connection is gone, only closing is left
    CLIENT_CLOSING, // no new requests from completions
};

struct xylem {
    struct transport *transport; // owned
    struct rpc_table *rpcs;      // owned; args are struct request, owned
    struct list waiting;         // requests that wait for room in the window, in their order
    struct client_window window; // of requests under way, when the transport has one
    uint64_t last_number;        // of a request
    enum client_state state;
    unsigned depth;      // dispatches on the stack: a completion may call anything
    uint64_t completed;  // completions run so far
    bool has_alg;        // alg is known
    enum digest_alg alg; // of the instance
    struct err error;    // the last failure; text "" = none
};

/* In which form the answer is handed on. */
enum client_form {
    CLIENT_BYTES,   // as it is
    CLIENT_TEXT,    // ends with a NUL, which is counted; "" (size 0) when empty
    CLIENT_BLOBREF, // a raw digest, to be turned into text
};

struct client_request {
    const char *topic; // borrowed
    uint32_t rank;     // or XYLEM_RANK_ANY
    bool streaming;
    enum client_form form; // of the answer
    bool waits; // it may wait for long: the rank is told when it is cancelled, as for a stream
};

/* Send; fn is called later, exactly once (streaming: until the end).  Consumes *payload (may hold
 * NULL).  ret_tag may be NULL.  -ECONNRESET, -ECANCELED: lost, or being closed; -EINVAL: topic too
 * long; -ENOBUFS: too many in flight. */
int client_request(struct xylem *x, const struct client_request *r, struct blob **payload,
                   xylem_fn fn, void *arg, uint32_t *ret_tag);

/* Is it a response that refuses a request for want of room, and others are under way?  Then the request
 * waits, to be sent again: true. */
bool client_request_take_back(struct xylem *x, const struct msg *response);

/* --- synchronous calls: answer_init, something asynchronous with answer_take, answer_wait --- */

struct answer {
    struct xylem *x; // borrowed
    bool done;
    int rc;      // 0 or -errno
    char *data;  // owned copy of the answer with a NUL behind it; NULL until done with rc 0
    size_t size; // without the NUL added
};

void answer_init(struct answer *a, struct xylem *x);
void answer_take(void *arg, const struct xylem_reply *reply); // a xylem_fn; arg: struct answer

/* rc: what the asynchronous call returned; when negative that is the result.  Else dispatch until
 * done and return the answer's rc. */
int answer_wait(struct answer *a, int rc);

void answer_auto(struct answer *a);

/* --- helpers --- */

/* Record a failure for xylem_error(); returns rc. */
int client_fail(struct xylem *x, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A copy of bytes of the caller's, with a NUL behind them or not.  NULL: out of memory. */
struct blob *client_bytes_payload(const void *data, size_t size, bool add_nul);

/* Text (malloc()ed, consumed, *text becomes NULL) as a payload with its NUL. */
struct blob *client_text_payload(char **text);

/* The same from JSON, which is consumed.  NULL when json is NULL: jansson could not make it,
 * because some string was not UTF-8. */
struct json_t;
struct blob *client_json_payload(struct json_t *json);

/* client_request() with JSON as the payload, consumed; NULL: as above, -EINVAL. */
int client_json_request(struct xylem *x, const struct client_request *r, struct json_t *json,
                        xylem_fn fn, void *arg, uint32_t *ret_tag);

/* The namespace that is meant: ns, else $XYLEM_NAMESPACE, else "primary". */
const char *client_namespace(const char *ns);

#endif
