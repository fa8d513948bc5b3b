/* SPDX-License-Identifier: MPL-2.0 */
/* fake_rank.h - one rank as a client sees it, on a thread: a socket, and a function of the test
 * that answers.  It answers attr.get for content.hash (blake2b) by itself. */
#ifndef XYLEM_FAKE_RANK_H
#define XYLEM_FAKE_RANK_H

#include "msg_zmq.h"

#include <stdatomic.h>

struct fake_rank;

typedef void (*fake_rank_fn)(struct fake_rank *f, struct msg *request);

/* serve runs in the rank's thread, once for each request.  greeting: the byte a UNIX stream client
 * gets (0 = welcome); -1: a ZeroMQ ROUTER at an ipc:// address instead. */
struct fake_rank *fake_rank_start(int greeting, fake_rank_fn serve, void *arg);
/* A ZeroMQ ROUTER at a loopback tcp:// address.  cert: it talks CURVE, with anybody; NULL: it does not. */
struct cert;
struct fake_rank *fake_rank_start_tcp(const struct cert *cert, fake_rank_fn serve, void *arg);
void fake_rank_stop(struct fake_rank **f);

const char *fake_rank_uri(const struct fake_rank *f);
unsigned fake_rank_reads(const struct fake_rank *f); // reads that brought bytes (stream only)
/* CREDITs that came, and the total of the last one (ZeroMQ only). */
unsigned fake_rank_credits(const struct fake_rank *f);
uint64_t fake_rank_credited(const struct fake_rank *f);

/* For serve: */
void *fake_rank_arg(const struct fake_rank *f);
void fake_rank_reply(struct fake_rank *f, const struct msg *request, int errnum, const void *data,
                     size_t size);
void fake_rank_reply_text(struct fake_rank *f, const struct msg *request, int errnum,
                          const char *text);
/* A control message to the client whose request is served (ZeroMQ only). */
void fake_rank_say(struct fake_rank *f, uint32_t control);
/* Whose request is served, and to answer another client from now on in this call (ZeroMQ only). */
struct msg_zmq_peer fake_rank_peer(const struct fake_rank *f);
void fake_rank_turn_to(struct fake_rank *f, const struct msg_zmq_peer *peer);
/* Close the connection after what was replied. */
void fake_rank_hang_up(struct fake_rank *f);

#endif
