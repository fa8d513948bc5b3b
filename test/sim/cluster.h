/* SPDX-License-Identifier: MPL-2.0 */
/* cluster.h - ranks: real overlays and routers, with a few services and clients of their own.
 *
 * rank      started    killed   frozen   thawed    left
 * GONE      RUNNING    -        -        -         -
 * RUNNING   -          GONE     FROZEN   -         GONE
 * FROZEN    -          GONE     -        RUNNING   -
 *
 * sim.echo           answered at once, by any rank; may be asked twice
 * sim.slow           the same, but after a while
 * shutdown.once      the same; may not be asked twice
 * kvs.commit.add     done at rank 0, where ids that were seen are kept, also when it starts again
 * event sim.tick     sent by rank 0, counted
 */
#ifndef XYLEM_SIM_CLUSTER_H
#define XYLEM_SIM_CLUSTER_H

#include "ascent.h"
#include "connector.h"
#include "overlay.h"
#include "router.h"
#include "sim_loop.h"

enum member_state { GONE, RUNNING, FROZEN };

/* Of a rank's clients there is one connection. */
struct connector {
    struct member *member;
};

struct member {
    uint32_t rank;
    enum member_state state;
    unsigned runs;
    struct loop *loop;
    struct overlay *overlay;
    struct router *router;
    struct service_table *services;
    struct connector connector;
    struct list calls;        // struct call: of its clients, not answered
    struct list slow;         // struct slow: requests that are being served
    struct loop_timer client; // the next request
    struct loop_timer ticker; // rank 0: the next event
    uint32_t next_tag;
    uint64_t heard;        // the last event
    int64_t trouble_until; // us: what was asked before it may fail; INT64_MAX: it goes on
    struct list torpid;    // struct torpid: neighbours that are slow
    uint32_t nearest;      // see cluster_look()
    bool is_going;         // what its clients are answered does not count
    char uri[24];
};

/* What the ranks go through, and what has to hold all the same. */
enum troubles {
    TROUBLES_NONE,    // connections last: a child that is below its parent is not gone
    TROUBLES_SILENCE, // who is lost was silent: it must have been torpid before
    TROUBLES_LOSSES,  // of ranks, hosts, connections, paths, until they are mended
    TROUBLES_CUTS,    // paths stay cut: the tree settles with that, too
};

struct cluster_conf {
    uint32_t size, fanout;
    int64_t heartbeat_ms, timeout_ms;
    int64_t think_ms; // between the requests of a client; 0: it has none
    enum troubles troubles;
    bool is_even; // all ranks are equally fast
};

struct cluster_counts {
    uint64_t asked, answered, failed, added, doubled, ticks, missed;
    int64_t slowest_us; // of fair requests
};

extern struct cluster_counts cluster_counts;

void cluster_begin(const struct cluster_conf *conf);
void cluster_end(void);
const struct cluster_conf *cluster_conf(void);
/* How ranks climb; once some rank but 0 has started. */
const struct ascent_conf *cluster_ascent(void);
struct member *cluster_member(uint32_t rank);
const struct topo *cluster_topo(void);

void cluster_start(uint32_t rank);
void cluster_kill(uint32_t rank);  // SIGKILL; when its host is off, without a sign
void cluster_leave(uint32_t rank); // in order
void cluster_freeze(uint32_t rank);
void cluster_thaw(uint32_t rank);
void cluster_set_clients(bool on);

/* Requests that involve the rank may fail from now on. */
void cluster_trouble(uint32_t rank);
/* That is over, for ranks that are connected as of cluster_look(). */
void cluster_calm(void);

/* Find out whose child each one should be: of the nearest ancestor that runs, can be reached, and has a
 * way to rank 0 itself.  TOPO_NONE: there is none, or it is rank 0. */
void cluster_look(void);
/* Has it a way to rank 0, as of then? */
bool cluster_is_connected(uint32_t rank);

/* --- requests (calls.c) --- */
enum call_kind { CALL_ECHO, CALL_SLOW, CALL_ONCE, CALL_ADD };
void calls_begin(void); // of a run
void calls_init(struct member *m);
void calls_drop(struct member *m);
void calls_set_clients(struct member *m, bool on);
/* As a client of that rank.  must: 0: it succeeds; > 0: it fails with that; -1: see call_kind. */
void calls_ask(struct member *m, enum call_kind kind, uint32_t target, int must);
size_t calls_pending(void);
size_t calls_pending_musts(void); // of those that have to be answered in one way
void calls_set_calm(int64_t at);  // us: there is no trouble since then

/* --- services (services.c) --- */
void services_add(struct member *m);
void services_drop(struct member *m);
void services_begin(void); // of a run

/* --- what is wrong --- */
/* The first one counts; the run is over then. */
void complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
const char *complaint(void); // NULL: none
void complain_reset(void);

#endif
