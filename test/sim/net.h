/* SPDX-License-Identifier: MPL-2.0 */
/* net.h - a network of hosts on which nothing can be relied, in virtual time.
 *
 * A wire is one connection: who dials sends frames to who listens, and back.  Each direction is a
 * queue of its own: frames arrive in order, late by chance; those of different wires overtake each
 * other.  The end of a wire travels behind its frames, and may take the last of them with it.
 *
 * host        dialled by others        what was sent to it
 * off         no answer                waits, until the sender gives the wire up
 * on, idle    refused                  lost; the sender learns that the wire is over
 * listening   a wire                   arrives; while it is frozen, it is there when it wakes up
 *
 * A path that is blocked is like a host that is off, in one direction or both.
 */
#ifndef XYLEM_SIM_NET_H
#define XYLEM_SIM_NET_H

#include "agenda.h"
#include "list.h"
#include "msg.h"

enum net_side { NET_CALLER, NET_LISTENER };

struct frame {
    struct list node;
    int64_t at; // us: when it arrives
    bool is_end;
    size_t count;    // messages
    size_t capacity; // of the array
    size_t bytes;    // as encoded; only when net_conf.measures
    struct msg *messages;
};
void frame_free(struct frame *f);

struct pipe {
    struct list frames;   // struct frame, owned, in order
    struct frame *staged; // owned: not sent yet; NULL: none
    struct event arrival;
    int64_t last_at;
    bool is_held;  // the first frame cannot get through
    bool is_ended; // what is sent now is lost
};

struct wire {
    struct list node; // in the net's, until both ends have forgotten it
    uint32_t id;
    uint32_t hosts[2]; // by enum net_side
    void *ends[2];     // borrowed: what is to be told; NULL: nobody
    bool is_dialling;
    bool is_known; // the listener may send by it
    unsigned attempts;
    int64_t delay_us;
    struct pipe pipes[2]; // what that side sends
    struct event dial;
    struct event give_up;
    struct event linger;
};

/* How the network is. */
struct net_conf {
    int64_t delay_min_us, delay_max_us; // of a wire, one way
    unsigned late_percent;              // of the frames are late
    int64_t late_max_us;
    unsigned refuse_percent; // of the calls are refused, and
    unsigned ignore_percent; // not answered, for no reason
    int64_t resend_max_us;   // to find out that a path is open again
    int64_t give_up_min_us, give_up_max_us;
    bool measures; // bytes of frames
};

struct net_ops {
    /* For an end of a wire; the frame is given away, it may be an end. */
    void (*arrived)(void *end, struct wire *w, enum net_side side, struct frame *f);
    void (*refused)(void *end, struct wire *w); // the caller's; the wire dials on
};

struct net_traffic {
    uint64_t frames, messages, bytes, wires;
};

void net_begin(const struct net_conf *conf, const struct net_ops *ops, uint32_t nhosts);
void net_end(void);
void net_set_conf(const struct net_conf *conf);
const struct net_traffic *net_traffic(void);
/* Of messages as they are sent. */
void net_on_message(void (*fn)(uint32_t from, uint32_t to, const struct msg *m));

/* --- hosts --- */
void net_listen(uint32_t host, void *end); // NULL: not any more
void net_set_on(uint32_t host, bool on);
void net_set_frozen(uint32_t host, bool frozen);
/* Its process is gone: the ends of its wires are nobody's.  Without a word when it is off. */
void net_kill(uint32_t host);

/* --- paths --- */
void net_set_part(uint32_t host, uint32_t part); // those of different parts do not reach each other
bool net_block(uint32_t from, uint32_t to);      // one way; false: it was, or too many are
void net_unblock_all(void);                      // and one part
bool net_is_whole(void);
bool net_is_blocked(uint32_t from, uint32_t to);

/* --- wires --- */
struct wire *net_dial(uint32_t from, uint32_t to, void *end);
struct wire *net_find(uint32_t id); // NULL
struct frame *net_stage(struct wire *w, enum net_side side);
void net_send_staged(struct wire *w, enum net_side side);
void net_drop_staged(struct wire *w, enum net_side side);
/* One side closes: what was sent arrives, or not all of it when in haste. */
void net_close(struct wire *w, enum net_side side, bool in_haste);
/* All whose listener is that one. */
void net_close_below(const void *end, bool in_haste);
/* It breaks in the middle, for both. */
void net_break(struct wire *w);
/* Any one that is open; NULL. */
struct wire *net_any_wire(void);

#endif
