/* SPDX-License-Identifier: MPL-2.0 */
/* walk_priv.h - what walk.c, walk_node.c and walk_load.c share; the states are explained in walk.c. */
#ifndef XYLEM_WALK_PRIV_H
#define XYLEM_WALK_PRIV_H

#include "buf.h"
#include "gather.h"
#include "level.h"
#include "list.h"
#include "walk.h"

enum node_state {
    NODE_DIR,
    NODE_LOADING,
    NODE_GATHER,
    NODE_RANGE,
    NODE_VALUE,
    NODE_READY,
    NODE_TOLD,
    NODE_FAILED,
};

struct node {
    struct list link;          // on walk.nodes, or walk.spare
    enum node_state state;     // see the table
    bool passed;               // before the frontier
    struct level *in;          // owned reference; the directory it is an entry of; NULL = the root
    const char *name;          // borrowed from `in`
    const struct treeobj *obj; // borrowed from `in`; NULL = the root
    struct gather *gather;     // GATHER: owned; parts of a wide directory
    uint64_t lost;             // GATHER, FAILED: entries of parts that are lost
    struct level *range;       // RANGE: owned reference; the directory it stands for
    const struct digest *refs; // DIR, LOADING, VALUE: borrowed from obj, or walk.root
    size_t count;              // number of refs
    size_t wanted;             // refs asked for so far
    size_t yielded;            // pieces yielded so far
    struct list loads;         // walk_load.link; VALUE: in the order of refs
    bool is_empty;             // TOLD: see walk_item
    enum exact_form form;      // TOLD
    struct err *err;           // FAILED: owned; GATHER: why the first part is lost, or NULL
};

enum load_state { LOAD_OUT, LOAD_HERE, LOAD_BAD };

struct walk_load {
    struct list link;  // on node.loads, or walk.spare_loads
    struct walk *walk; // borrowed
    struct node *node; // borrowed; NULL = the node is gone, drop the answer
    enum load_state state;
    struct digest digest; // what to load
    size_t expected;      // OUT: bytes
    void *data;           // HERE: owned
    size_t size;          // HERE: bytes of data
    struct err *err;      // BAD: owned
};

struct walk {
    enum digest_alg alg;         // of all digests
    struct digest root;          // of the tree
    size_t maxreqs;              // groups of loads out at most
    size_t group_loads;          // loads in a group at most
    size_t group_bytes;          // bytes in a group, about; one load may have more
    size_t typical_dir;          // bytes: no load of a directory, or of a part of one, is expected
                                 // to bring more
    size_t typical_data;         // bytes: no load of a piece of a value, likewise
    size_t expected;             // bytes of the loads out
    size_t out;                  // loads out
    size_t held;                 // bytes of loads that are HERE
    size_t node_count;           // on nodes
    struct list nodes;           // node.link, in walking order
    struct list *frontier;       // a node of nodes, or &nodes: nothing left to want
    struct list spare;           // nodes to use again
    struct list spare_loads;     // loads to use again
    struct walk_item item;       // what the last walk_next() returned
    struct buf path;             // item.path
    struct buf filtered;         // scratch: a path that the filter is asked about
    void *piece;                 // owned: decoded or loaded bytes that item.data points to
    struct err *item_err;        // owned: what item.error points to
    const struct filter *filter; // borrowed; NULL = everything
    uint64_t maxdirent;          // entries of a directory that is not wide; 0 = it does not matter
    bool is_exact;               // see walk_set_exact()
    bool is_canonical;           // see walk_is_canonical()
};

static inline struct node *
node_of(struct list *link)
{
    return list_entry(link, struct node, link);
}

static inline bool
is_head(const struct walk *w, const struct node *n)
{
    return w->nodes.next == &n->link;
}

/* ---- walk_node.c ---- */

struct node *walk_insert_node(struct walk *w, struct list *before, enum node_state state);

/* With its loads: those still out are told that nobody waits for them. */
void walk_remove_node(struct walk *w, struct node *n);
void walk_recycle_load(struct walk_load *l);

struct err *walk_make_error(int errnum, const char *text);
void walk_fail_node(struct node *n, struct err **err); // consumes *err

/* A directory is there, consumes *dir: the node becomes a RANGE, or FAILED when it is too deep.  is_inline: it
 * has no blob of its own. */
void walk_open_range(struct walk *w, struct node *n, struct treeobj **dir, bool is_inline);

/* The RANGE node at the frontier: its next entry becomes the frontier, or the node goes. */
void walk_expand_range(struct walk *w, struct node *range);

/* A directory behind the frontier has been loaded: the frontier goes back to it. */
void walk_move_frontier_back(struct walk *w, struct node *n);

#endif
