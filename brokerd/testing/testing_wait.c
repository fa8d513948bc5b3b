/* SPDX-License-Identifier: MPL-2.0 */
/* testing_wait.c - what the ranks tell, and the state of the tree as rank 0 sees it. */
#include "actor.h"
#include "clock.h"
#include "peer.h"
#include "testing_priv.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#define NAP_US 500
#define DOWN "down" // not a state of the tree: there is none any more

void
testing_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = NAP_US * 1000}, NULL);
}

/* --- news --- */

static int
take_one(struct xylem_cluster *c, uint32_t rank, const struct rank_report *news)
{
    switch (news->news) {
    case RANK_COMPLETE:
        c->ranks[rank].complete = true;
        break;
    case RANK_REFUSED:
        return err_set(&c->err, -EPERM, "rank %u was refused: %s", rank, news->text);
    case RANK_SHUTDOWN:
        testing_end_rank(c, rank);
        break;
    }
    return 0;
}

int
testing_take_news(struct xylem_cluster *c)
{
    void *item;
    int rc = 0;

    for (uint32_t i = 0; i < c->size; i++) {
        while (c->ranks[i].rank && actor_recv(rank_pipe(c->ranks[i].rank), false, &item) == 0) {
            struct rank_report *news = item;

            rc = MIN(rc, take_one(c, i, news));
            rank_report_free(&news);
        }
    }
    return rc;
}

uint32_t
testing_missing(const struct xylem_cluster *c)
{
    for (uint32_t i = c->size; i-- > 0;) { // those below first: the others wait for them
        if (c->ranks[i].state == TESTING_DOWN || !c->ranks[i].complete)
            return i;
    }
    return TOPO_NONE;
}

static bool
all_are_down(const struct xylem_cluster *c)
{
    for (uint32_t i = 0; i < c->size; i++) {
        if (c->ranks[i].state != TESTING_DOWN)
            return false;
    }
    return true;
}

/* --- the state of the tree --- */

/* An answer to overlay.health that is waited for in pieces. */
struct look {
    xylem_t *x; // owned; NULL: not connected
    bool asked;
    char status[16]; // "": not known
};

static void
on_health(void *arg, const struct xylem_reply *reply)
{
    struct look *look = arg;
    json_t *health = reply->rc == 0 ? json_loads(reply->data, 0, NULL) : NULL;
    const char *status = json_string_value(json_object_get(health, "status"));

    look->asked = false;
    snprintf(look->status, sizeof(look->status), "%s", status ? status : "");
    json_decref(health);
}

static void
end_look(struct look *look)
{
    xylem_close(TAKE(look->x));
    look->asked = false;
}

/* Rank 0 may be paused at any time but not while we are here: it answers soon. */
static bool
is_in_state(struct xylem_cluster *c, struct look *look, const char *state)
{
    static const char topic[] = "overlay.health";

    look->status[0] = '\0';
    if (c->ranks[0].state != TESTING_RUNNING)
        return false;
    if (!look->x && xylem_open(&look->x, c->ranks[0].uri, NULL, NULL) < 0)
        return false;
    if (!look->asked)
        look->asked =
            xylem_rpc_async(look->x, topic, 0, NULL, 0, XYLEM_TEXT, on_health, look, NULL) == 0;
    if (xylem_dispatch(look->x, 20) < 0)
        end_look(look);
    return strcmp(look->status, state) == 0;
}

static bool
has_come(struct xylem_cluster *c, struct look *look, const char *state)
{
    if (strcmp(state, DOWN) == 0)
        return all_are_down(c);
    if (strcmp(state, peer_status_name(SUBTREE_FULL)) == 0 && testing_missing(c) != TOPO_NONE)
        return false;
    return is_in_state(c, look, state);
}

static int
time_out(struct xylem_cluster *c, const struct look *look, const char *state, int timeout_ms)
{
    uint32_t missing = testing_missing(c);

    if (strcmp(state, DOWN) == 0)
        return err_set(&c->err, -ETIMEDOUT, "not all ranks have ended after %d ms", timeout_ms);
    if (strcmp(state, peer_status_name(SUBTREE_FULL)) == 0 && missing != TOPO_NONE)
        return err_set(&c->err, -ETIMEDOUT, "not full after %d ms: rank %u %s", timeout_ms, missing,
                       c->ranks[missing].state == TESTING_DOWN ? "is down"
                                                               : "has not joined with all below");
    return err_set(&c->err, -ETIMEDOUT, "not %s after %d ms: rank 0 says %s", state, timeout_ms,
                   look->status[0] ? look->status : "nothing");
}

int
xylem_testing_wait(xylem_cluster_t *c, const char *state, int timeout_ms)
{
    int64_t deadline = clock_ms() + timeout_ms;
    struct look look = {.x = NULL};
    enum subtree_status status;
    int rc;

    if (!state || (strcmp(state, DOWN) != 0 && peer_status_parse(state, &status) < 0))
        return err_set(&c->err, -EINVAL, "%s: no such state", state ? state : "NULL");
    while ((rc = testing_take_news(c)) == 0 && !has_come(c, &look, state)) {
        if (clock_ms() >= deadline) {
            rc = time_out(c, &look, state, timeout_ms);
            break;
        }
        testing_nap();
    }
    end_look(&look);
    return rc;
}
