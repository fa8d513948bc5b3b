/* SPDX-License-Identifier: MPL-2.0 */
/* agenda.h - virtual time, and what is to happen in it.  One agenda for each process: what asks for the
 * time (clock.h) cannot say which one is meant.
 *
 * Events that are due at the same time happen in the order in which they were entered, so a run is
 * the same whenever its seed is.  Chance comes from here too. */
#ifndef XYLEM_SIM_AGENDA_H
#define XYLEM_SIM_AGENDA_H

#include "timers.h"

/* Embedded in its owner; init once, cancel before the owner goes away. */
struct event {
    struct loop_timer timer; // due: us
    bool is_entered;
};

/* Empty; the time begins anew. */
void agenda_begin(uint64_t seed);
void agenda_end(void);

int64_t agenda_now(void); // us
uint64_t agenda_steps(void);

void event_init(struct event *e, void (*fn)(void *arg), void *arg);
/* delay_us from now.  One that is entered gets the new time. */
void event_enter(struct event *e, int64_t delay_us);
/* The same, but never later than it was entered for. */
void event_hasten(struct event *e, int64_t delay_us);
void event_cancel(struct event *e);

/* The next thing happens, if it is due in `us` or earlier. */
bool agenda_step(int64_t until_us);
/* All that is due up to then; that is the time then. */
void agenda_run(int64_t until_us);

/* --- chance --- */
uint64_t draw(void);
uint32_t draw_below(uint32_t count);            // 0 .. count - 1
int64_t draw_between(int64_t min, int64_t max); // both included
bool draw_percent(unsigned percent);

#endif
