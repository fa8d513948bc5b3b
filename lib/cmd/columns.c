/* SPDX-License-Identifier: MPL-2.0 */
/* columns.c - names in columns of one width: that of the longest name and two blanks. */
#include "columns.h"
#include "xmem.h"

#include <stdio.h>

#define GAP 2

void
columns_fini(struct columns *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    *c = (struct columns)COLUMNS_INIT;
}

void
columns_add(struct columns *c, char *name)
{
    if (c->count == c->capacity) {
        c->capacity = MAX(2 * c->capacity, 16);
        c->names = xrealloc(c->names, c->capacity * sizeof(*c->names));
    }
    c->names[c->count++] = name;
}

/* Characters, not bytes: those that continue a UTF-8 sequence do not count. */
static size_t
text_width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static size_t
longest(const struct columns *c)
{
    size_t max = 0;

    for (size_t i = 0; i < c->count; i++)
        max = MAX(max, text_width(c->names[i]));
    return max;
}

static void
print_row(const struct columns *c, size_t row, size_t rows, size_t cell)
{
    for (size_t i = row; i < c->count; i += rows) {
        bool last = i + rows >= c->count;
        size_t pad = last ? 0 : cell - text_width(c->names[i]);

        printf("%s%*s", c->names[i], (int)pad, "");
    }
    putchar('\n');
}

void
columns_print(const struct columns *c, size_t width)
{
    size_t cell = longest(c) + GAP;
    size_t across = width == 0 ? c->count : (width + GAP) / cell;
    size_t rows;

    if (c->count == 0)
        return;
    across = MIN(MAX(across, 1), c->count);
    rows = (c->count + across - 1) / across;
    for (size_t row = 0; row < rows; row++)
        print_row(c, row, rows, cell);
}
