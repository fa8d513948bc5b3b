/* SPDX-License-Identifier: MPL-2.0 */
/* msg_stream.h - messages over a UNIX stream socket, byte for byte as Flux does it
 * (xylem-message(7), "Framing over a stream"): 12 00 ee ff, body length (big-endian, the 8 bytes
 * not counted), then the parts, each with a 1-byte size, or ff and a 4-byte big-endian one.
 *
 * Pure: the owner reads into the reader's memory and writes out of the writer's.
 * A large payload is received straight into its blob and sent straight out of it.
 *
 * A request whose payload is beyond the limit does not end the connection: its payload is thrown
 * away as it comes and the request is delivered without it and marked (msg.oversized), so that
 * the service can refuse it.
 */
#ifndef XYLEM_MSG_STREAM_H
#define XYLEM_MSG_STREAM_H

#include "msg.h"

#define MSG_STREAM_MAGIC 0x1200eeffu // the first four bytes, read as a big-endian number
#define MSG_STREAM_HEADER_SIZE 8     // magic and body length
/* A payload beyond the limit is worth skipping up to this size; larger ones end the connection. */
#define MSG_STREAM_SKIP_MAX ((size_t)1 << 30)

/* --- reader --- */
struct msg_reader;

struct msg_reader *msg_reader_new(size_t max_payload);
void msg_reader_free(struct msg_reader **r);

/* Ask before each message, with the length of its body, whether it may come in now.  After a false
 * msg_reader_next() says 0 and asks again at its next call, before memory is taken for the message. */
typedef bool (*msg_gate_fn)(void *arg, size_t body);
void msg_reader_set_gate(struct msg_reader *r, msg_gate_fn fn, void *arg);

/* Where the next bytes go, and how many fit there (at least 1).  To be called only after
 * msg_reader_next() has said 0, and not because of the gate: the room may be taken by messages that
 * wait to be fetched. */
size_t msg_reader_space(struct msg_reader *r, uint8_t **ret_where);
void msg_reader_filled(struct msg_reader *r, size_t bytes);

/* 1: *ret is a message.  0: more bytes are needed.  -EPROTO, -EMSGSIZE (a payload above max_payload
 * in what is no request, or above MSG_STREAM_SKIP_MAX as well), -ENOMEM: the stream is broken for
 * ever (the connection is to be closed).  Lengths are checked before memory is allocated. */
int msg_reader_next(struct msg_reader *r, struct msg *ret);

/* --- writer --- */
struct msg_writer;

struct msg_writer *msg_writer_new(void);
void msg_writer_free(struct msg_writer **w);

/* Queue a message; *m is finished. */
void msg_writer_push(struct msg_writer *w, struct msg *m);

/* Write as much as fd takes: 0 all written, -EAGAIN some left, other -errno broken.  Many messages
 * go out in one writev(2). */
int msg_writer_flush(struct msg_writer *w, int fd);

/* Bytes queued and not yet written. */
size_t msg_writer_pending(const struct msg_writer *w);

#endif
