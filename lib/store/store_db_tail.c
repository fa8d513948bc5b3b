/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_tail.c - rows that wait for the index, and the undo log of a transaction.
 *
 *   state     in map   put        merge        remove       commit              rollback
 *   (none)    -        NEW        -            -            -                   -
 *   NEW       yes      -          -            DEAD         WAITING             (none)
 *   DEAD      no       -          -            -            (none)              (none)
 *   WAITING   yes      -          MERGED       REMOVED      -                   -
 *   MERGED    yes      -          -            -            (none)              WAITING
 *   REMOVED   no       -          -            -            (none)              WAITING
 *
 * I1  Outside a transaction `changed` is empty and every row is WAITING.
 * I2  No two rows in the map have the same digest.  A REMOVED row may have the digest of a NEW one.
 * I3  A row is in the array of its partition from the commit that brought it to the one that has
 *     merged or removed it. */
#include "store_db_tail.h"
#include "xmem.h"

#include <string.h>

static struct tail_rows *
part_of(struct tail *t, const struct tail_row *row)
{
    return &t->parts[row->digest.bytes[0]];
}

static void
push(struct tail_rows *list, struct tail_row *row)
{
    if (list->count == list->capacity) {
        list->capacity = MAX(2 * list->capacity, (size_t)16);
        list->rows = xrealloc(list->rows, list->capacity * sizeof(list->rows[0]));
    }
    list->rows[list->count++] = row;
}

/* Order in the list does not matter. */
static void
take_out(struct tail_rows *list, const struct tail_row *row)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->rows[i] == row) {
            list->rows[i] = list->rows[--list->count];
            return;
        }
    }
}

static void
free_rows(struct tail_rows *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->rows[i]);
    free(list->rows);
    *list = (struct tail_rows){NULL, 0, 0};
}

void
tail_init(struct tail *t)
{
    *t = (struct tail){.changed = {NULL, 0, 0}};
    map_init(&t->map, offsetof(struct tail_row, digest), sizeof(struct digest));
}

void
tail_clear(struct tail *t)
{
    assert(t->changed.count == 0);
    for (size_t i = 0; i < TAIL_PARTS; i++)
        free_rows(&t->parts[i]);
    map_fini(&t->map);
}

void
tail_fini(struct tail *t)
{
    tail_rollback(t);
    tail_clear(t);
    free_rows(&t->changed);
}

struct tail_row *
tail_get(const struct tail *t, const struct digest *d)
{
    return map_get(&t->map, d);
}

void
tail_add(struct tail *t, const struct digest *d, int64_t id)
{
    struct tail_row *row = xmalloc(sizeof(*row));

    *row = (struct tail_row){.digest = *d, .id = id, .state = TAIL_NEW};
    map_put(&t->map, row); /* I2 */
    push(&t->changed, row);
}

void
tail_remove(struct tail *t, struct tail_row *row)
{
    assert(row->state == TAIL_NEW || row->state == TAIL_WAITING);
    map_remove(&t->map, &row->digest);
    if (row->state == TAIL_WAITING)
        push(&t->changed, row);
    row->state = row->state == TAIL_NEW ? TAIL_DEAD : TAIL_REMOVED;
}

/* Rows to be merged first, by digest. */
static int
compare_rows(const void *a, const void *b)
{
    const struct tail_row *x = *(struct tail_row *const *)a;
    const struct tail_row *y = *(struct tail_row *const *)b;
    int order = (x->state != TAIL_WAITING) - (y->state != TAIL_WAITING);

    return order != 0 ? order : memcmp(x->digest.bytes, y->digest.bytes, DIGEST_MAX);
}

size_t
tail_merge(struct tail *t, size_t part, struct tail_row *const **ret)
{
    struct tail_rows *list = &t->parts[part];
    size_t count = 0;

    if (list->count > 0)
        qsort(list->rows, list->count, sizeof(list->rows[0]), compare_rows);
    while (count < list->count && list->rows[count]->state == TAIL_WAITING) {
        list->rows[count]->state = TAIL_MERGED;
        push(&t->changed, list->rows[count++]);
    }
    *ret = list->rows;
    return count;
}

/* The rows that have left the tail.  A merged row's whole partition has gone with it. */
static void
forget_settled(struct tail *t)
{
    for (size_t i = 0; i < t->changed.count; i++) {
        struct tail_row *row = t->changed.rows[i];

        if (row->state == TAIL_NEW)
            continue;
        if (row->state == TAIL_MERGED) {
            map_remove(&t->map, &row->digest);
            part_of(t, row)->count = 0;
        } else if (row->state == TAIL_REMOVED) {
            take_out(part_of(t, row), row); /* I3 */
        }
        free(row);
        t->changed.rows[i] = NULL;
    }
}

void
tail_commit(struct tail *t)
{
    forget_settled(t);
    for (size_t i = 0; i < t->changed.count; i++) {
        struct tail_row *row = t->changed.rows[i];

        if (!row)
            continue;
        row->state = TAIL_WAITING;
        push(part_of(t, row), row); /* I3 */
    }
    t->changed.count = 0; /* I1 */
}

/* New rows go first: a removed one may want its digest back (I2). */
void
tail_rollback(struct tail *t)
{
    for (size_t i = 0; i < t->changed.count; i++) {
        struct tail_row *row = t->changed.rows[i];

        if (row->state == TAIL_NEW)
            map_remove(&t->map, &row->digest);
        if (row->state == TAIL_NEW || row->state == TAIL_DEAD) {
            free(row);
            t->changed.rows[i] = NULL;
        }
    }
    for (size_t i = 0; i < t->changed.count; i++) {
        struct tail_row *row = t->changed.rows[i];

        if (!row)
            continue;
        if (row->state == TAIL_REMOVED)
            map_put(&t->map, row);
        row->state = TAIL_WAITING;
    }
    t->changed.count = 0; /* I1 */
}
