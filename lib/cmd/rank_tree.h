/* SPDX-License-Identifier: MPL-2.0 */
/* rank_tree.h - the ranks of an instance as they are now, put together from what each says of itself and
 * of its children (overlay.health), and drawn as a tree.  Pure.
 *
 * what is known of a rank               state          drawn below
 * a rank says it is its child, online   what it says   that one; when two say so, the one the rank itself
 *                                                      names as its parent
 * its parent in the tree says           lost, offline  that parent
 * nobody speaks of it, and its parent
 *   in the tree is lost or offline      as that        that parent
 *   else (that one did not answer)      UNKNOWN        not drawn, but counted there
 *
 * Whoever is a child is a descendant of its parent in the tree: so nothing goes round in a circle, and every
 * rank is drawn below one with a smaller number. */
#ifndef XYLEM_RANK_TREE_H
#define XYLEM_RANK_TREE_H

#include "base.h"
#include "buf.h"

#include <jansson.h>

#define RANK_NONE 0xffffffffu
#define RANK_TREE_MAX 1000000 // ranks

enum rank_state { RANK_FULL, RANK_PARTIAL, RANK_DEGRADED, RANK_LOST, RANK_OFFLINE, RANK_UNKNOWN };

struct rank_node {
    enum rank_state state;
    uint32_t place;  // below whom; RANK_NONE: the top, or not part of the tree
    uint32_t parent; // whom it names itself; RANK_NONE: none
    uint32_t also;   // another one that says it is its child, online; RANK_NONE: none
    bool is_asked;   // for the survey
    bool has_answered;
    bool is_torpid;
    bool is_adopted;
    double seconds; // for how long it has had that state; negative: not known
    char *hostname; // owned; NULL: not known
    char *error;    // owned; NULL, or why it is lost or has not answered
    /* from rank_tree_finish() */
    uint32_t first;  // child, RANK_NONE: none
    uint32_t next;   // sibling
    uint32_t count;  // ranks from here down, drawn or not
    uint32_t hidden; // of them, UNKNOWN right below
    bool is_uniform; // all from here down have that state, and nothing else is to be said
};

struct rank_tree {
    uint32_t size;
    uint32_t fanout;
    uint32_t top;
    struct rank_node *nodes; // owned, by rank
};

/* -EINVAL: no such rank, or no such tree. */
int rank_tree_init(struct rank_tree *t, uint32_t size, uint32_t fanout, uint32_t top);
void rank_tree_fini(struct rank_tree *t);

/* Parent in the tree; RANK_NONE of rank 0. */
uint32_t rank_tree_home(const struct rank_tree *t, uint32_t rank);

/* The answer of `rank` to overlay.health.  -EPROTO. */
int rank_tree_take(struct rank_tree *t, uint32_t rank, const char *answer);
/* It has not answered. */
void rank_tree_miss(struct rank_tree *t, uint32_t rank, const char *why);
/* Is it online, and was not asked yet? */
bool rank_tree_is_to_ask(const struct rank_tree *t, uint32_t rank);
/* All have been asked. */
void rank_tree_finish(struct rank_tree *t);

const char *rank_state_name(enum rank_state state);

/* Of these ranks, the top included: lost or offline? */
bool rank_tree_is_missing(const struct rank_tree *t, uint32_t rank);
/* Online, its parent says, but it has not answered? */
bool rank_tree_is_silent(const struct rank_tree *t, uint32_t rank);
/* The ranks of which `fn` is true: "1,7-9"; "" = none. */
void rank_tree_list(const struct rank_tree *t, bool (*fn)(const struct rank_tree *t, uint32_t rank),
                    struct buf *out);

struct rank_tree_style {
    bool utf8; // box characters
    bool color;
    bool verbose; // every rank, however many there are
    bool down;    // without what is full
};

/* A line for each rank, or for many of the same kind when there are more than RANK_TREE_LINES. */
#define RANK_TREE_LINES 64
void rank_tree_draw(const struct rank_tree *t, const struct rank_tree_style *style,
                    struct buf *out);

/* A new reference: xylem(1), "overlay status". */
json_t *rank_tree_json(const struct rank_tree *t);

static inline void
rank_tree_auto(struct rank_tree *t)
{
    rank_tree_fini(t);
}

#endif
