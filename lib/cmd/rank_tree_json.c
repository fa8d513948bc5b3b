/* SPDX-License-Identifier: MPL-2.0 */
/* rank_tree_json.c - a tree of ranks as JSON (rank_tree.h), in the form of overlay.health. */
#include "rank_tree.h"

#define DEPTH_MAX 512

static void
set_rank(json_t *json, const char *name, uint32_t rank)
{
    json_object_set_new(json, name, rank == RANK_NONE ? json_null() : json_integer(rank));
}

static json_t *
describe(const struct rank_tree *t, uint32_t rank, int depth)
{
    const struct rank_node *n = &t->nodes[rank];
    json_t *children = json_array();
    json_t *json =
        json_pack("{s:I s:s s:s s:b s:b s:I}", "rank", (json_int_t)rank, "hostname",
                  n->hostname ? n->hostname : "", "status", rank_state_name(n->state), "torpid",
                  n->is_torpid, "adopted", n->is_adopted, "hidden", (json_int_t)n->hidden);

    json_object_set_new(json, "duration", n->seconds < 0 ? json_null() : json_real(n->seconds));
    set_rank(json, "parent", n->place != RANK_NONE ? n->place : n->parent);
    set_rank(json, "home", rank_tree_home(t, rank));
    if (n->error)
        json_object_set_new(json, "error", json_string(n->error));
    for (uint32_t c = n->first; c != RANK_NONE && depth < DEPTH_MAX; c = t->nodes[c].next)
        json_array_append_new(children, describe(t, c, depth + 1));
    json_object_set_new(json, "children", children);
    return json;
}

json_t *
rank_tree_json(const struct rank_tree *t)
{
    json_t *json = describe(t, t->top, 0);
    json_t *missing = json_array();

    for (uint32_t i = t->top; i < t->size; i++) {
        if (rank_tree_is_missing(t, i))
            json_array_append_new(missing, json_integer(i));
    }
    json_object_set_new(json, "size", json_integer(t->size));
    json_object_set_new(json, "missing", missing);
    return json;
}
