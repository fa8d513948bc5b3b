/* SPDX-License-Identifier: MPL-2.0 */
/* columns.h - print names in columns, as ls(1) does. */
#ifndef XYLEM_COLUMNS_H
#define XYLEM_COLUMNS_H

#include "base.h"

struct columns {
    char **names; // owned array of owned strings, in the order they are to be read
    size_t count;
    size_t capacity;
};

#define COLUMNS_INIT \
    { \
        NULL, 0, 0 \
    }

void columns_fini(struct columns *c);
void columns_add(struct columns *c, char *name); // consumes name

/* Print down, then across, in lines of at most `width` characters; 0: all in one line. */
void columns_print(const struct columns *c, size_t width);

static inline void
columns_auto(struct columns *c)
{
    columns_fini(c);
}

#endif
