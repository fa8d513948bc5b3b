/* SPDX-License-Identifier: MPL-2.0 */
/* connector_priv.h - what the files of the connector share:
 *
 * connector.c          clients come, ask, and go
 * connector_output.c   what is queued for them, and how much that may be
 */
#ifndef XYLEM_CONNECTOR_PRIV_H
#define XYLEM_CONNECTOR_PRIV_H

#include "connector.h"
#include "elog.h"
#include "list.h"
#include "map.h"
#include "msg_stream.h"

enum conn_state { CONN_OPEN, CONN_HELD, CONN_CLOSED };

/* Bytes of events that are queued, at most: each counts until all is written that was queued at the mark
 * behind it. */
struct event_bytes {
    uint64_t mark; // of conn.written
    size_t before, behind;
};

struct conn {
    uint64_t id;             // key of connector.by_id
    struct connector *owner; // borrowed
    int fd;                  // owned; -1 when closed
    enum conn_state state;
    uint32_t uid;                   // of the peer
    bool waits_for_room;            // LOOP_WRITE is set: the kernel's buffer was full
    bool lacks_credit;              // the next message has to wait
    bool was_full;                  // somebody waits for drained()
    bool lost_events;               // it did not read them: to be closed
    size_t queued;                  // bytes of output, as counted in stats.output_bytes
    uint64_t written;               // bytes
    size_t progress;                // bytes read since stalls were looked for
    struct credit_account *account; // owned
    struct credit_charge charge;    // of the message that is coming in, owned
    struct msg_reader *reader;      // owned
    struct msg_writer *writer;      // owned
    struct loop_source *source;     // owned
    struct list output;             // on connector.output while something is queued this turn
    struct list resumed;            // on connector.resumed when there is credit again
    struct list closed;             // on connector.closed when CLOSED
    struct list waiting;       // on connector.waiting while a large answer waits for room of all
    size_t wanted;             // bytes of that answer
    size_t granted;            // bytes that may be queued in one answer, whatever others have
    int64_t granted_at;        // ms
    int64_t moved_at;          // ms: when it last took something, or had nothing queued
    struct event_bytes events; // see connector_send_event()
};

struct connector {
    struct loop *loop;               // borrowed
    const struct connector_ops *ops; // borrowed
    void *arg;                       // borrowed
    int fd;                          // owned: the listening socket
    char *path;                      // owned
    size_t max_payload;              // bytes
    struct loop_source *source;      // owned
    struct credit *credit;           // borrowed
    int64_t stall_ms;                // see connector.h
    struct loop_timer pause;         // runs while nobody is accepted
    struct loop_timer stalls;        // runs while clients wait for credit
    struct map by_id;                // struct conn
    struct conn *found;              // the last one looked up there; NULL: none
    uint64_t last_id;
    struct list output;         // conns to be written before the loop sleeps
    struct list resumed;        // conns to be read from again, likewise
    struct list closed;         // conns to be freed
    struct list waiting;        // conns with answers that wait for room of all
    size_t granted;             // bytes: sum over the conns
    int64_t short_since;        // ms: when the first of these began to wait
    int64_t unread_ms;          // see connector.h
    struct loop_timer unread;   // runs while any wait
    struct loop_timer room;     // there is room for some that wait
    struct elog_limit cuts;     // of those that are cut off
    struct elog_limit others;   // of other users that are refused
    struct elog_limit failures; // of accept(2)
    struct loop_timer tell;     // runs while lines about them are left out
    struct connector_stats stats;
};

/* --- connector.c --- */
void connector_set_events(struct conn *c);
void connector_close_conn(struct conn *c);
/* Hold a client back, or let it go on, by what it has outstanding. */
void connector_regulate(struct conn *c);
/* What was left undecoded while it was held. */
void connector_decode_input(struct conn *c);

/* --- connector_output.c --- */
/* NULL: it is gone. */
struct conn *connector_find(struct connector *owner, uint64_t id);
/* Bytes that may be queued for a client. */
size_t connector_output_limit(const struct connector *owner);
/* Is there room for large answers, of all? */
bool connector_has_room(const struct connector *owner);
void connector_take_grant(struct conn *c);
void connector_write_out(struct conn *c);
/* Timers. */
void connector_serve_waiting(void *connector);
void connector_look_for_unread(void *connector);

#endif
