/* SPDX-License-Identifier: MPL-2.0 */
/* credit.c - see credit.h.
 *
 * account    take, fits       take, does not     settled: now it fits    closed
 * IDLE       charge           WAITING            -                       gone with its last charge
 * WAITING    IDLE, charge     WAITING            GRANTED, room()         likewise
 * GRANTED    IDLE, charge     -                  -                       gives the grant back
 *
 * A grant is a charge already: the room that woke an account is not given away before it comes for it.
 *
 * "Fits": within the account's limits and within those of all; a large message also has to wait behind
 * others that wait, so that it gets its turn.  Small ones overtake: looking something up stays quick
 * while others store.
 *
 * I1  The figures are the sums over all charges.
 * I2  WAITING accounts are in the order they were refused; the first of them that fits goes first, and
 *     who waits for room of all is not overtaken by a large message.
 * I3  With nothing in flight nobody waits: what settles the last charge wakes the first.
 */
#include "credit.h"
#include "list.h"
#include "xmem.h"

/* Beyond this a message is large. */
#define SMALL_BYTES 1024

struct credit {
    struct credit_limits limits;
    struct list waiting; // accounts
    struct credit_stats stats;
    size_t accounts; // that exist
    bool is_waking;  // wake() is further up the stack
};

enum account_state { IDLE, WAITING, GRANTED };

struct credit_account {
    struct credit *credit; // borrowed
    enum account_state state;
    size_t refs;         // the opener and every charge
    size_t bytes;        // charged
    size_t messages;     // charged
    size_t wanted;       // WAITING, GRANTED: bytes of the message that was refused
    struct list waiting; // on credit.waiting when WAITING
    void (*room)(void *arg);
    void *arg; // borrowed
};

struct credit *
credit_new(const struct credit_limits *limits)
{
    struct credit *c = xcalloc(1, sizeof(*c));

    c->limits = *limits;
    list_init(&c->waiting);
    return c;
}

void
credit_free(struct credit **credit)
{
    struct credit *c = TAKE(*credit);

    if (!c)
        return;
    assert(c->accounts == 0);
    free(c);
}

const struct credit_stats *
credit_stats(const struct credit *c)
{
    return &c->stats;
}

/* --- accounts --- */

struct credit_account *
credit_open(struct credit *c, void (*room)(void *arg), void *arg)
{
    struct credit_account *a = xcalloc(1, sizeof(*a));

    a->credit = c;
    a->refs = 1;
    a->room = room;
    a->arg = arg;
    list_init(&a->waiting);
    c->accounts++;
    return a;
}

static void
unref(struct credit_account *a)
{
    if (--a->refs > 0)
        return;
    assert(a->bytes == 0 && a->messages == 0 && !list_is_linked(&a->waiting));
    a->credit->accounts--;
    free(a);
}

static void
wait_for_room(struct credit_account *a, size_t bytes)
{
    struct credit *c = a->credit;

    a->wanted = bytes;
    if (a->state == WAITING)
        return;
    a->state = WAITING;
    list_push_back(&c->waiting, &a->waiting);
    c->stats.waiting++;
    c->stats.refusals++;
}

static void
stop_waiting(struct credit_account *a)
{
    if (a->state != WAITING)
        return;
    a->state = IDLE;
    list_remove(&a->waiting);
    a->credit->stats.waiting--;
}

static void
charge(struct credit_account *a, size_t bytes)
{
    a->refs++;
    a->bytes += bytes;
    a->messages++;
    a->credit->stats.bytes += bytes;
    a->credit->stats.messages++;
}

static void
uncount(struct credit_account *a, size_t bytes)
{
    a->bytes -= bytes;
    a->messages--;
    a->credit->stats.bytes -= bytes;
    a->credit->stats.messages--;
}

static void
discharge(struct credit_account *a, size_t bytes)
{
    uncount(a, bytes);
    unref(a);
}

/* --- who fits --- */

