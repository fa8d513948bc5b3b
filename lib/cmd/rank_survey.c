/* SPDX-License-Identifier: MPL-2.0 */
/* rank_survey.c - see rank_survey.h.
 *
 * rank        who says it is online           sent           answer, error     too late
 * not asked   WAITS, behind those before it
 * WAITS                                       ASKED
 * ASKED                                                      done; those it    cancelled, done
 *                                                            has online WAIT
 * All have the same patience, so it is the one asked first that is too late first. */
#include "rank_survey.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

struct question {
    struct survey *survey; // borrowed
    uint32_t rank;
    uint32_t tag;
    int64_t deadline; // ms
    bool is_over;
};

struct survey {
    xylem_t *x;             // borrowed
    struct rank_tree *tree; // borrowed
    struct question *queue; // owned array of tree->size, in the order they came
    uint32_t queued;        // of them, all
    uint32_t sent;          // of them, asked
    uint32_t oldest;        // the first that may not be over
    uint32_t open;          // asked and not over
};

static void
enqueue(struct survey *s, uint32_t rank)
{
    s->tree->nodes[rank].is_asked = true;
    s->queue[s->queued++] = (struct question){.survey = s, .rank = rank};
}

/* Children of a rank in the tree are next to each other, but adopted ones may be anywhere: those that it
 * spoke of are online now, and not asked. */
static void
enqueue_children(struct survey *s, const char *answer)
{
    json_t *json = json_loads(answer, 0, NULL);
    size_t i;
    json_t *child;

    json_array_foreach(json_object_get(json, "children"), i, child)
    {
        json_int_t rank = json_integer_value(json_object_get(child, "rank"));

        if (rank > 0 && rank < (json_int_t)s->tree->size &&
            rank_tree_is_to_ask(s->tree, (uint32_t)rank))
            enqueue(s, (uint32_t)rank);
    }
    json_decref(json);
}

static void
finish(struct question *q)
{
    q->is_over = true;
    q->survey->open--;
}

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct question *q = arg;
    struct survey *s = q->survey;
    const char *text = reply->size > 0 ? reply->data : "";

    finish(q);
    if (reply->rc < 0)
        rank_tree_miss(s->tree, q->rank, reply->error);
    else if (rank_tree_take(s->tree, q->rank, text) < 0)
        rank_tree_miss(s->tree, q->rank, "malformed answer to overlay.health");
    else
        enqueue_children(s, text);
}

static int
send_some(struct survey *s, int64_t answer_ms, int64_t end)
{
    while (s->sent < s->queued && s->open < SURVEY_WINDOW) {
        struct question *q = &s->queue[s->sent++];
        int rc;

        q->deadline = MIN(clock_ms() + answer_ms, end);
        s->open++;
        rc = xylem_rpc_async(s->x, "overlay.health", q->rank, NULL, 0, XYLEM_TEXT, on_answer, q,
                             &q->tag);
        if (rc < 0) {
            finish(q);
            return rc;
        }
    }
    return 0;
}

/* ms until the next one is too late; those that are now are given up. */
static int64_t
give_up_late(struct survey *s)
{
    int64_t now = clock_ms();

    for (; s->oldest < s->sent; s->oldest++) {
        struct question *q = &s->queue[s->oldest];

        if (q->is_over)
            continue;
        if (q->deadline > now)
            return q->deadline - now;
        xylem_cancel(s->x, q->tag);
        finish(q);
        rank_tree_miss(s->tree, q->rank, "no answer in time");
    }
    return 0;
}

int
rank_survey(xylem_t *x, struct rank_tree *t, int64_t answer_ms, int64_t total_ms)
{
    int64_t end = total_ms < 0 ? INT64_MAX : clock_ms() + total_ms;
    struct survey s = {.x = x, .tree = t};
    int rc = 0;

    s.queue = xcalloc(t->size, sizeof(*s.queue));
    enqueue(&s, t->top);
    while (rc >= 0 && (s.open > 0 || s.sent < s.queued)) {
        int64_t left;

        rc = send_some(&s, answer_ms, end);
        left = give_up_late(&s);
        if (rc >= 0 && s.open > 0)
            rc = xylem_dispatch(x, (int)MIN(left, INT32_MAX));
    }
    for (uint32_t i = 0; i < s.sent; i++) {
        if (!s.queue[i].is_over)
            xylem_cancel(x, s.queue[i].tag);
    }
    free(s.queue);
    rank_tree_finish(t);
    return rc < 0 ? rc : 0;
}
