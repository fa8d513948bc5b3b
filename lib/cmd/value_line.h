/* SPDX-License-Identifier: MPL-2.0 */
/* value_line.h - what a key holds, on one line of the terminal. */
#ifndef XYLEM_VALUE_LINE_H
#define XYLEM_VALUE_LINE_H

#include "treeobj.h"

/* "KEY = VALUE": the first line of the value, cut to `width` bytes; width 0: all of it, as it is.  has_more:
 * `data` is only its beginning, of which value_line_is_enough(). */
void value_line_print(const char *key, const char *data, size_t size, size_t width, bool has_more);

/* Does what follows these bytes of a value not matter to its line? */
bool value_line_is_enough(const char *data, size_t size, size_t width);

/* "KEY -> TARGET", or "KEY -> NS::TARGET"; malloc()ed. */
char *value_line_format_link(const char *key, const struct treeobj *link);

/* Append the first line of a value, cut to about `width` bytes; has_more: `data` is only its beginning. */
void value_line_add(struct buf *out, const char *data, size_t size, size_t width, bool has_more);

#endif