static bool
is_within(size_t used, size_t more, size_t limit)
{
    return used == 0 || (used <= limit && more <= limit - used);
}

static bool
fits_account(const struct credit_account *a, size_t bytes)
{
    const struct credit_limits *limits = &a->credit->limits;

    return is_within(a->bytes, bytes, limits->account_bytes) &&
           is_within(a->messages, 1, limits->account_messages);
}

static bool
fits_all(const struct credit *c, size_t bytes)
{
    if (!is_within(c->stats.messages, 1, c->limits.messages))
        return false;
    return bytes <= SMALL_BYTES || is_within(c->stats.bytes, bytes, c->limits.bytes);
}

/* The first of those that wait whom there is room for; NULL: nobody.  Who waits for room of all keeps
 * the large messages behind it waiting (I2). */
static struct credit_account *
find_next(const struct credit *c)
{
    bool blocked = false;

    LIST_FOR_EACH (it, &c->waiting) {
        struct credit_account *a = list_entry(it, struct credit_account, waiting);

        if (!fits_account(a, a->wanted))
            continue;
        if (fits_all(c, a->wanted) && (a->wanted <= SMALL_BYTES || !blocked))
            return a;
        blocked = true;
    }
    return NULL;
}

/* Does anybody before `a` wait for room of all? */
static bool
is_behind(const struct credit_account *a)
{
    LIST_FOR_EACH (it, &a->credit->waiting) {
        const struct credit_account *other = list_entry(it, struct credit_account, waiting);

        if (other == a)
            return false;
        if (fits_account(other, other->wanted))
            return true;
    }
    return false;
}

static bool
fits(const struct credit_account *a, size_t bytes)
{
    return fits_account(a, bytes) && fits_all(a->credit, bytes) &&
           (bytes <= SMALL_BYTES || !is_behind(a));
}

/* room() may take, settle and close: look anew after each. */
static void
wake(struct credit *c)
{
    struct credit_account *a;

    if (c->is_waking)
        return;
    c->is_waking = true;
    while (!list_is_empty(&c->waiting) && (a = find_next(c))) {
        stop_waiting(a);
        a->state = GRANTED;
        charge(a, a->wanted);
        a->room(a->arg);
    }
    c->is_waking = false;
}

/* --- charges --- */

bool
credit_take(struct credit_account *a, size_t bytes, struct credit_charge *ret)
{
    assert(!ret->account);
    if (a->state == GRANTED) {
        assert(bytes == a->wanted);
        a->state = IDLE;
    } else if (fits(a, bytes)) {
        stop_waiting(a);
        charge(a, bytes);
    } else {
        wait_for_room(a, bytes);
        return false;
    }
    *ret = (struct credit_charge){a, bytes};
    return true;
}

bool
credit_try(struct credit_account *a, size_t bytes, struct credit_charge *ret)
{
    bool has_little = a->bytes <= CREDIT_FLOOR && a->messages < a->credit->limits.account_messages;

    assert(!ret->account && a->state == IDLE);
    if (!has_little && !fits(a, bytes)) {
        a->credit->stats.refusals++;
        return false;
    }
    charge(a, bytes);
    *ret = (struct credit_charge){a, bytes};
    return true;
}

bool
credit_is_idle(const struct credit_account *a)
{
    return a->messages == 0;
}

void
credit_settle(struct credit_charge *settled)
{
    struct credit_account *a = TAKE(settled->account);
    struct credit *c;

    if (!a)
        return;
    c = a->credit;
    discharge(a, settled->bytes);
    settled->bytes = 0;
    wake(c);
}

void
credit_close(struct credit_account **account)
{
    struct credit_account *a = TAKE(*account);
    struct credit *c;

    if (!a)
        return;
    c = a->credit;
    stop_waiting(a);
    if (a->state == GRANTED) {
        a->state = IDLE;
        uncount(a, a->wanted);
        a->refs--; // its owner still has one
    }
    unref(a);
    wake(c); // those behind it
}
