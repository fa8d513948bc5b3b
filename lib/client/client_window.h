/* SPDX-License-Identifier: MPL-2.0 */
/* client_window.h - how many requests a remote client has under way (xylem-overlay(7), "Remote
 * clients").  Pure.
 *
 * The rank refuses what is too much for it.  What is under way then is what it has room for, and the
 * limit; with every answer the limit grows again, by a quarter of what was answered.
 *
 * I1  One request may always be under way, however large.
 */
#ifndef XYLEM_CLIENT_WINDOW_H
#define XYLEM_CLIENT_WINDOW_H

#include "base.h"

#define CLIENT_WINDOW_MIN ((uint64_t)16 << 10) // bytes; so much the rank always has room for

struct client_window {
    uint64_t max;      // bytes
    uint64_t limit;    // bytes, CLIENT_WINDOW_MIN to max
    uint64_t bytes;    // under way
    unsigned requests; // under way
};

void client_window_init(struct client_window *w, uint64_t max);
bool client_window_has_room(const struct client_window *w, uint64_t bytes);
void client_window_sent(struct client_window *w, uint64_t bytes);
/* It is not under way any more: answered, or nobody waits for it. */
void client_window_done(struct client_window *w, uint64_t bytes);
/* It is not under way any more: the rank had no room. */
void client_window_refused(struct client_window *w, uint64_t bytes);

#endif
