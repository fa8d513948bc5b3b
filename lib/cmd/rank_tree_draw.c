/* SPDX-License-Identifier: MPL-2.0 */
/* rank_tree_draw.c - a tree of ranks as text (rank_tree.h):
 *
 *     0 login: degraded for 12s
 *     |- 1 n01: lost for 12s: lost contact
 *     |- 2 n02: full for 3m
 *     `- 3 n03: full for 11s, adopted by 0 (home: 1)
 *
 * In a large one what is all of one kind takes a line: "5-8 full (124 ranks)". */
#include "rank_tree.h"

#include <stdio.h>

#define DEPTH_MAX 512 // levels: a chain of more is not looked at by anybody

struct drawing {
    const struct rank_tree *tree;        // borrowed
    const struct rank_tree_style *style; // borrowed
    bool may_fold;
    struct buf prefix; // owned: what stands in front of each line
    struct buf *out;   // borrowed
};

static const char *const colors[] = {
    [RANK_FULL] = "\x1b[32m", [RANK_PARTIAL] = "\x1b[33m", [RANK_DEGRADED] = "\x1b[33m",
    [RANK_LOST] = "\x1b[31m", [RANK_OFFLINE] = "\x1b[34m", [RANK_UNKNOWN] = "\x1b[35m",
};

static void
add_colored(const struct drawing *d, enum rank_state color, const char *text)
{
    if (d->style->color)
        buf_printf(d->out, "%s%s\x1b[0m", colors[color], text);
    else
        buf_add_str(d->out, text);
}

/* --- a line --- */

/* Two digits or more, unless it is little. */
static void
add_duration(struct buf *out, double seconds)
{
    static const struct {
        double limit, unit;
        const char *name;
    } rows[] = {{120, 1, "s"}, {7200, 60, "m"}, {172800, 3600, "h"}, {1e15, 86400, "d"}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (seconds >= rows[i].limit)
            continue;
        buf_printf(out, "%lld%s", (long long)(seconds / rows[i].unit), rows[i].name);
        return;
    }
}

/* Of another machine's text: what would move the cursor is not printed. */
static void
add_text(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_add_char(out, (unsigned char)*text < ' ' || *text == 127 ? '?' : *text);
}

static void
add_state(const struct drawing *d, const struct rank_node *n)
{
    add_colored(d, n->state, rank_state_name(n->state));
    if (n->seconds >= 0) {
        buf_add_str(d->out, " for ");
        add_duration(d->out, n->seconds);
    }
}

static void
add_node(const struct drawing *d, uint32_t rank)
{
    const struct rank_node *n = &d->tree->nodes[rank];

    buf_printf(d->out, "%u%s", rank, n->hostname ? " " : "");
    add_text(d->out, n->hostname ? n->hostname : "");
    buf_add_str(d->out, ": ");
    add_state(d, n);
    if (n->is_torpid) {
        buf_add_str(d->out, ", ");
        add_colored(d, RANK_UNKNOWN, "torpid");
    }
    if (n->is_adopted)
        buf_printf(d->out, ", adopted by %u (home: %u)",
                   n->place != RANK_NONE ? n->place : n->parent, rank_tree_home(d->tree, rank));
    if (n->error) {
        buf_add_str(d->out, ": ");
        add_text(d->out, n->error);
    }
    if (n->hidden > 0)
        buf_printf(d->out, " (not seen below it: %u)", n->hidden);
    buf_add_char(d->out, '\n');
}

/* Ranks first to last, and all that is below them. */
static void
add_folded(const struct drawing *d, uint32_t first, uint32_t last, uint32_t count)
{
    buf_printf(d->out, "%u", first);
    if (first != last)
        buf_printf(d->out, "-%u", last);
    buf_add_char(d->out, ' ');
    add_colored(d, d->tree->nodes[first].state, rank_state_name(d->tree->nodes[first].state));
    buf_printf(d->out, " (%u rank%s)\n", count, count == 1 ? "" : "s");
}

/* --- the tree --- */

static bool
is_drawn(const struct drawing *d, uint32_t rank)
{
    const struct rank_node *n = &d->tree->nodes[rank];

    return !d->style->down || n->state != RANK_FULL || !n->is_uniform;
}

static uint32_t
skip_undrawn(const struct drawing *d, uint32_t rank)
{
    while (rank != RANK_NONE && !is_drawn(d, rank))
        rank = d->tree->nodes[rank].next;
    return rank;
}

/* The last of the siblings that go into a line with this one. */
static uint32_t
end_of_fold(const struct drawing *d, uint32_t rank, uint32_t *ret_count)
{
    const struct rank_node *nodes = d->tree->nodes;
    uint32_t next = nodes[rank].next;

    *ret_count = nodes[rank].count;
    while (next == rank + 1 && nodes[next].is_uniform && nodes[next].state == nodes[rank].state) {
        *ret_count += nodes[next].count;
        rank = next;
        next = nodes[rank].next;
    }
    return rank;
}

static void draw_children(struct drawing *d, uint32_t rank, int depth);

static void
draw_below(struct drawing *d, uint32_t rank, bool is_last, int depth)
{
    size_t length = d->prefix.size;

    if (d->style->utf8)
        buf_add_str(&d->prefix, is_last ? "   " : "│  ");
    else
        buf_add_str(&d->prefix, is_last ? "   " : "|  ");
    draw_children(d, rank, depth + 1);
    d->prefix.size = length;
    d->prefix.data[length] = '\0';
}

static void
add_branch(const struct drawing *d, bool is_last)
{
    buf_add_str(d->out, buf_str(&d->prefix));
    if (d->style->utf8)
        buf_add_str(d->out, is_last ? "└─ " : "├─ ");
    else
        buf_add_str(d->out, is_last ? "`- " : "|- ");
}

static void
draw_children(struct drawing *d, uint32_t rank, int depth)
{
    const struct rank_node *nodes = d->tree->nodes;
    uint32_t child = skip_undrawn(d, nodes[rank].first);

    while (child != RANK_NONE && depth < DEPTH_MAX) {
        bool folds = d->may_fold && nodes[child].is_uniform;
        uint32_t count;
        uint32_t last = folds ? end_of_fold(d, child, &count) : child;
        uint32_t next = skip_undrawn(d, nodes[last].next);

        add_branch(d, next == RANK_NONE);
        if (folds && (last > child || nodes[child].first != RANK_NONE)) {
            add_folded(d, child, last, count);
        } else {
            add_node(d, child);
            draw_below(d, child, next == RANK_NONE, depth);
        }
        child = next;
    }
}

void
rank_tree_draw(const struct rank_tree *t, const struct rank_tree_style *style, struct buf *out)
{
    struct drawing d = {.tree = t, .style = style, .out = out, .prefix = BUF_INIT};

    d.may_fold = !style->verbose && t->nodes[t->top].count > RANK_TREE_LINES;
    add_node(&d, t->top);
    draw_children(&d, t->top, 0);
    buf_fini(&d.prefix);
}
