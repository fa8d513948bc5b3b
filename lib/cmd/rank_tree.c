/* SPDX-License-Identifier: MPL-2.0 */
/* rank_tree.c - see rank_tree.h: putting it together. */
#include "rank_tree.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define SECONDS_MAX 1e12

static const char *const state_names[] = {
    [RANK_FULL] = "full", [RANK_PARTIAL] = "partial", [RANK_DEGRADED] = "degraded",
    [RANK_LOST] = "lost", [RANK_OFFLINE] = "offline", [RANK_UNKNOWN] = "unknown",
};

const char *
rank_state_name(enum rank_state state)
{
    return state_names[state];
}

static enum rank_state
parse_state(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(state_names); i++) {
        if (strcmp(state_names[i], name) == 0)
            return (enum rank_state)i;
    }
    return RANK_UNKNOWN;
}

static bool
is_online(enum rank_state state)
{
    return state == RANK_FULL || state == RANK_PARTIAL || state == RANK_DEGRADED;
}

int
rank_tree_init(struct rank_tree *t, uint32_t size, uint32_t fanout, uint32_t top)
{
    if (size > RANK_TREE_MAX || fanout == 0 || top >= size)
        return -EINVAL;
    *t = (struct rank_tree){.size = size, .fanout = fanout, .top = top};
    t->nodes = xcalloc(size, sizeof(*t->nodes));
    for (uint32_t i = 0; i < size; i++)
        t->nodes[i] = (struct rank_node){.state = RANK_UNKNOWN,
                                         .place = RANK_NONE,
                                         .parent = RANK_NONE,
                                         .also = RANK_NONE,
                                         .seconds = -1,
                                         .first = RANK_NONE,
                                         .next = RANK_NONE};
    return 0;
}

void
rank_tree_fini(struct rank_tree *t)
{
    for (uint32_t i = 0; t->nodes && i < t->size; i++) {
        free(t->nodes[i].hostname);
        free(t->nodes[i].error);
    }
    free(t->nodes);
    t->nodes = NULL;
}

uint32_t
rank_tree_home(const struct rank_tree *t, uint32_t rank)
{
    return rank == 0 ? RANK_NONE : (rank - 1) / t->fanout;
}

/* Is `rank` below `above` in the tree? */
static bool
is_below(const struct rank_tree *t, uint32_t rank, uint32_t above)
{
    while (rank != RANK_NONE && rank > above)
        rank = rank_tree_home(t, rank);
    return rank == above;
}

/* --- answers --- */

static void
set_text(char **text, const char *value)
{
    if (!value || !value[0])
        return;
    free(*text);
    *text = xstrdup(value);
}

static double
read_seconds(json_t *json)
{
    return MIN(json_number_value(json_object_get(json, "duration")), SECONDS_MAX);
}

/* `place` says of its child what it says of it. */
static void
take_child(struct rank_tree *t, uint32_t place, json_t *child)
{
    json_int_t rank = json_integer_value(json_object_get(child, "rank"));
    enum rank_state state = parse_state(json_string_value(json_object_get(child, "status")));
    struct rank_node *n;

    if (rank <= (json_int_t)place || rank >= (json_int_t)t->size ||
        !is_below(t, (uint32_t)rank, place))
        return;
    n = &t->nodes[rank];
    set_text(&n->hostname, json_string_value(json_object_get(child, "hostname")));
    if (is_online(n->state) && is_online(state))
        n->also = place;
    if (is_online(n->state))
        return; // who has it online knows better
    n->state = state;
    n->place = place;
    n->seconds = read_seconds(child);
    n->is_torpid = json_is_true(json_object_get(child, "torpid"));
    free(n->error);
    n->error = NULL;
    set_text(&n->error, json_string_value(json_object_get(child, "error")));
}

/* What it says of itself.  Its state is taken from its parent, for the parent's word is final: it
 * may have lost it meanwhile. */
static void
take_self(struct rank_tree *t, uint32_t rank, json_t *answer)
{
    struct rank_node *n = &t->nodes[rank];
    json_t *parent = json_object_get(answer, "parent");

    n->has_answered = true;
    set_text(&n->hostname, json_string_value(json_object_get(answer, "hostname")));
    if (json_is_integer(parent))
        n->parent = (uint32_t)json_integer_value(parent);
    if (rank != t->top)
        return;
    n->state = parse_state(json_string_value(json_object_get(answer, "status")));
    n->seconds = read_seconds(answer);
}

int
rank_tree_take(struct rank_tree *t, uint32_t rank, const char *text)
{
    json_t *answer = json_loads(text, 0, NULL);
    json_t *children = json_object_get(answer, "children");
    size_t i;
    json_t *child;

    if (!json_is_array(children) || !json_is_string(json_object_get(answer, "status"))) {
        json_decref(answer);
        return -EPROTO;
    }
    take_self(t, rank, answer);
    json_array_foreach(children, i, child) take_child(t, rank, child);
    json_decref(answer);
    return 0;
}

