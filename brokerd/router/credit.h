/* SPDX-License-Identifier: MPL-2.0 */
/* credit.h - how much clients may have in flight through a rank (invariant I5): the bytes and the
 * number of their requests that are not answered yet.  Pure.
 *
 * Each client has an account.  A request is charged before memory is allocated for it, and until it is
 * answered, also when its client has gone meanwhile: what it left behind still takes room.
 * Whoever is refused is told when to try again.
 */
#ifndef XYLEM_CREDIT_H
#define XYLEM_CREDIT_H

#include "base.h"

struct credit_limits {
    size_t bytes;            // of all accounts together
    size_t messages;         // likewise
    size_t account_bytes;    // of one account
    size_t account_messages; // likewise
};

struct credit;
struct credit_account;

/* What one request holds; all zero: nothing. */
struct credit_charge {
    struct credit_account *account; // a reference, owned
    size_t bytes;
};

struct credit *credit_new(const struct credit_limits *limits);
/* Every account must be closed and every charge settled. */
void credit_free(struct credit **c);

/* room: an account that was refused may try again; not called from inside of credit_take(). */
struct credit_account *credit_open(struct credit *c, void (*room)(void *arg), void *arg);
/* Nothing is charged to it. */
bool credit_is_idle(const struct credit_account *a);
/* room will not be called any more; charges stay until they are settled. */
void credit_close(struct credit_account **a);

/* A message of `bytes`: true, and *ret is the charge; false: room() will tell.  A message that is
 * larger than a limit is let in when nothing else counts against that limit. */
bool credit_take(struct credit_account *a, size_t bytes, struct credit_charge *ret);
/* The same for a message that has come already, because its sender cannot be held back: false is final,
 * and room() will not be called.  Who has CREDIT_FLOOR bytes or less in flight is let in however much
 * others have: so each of many gets something done. */
#define CREDIT_FLOOR ((size_t)64 << 10)
bool credit_try(struct credit_account *a, size_t bytes, struct credit_charge *ret);
/* Give back; *charge becomes empty; one that is empty is fine. */
void credit_settle(struct credit_charge *charge);

struct credit_stats {
    size_t bytes, messages; // in flight
    size_t waiting;         // accounts that have been refused
    uint64_t refusals;
};
const struct credit_stats *credit_stats(const struct credit *c);

#endif
