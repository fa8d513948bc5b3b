/* SPDX-License-Identifier: MPL-2.0 */
/* ascent.h - the way up: whom a rank greets, and when, so that it is always below the nearest living
 * ancestor (xylem-overlay(7), "Healing").  Pure: time and chance come in as arguments, what is to be
 * done goes out.
 *
 * Candidates are numbered from 0, the parent in the tree, to count - 1, rank 0 of the instance.  At
 * most one is `current`: we are below it; at most one is on `trial`: it was greeted on a connection
 * of its own and has not answered.  A current one stays in use while a nearer one is on trial.
 *
 * state      welcomed by 0   welcomed by j > 0   current lost   it has no way    tick
 * ALONE      HOME            ADOPTED             -              -                greets the candidates in turn
 * STRANDED   HOME            ADOPTED             ALONE          -                greets the others now and then
 * ADOPTED    HOME            ADOPTED (nearer)    ALONE          STRANDED         greets nearer ones now and then
 * HOME       -               -                   ALONE          STRANDED         -
 * (STRANDED, and it has one again: HOME or ADOPTED, whichever it was)
 *
 * ALONE: at first only candidate 0 is greeted, for patience_ms: ranks start in any order.  From then
 * on, and after each loss, a round goes through all candidates, nearest first; one that nobody listens
 * for is passed over at once, one that does not answer after greet_ms, twice as long in each round up
 * to greet_max_ms.  Between rounds there is a pause that doubles from retry_ms to retry_max_ms.
 * A loss by silence begins its round behind the one that was lost, any other with candidate 0.  But a
 * trial under way goes on, for greet_ms at most, as the first of the round.
 * ADOPTED: rounds like these go through the nearer candidates; the pause, also that before the first,
 * doubles from probe_ms to probe_max_ms.
 * STRANDED: the current one has no way up itself: rounds like these go through all the others, but who is
 * moved away from it is by one that has.
 * One that let us in and was lost again soon after (steady_ms) is passed over for probe_ms, for twice as
 * long each time, up to probe_max_ms; when ALONE, from the second time on only, and in the first round.
 * Patience and all pauses vary by a quarter either way, so that the ranks below a lost one do not come all at once.
 *
 * Invariants:
 *  I1  trial != current; while there is a current, trial is nearer than it, unless it is STRANDED.
 *  I2  while ALONE, there is a time at which somebody is greeted: never later than retry_max_ms and a
 *      quarter from now, when none is on trial.
 */
#ifndef XYLEM_ASCENT_H
#define XYLEM_ASCENT_H

#include "base.h"

#define ASCENT_NONE 0xffffffffu
#define ASCENT_COUNT_MAX 64 // candidates looked at: the nearest 63 and rank 0

struct ascent_conf {
    uint32_t count; // candidates, at least 1
    int64_t greet_ms, greet_max_ms;
    int64_t patience_ms;
    int64_t retry_ms, retry_max_ms;
    int64_t probe_ms, probe_max_ms;
    int64_t steady_ms;
    uint64_t seed; // of the chance in pauses
};

enum ascent_state { ASCENT_ALONE, ASCENT_STRANDED, ASCENT_ADOPTED, ASCENT_HOME };

/* Why a trial or the current one came to its end. */
enum ascent_end {
    ASCENT_CLOSED,  // nobody listens there
    ASCENT_BROKEN,  // the connection broke, or it said goodbye, or it does not know us
    ASCENT_SILENT,  // no sign of life in time
    ASCENT_REFUSED, // it does not want us
};

struct ascent_candidate {
    int64_t not_before; // ms: is passed over until then
    int64_t penalty_ms; // how long it was left alone last
    int64_t joined_at;  // ms: when it last let us in
};

struct ascent {
    struct ascent_conf conf;
    enum ascent_state state;
    uint32_t current, trial; // ASCENT_NONE: there is none
    uint32_t next;           // candidate to greet next
    uint32_t left;           // candidates left in this round; 0: the next round begins when due
    unsigned round;          // how many rounds were made in this state
    int64_t due;             // ms: when to greet again; while one is on trial: when to give it up
    int64_t patient_until;   // ms: no other candidate than 0 before; INT64_MIN: over
    struct ascent_candidate candidates[ASCENT_COUNT_MAX];
    uint64_t chance; // state of the generator
};

void ascent_init(struct ascent *a, const struct ascent_conf *conf, int64_t now);

/* What happened.  Those of a trial are ignored when there is none, and the loss when there is no current
 * one.  The connection of a trial that has failed is the caller's to drop. */
void ascent_welcomed(struct ascent *a, int64_t now); // the one on trial is the current one now
void ascent_failed(struct ascent *a, enum ascent_end why, int64_t now); // the one on trial
void ascent_lost(struct ascent *a, enum ascent_end why, int64_t now);   // the current one

/* Somebody says that a candidate is there again.  Ignored but for a nearer one while ADOPTED, and for one that
 * is left alone: the next round comes then, at the latest. */
void ascent_hint(struct ascent *a, uint32_t candidate, int64_t now);

/* The current one says that it has no way up, or that it has one again.  true: the one on trial is of no use
 * any more, its connection is to be dropped. */
bool ascent_stranded(struct ascent *a, bool stranded, int64_t now);

/* Have we none ourselves?  ALONE or STRANDED, and all candidates were greeted in vain. */
bool ascent_has_no_way(const struct ascent *a);

/* Are we below one that has no way up? */
bool ascent_is_stranded(const struct ascent *a);
/* Are we below candidate 0? */
bool ascent_is_home(const struct ascent *a);
/* Is nobody but candidate 0 greeted for now, or at all? */
bool ascent_is_patient(const struct ascent *a, int64_t now);

/* What to do now; to be asked again after each thing that is done, until it is ASCENT_WAIT, and again
 * after each event and at `at`. */
enum ascent_what {
    ASCENT_WAIT,  // nothing before `at` (INT64_MAX: before an event)
    ASCENT_GREET, // greet `candidate` on a fresh connection; an earlier trial's is to be dropped
    ASCENT_DROP,  // drop the trial's connection
};
struct ascent_step {
    enum ascent_what what;
    uint32_t candidate;
    int64_t at; // ms
};
struct ascent_step ascent_tick(struct ascent *a, int64_t now);

#endif