void
rank_tree_miss(struct rank_tree *t, uint32_t rank, const char *why)
{
    set_text(&t->nodes[rank].error, why);
}

bool
rank_tree_is_to_ask(const struct rank_tree *t, uint32_t rank)
{
    const struct rank_node *n = &t->nodes[rank];

    return !n->is_asked && is_online(n->state);
}

/* --- when all have been asked --- */

/* Whom a rank that is online names itself, if that one agrees; others are drawn where they belong. */
static void
place_the_others(struct rank_tree *t)
{
    for (uint32_t i = t->top; i < t->size; i++) {
        struct rank_node *n = &t->nodes[i];
        uint32_t home = rank_tree_home(t, i);

        if (n->place != RANK_NONE && !is_online(n->state))
            n->place = home;
        else if (n->also != RANK_NONE && n->also == n->parent)
            n->place = n->also;
        if (is_online(n->state))
            n->is_adopted = (i == t->top ? n->parent : n->place) != home;
    }
}

/* Parents come before their children, for their numbers are smaller. */
static void
place_the_missing(struct rank_tree *t)
{
    for (uint32_t i = t->top + 1; i < t->size; i++) {
        struct rank_node *n = &t->nodes[i];
        uint32_t home = rank_tree_home(t, i);
        const struct rank_node *above = &t->nodes[home];

        if (n->place != RANK_NONE || (home != t->top && above->place == RANK_NONE))
            continue;
        n->place = home;
        if (above->state == RANK_LOST || above->state == RANK_OFFLINE)
            n->state = above->state;
    }
}

/* Is nothing to be told of it but its state? */
static bool
says_nothing(const struct rank_node *n)
{
    return !n->is_torpid && !n->is_adopted && n->hidden == 0 &&
           (n->has_answered || !is_online(n->state));
}

static uint32_t
count_homes(const struct rank_tree *t, uint32_t rank)
{
    uint64_t first = (uint64_t)rank * t->fanout + 1;

    return first >= t->size ? 0 : (uint32_t)MIN(t->size - first, t->fanout);
}

/* Those below it have been looked at.  Of one that is lost all children must be drawn there: who says "1 and
 * all below it" of lost ranks must mean all. */
static bool
is_uniform(const struct rank_tree *t, uint32_t rank)
{
    const struct rank_node *n = &t->nodes[rank];
    uint32_t count = 0;

    for (uint32_t c = n->first; c != RANK_NONE; c = t->nodes[c].next, count++) {
        if (!t->nodes[c].is_uniform || t->nodes[c].state != n->state)
            return false;
    }
    return says_nothing(n) && (is_online(n->state) || count == count_homes(t, rank));
}

/* Children come behind their parents, so all below a rank have been counted before it. */
static void
count_all(struct rank_tree *t)
{
    for (uint32_t i = t->size; i-- > t->top;) {
        struct rank_node *n = &t->nodes[i];
        struct rank_node *above;

        n->count++;
        n->is_uniform = is_uniform(t, i);
        if (i == t->top || n->place == RANK_NONE)
            continue;
        above = &t->nodes[n->place];
        above->count += n->count;
        if (n->state == RANK_UNKNOWN) {
            above->hidden += n->count;
        } else {
            n->next = above->first;
            above->first = i;
        }
    }
}

void
rank_tree_finish(struct rank_tree *t)
{
    place_the_others(t);
    place_the_missing(t);
    count_all(t);
}

static void
add_range(struct buf *out, uint32_t first, uint32_t last)
{
    if (out->size > 0)
        buf_add_char(out, ',');
    if (first == last)
        buf_printf(out, "%u", first);
    else
        buf_printf(out, "%u-%u", first, last);
}

bool
rank_tree_is_missing(const struct rank_tree *t, uint32_t rank)
{
    const struct rank_node *n = &t->nodes[rank];

    return n->place != RANK_NONE && (n->state == RANK_LOST || n->state == RANK_OFFLINE);
}

bool
rank_tree_is_silent(const struct rank_tree *t, uint32_t rank)
{
    const struct rank_node *n = &t->nodes[rank];

    return n->place != RANK_NONE && is_online(n->state) && !n->has_answered;
}

void
rank_tree_list(const struct rank_tree *t, bool (*fn)(const struct rank_tree *t, uint32_t rank),
               struct buf *out)
{
    for (uint32_t i = t->top; i < t->size; i++) {
        uint32_t first = i;

        if (!fn(t, i))
            continue;
        while (i + 1 < t->size && fn(t, i + 1))
            i++;
        add_range(out, first, i);
    }
}
