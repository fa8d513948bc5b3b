/* SPDX-License-Identifier: MPL-2.0 */
/* sim_loop.h - loop.h in virtual time: what a test has to say to a loop besides. */
#ifndef XYLEM_SIM_LOOP_H
#define XYLEM_SIM_LOOP_H

#include "loop.h"

/* How the process that a loop belongs to gets on. */
struct sim_pace {
    int64_t turn_us;    // what a turn takes
    int64_t granule_ms; // of its clock
};
void sim_loop_set_pace(struct loop *loop, const struct sim_pace *pace);

/* The rank it belongs to.  Of the one that has its turn; none has: SIM_NOBODY. */
#define SIM_NOBODY 0xffffffffu
void sim_loop_set_owner(struct loop *loop, uint32_t rank);
uint32_t sim_loop_owner(const struct loop *loop);
uint32_t sim_loop_running(void);

/* No turns any more, as after SIGSTOP; what is due then has to wait. */
void sim_loop_freeze(struct loop *loop, bool frozen);

/* What comes from outside: fn takes one thing; false: nothing was there. */
void sim_loop_set_source(struct loop *loop, bool (*fn)(void *arg), void *arg);
void sim_loop_wake(struct loop *loop); // something is there

#endif
