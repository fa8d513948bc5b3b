/* SPDX-License-Identifier: MPL-2.0 */
/* check.h - is the tree what it should be?  What is not is said with complain(). */
#ifndef XYLEM_SIM_CHECK_H
#define XYLEM_SIM_CHECK_H

#include "cluster.h"

/* The longest that healing and going home may take, from the configuration (check.c has the sum). */
int64_t check_bound_ms(void);

/* Is every rank below its nearest living ancestor, there only, and the status of all right? */
bool check_is_settled(void);
/* The first of that: what others think of who is lost does not count. */
bool check_has_parents(void);

/* Run until it is, and stays so for longer than a silence is borne; then those that run are calm.
 * Returns how long it took, in ms. */
int64_t check_settles(const char *when);

/* Every living rank reaches every other one, or `sample` random ones for each; one that is gone it does
 * not; events come. */
void check_reach(uint32_t sample);

/* Nothing is asked any more: all is answered, and was done once. */
void check_quiet(void);

#endif
