/* SPDX-License-Identifier: MPL-2.0 */
/* json_text.c - JSON strings, as jansson writes them with JSON_COMPACT.
 *
 * Escaped are the quote, the backslash and characters below 0x20: the short forms where JSON has
 * one, else \u00XX in upper case.  Everything else, also '/' and DEL, stands as it is.
 */
#include "json_text.h"

#include <string.h>

static inline bool
needs_escape(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

static void
add_escaped(char c, struct buf *out)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letter[] = "\"\\bfnrt";
    const char *found = strchr(plain, c);

    if (found)
        buf_printf(out, "\\%c", letter[found - plain]);
    else
        buf_printf(out, "\\u%04X", (unsigned int)(unsigned char)c);
}

void
json_text_quote(const char *text, struct buf *out)
{
    buf_add_char(out, '"');
    while (*text) {
        const char *end = text;

        while (*end && !needs_escape(*end))
            end++;
        buf_add(out, text, (size_t)(end - text));
        if (*end)
            add_escaped(*end++, out);
        text = end;
    }
    buf_add_char(out, '"');
}
