/* SPDX-License-Identifier: MPL-2.0 */
/* value_line.c - see value_line.h. */
#include "value_line.h"
#include "buf.h"
#include "cmd.h"
#include "utf8.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>

#define CHARACTER_MAX ((size_t)4) // bytes of a character, in UTF-8

/* A value may be anything: what a terminal could not show becomes a dot. */
static void
make_printable(struct buf *line)
{
    bool is_text = utf8_is_valid(line->data, line->size);

    for (size_t i = 0; i < line->size; i++) {
        unsigned char c = (unsigned char)line->data[i];

        if (c < ' ' || c == 0x7f || (c > 0x7f && !is_text))
            line->data[i] = '.';
    }
}

/* Shorten to `width` bytes, without leaving a part of a character. */
static void
cut_line(struct buf *line, size_t width)
{
    line->size = MAX(width, 3) - 3;
    while (line->size > 0 && ((unsigned char)line->data[line->size] & 0xc0) == 0x80)
        line->size--;
    buf_add_str(line, "...");
}

static size_t
first_line(const char *data, size_t size)
{
    const char *newline = memchr(data, '\n', size);

    return newline ? (size_t)(newline - data) : size;
}

/* Of bytes that go on behind `size`: without what may be a part of a character. */
static size_t
whole_characters(const char *data, size_t size)
{
    size_t n = 0;

    while (n < MIN(size, CHARACTER_MAX) && (unsigned char)data[size - 1 - n] >= 0x80) {
        n++;
        if ((unsigned char)data[size - n] >= 0xc0)
            break;
    }
    return size - n;
}

bool
value_line_is_enough(const char *data, size_t size, size_t width)
{
    return width > 0 &&
           (size > width + CHARACTER_MAX || (size > 0 && memchr(data, '\n', size - 1)));
}

void
value_line_print(const char *key, const char *data, size_t size, size_t width, bool has_more)
{
    AUTO(buf) struct buf line = BUF_INIT;
    size_t shown;

    if (width && size > 0 && data[size - 1] == '\n' && !has_more)
        size--;
    shown = width ? first_line(data, size) : size;
    if (has_more && shown == size)
        shown = whole_characters(data, size);
    buf_printf(&line, "%s = ", key);
    buf_add(&line, data, shown);
    if (width)
        make_printable(&line);
    if (width && (has_more || shown < size || line.size > width))
        cut_line(&line, MIN(width, line.size + 3));
    cmd_write(line.data, line.size);
    putchar('\n');
}

char *
value_line_format_link(const char *key, const struct treeobj *link)
{
    const char *ns = treeobj_link_namespace(link);

    return xasprintf("%s -> %s%s%s", key, ns ? ns : "", ns ? "::" : "", treeobj_link_target(link));
}

void
value_line_add(struct buf *out, const char *data, size_t size, size_t width, bool has_more)
{
    AUTO(buf) struct buf line = BUF_INIT;
    size_t shown;

    if (size > 0 && data[size - 1] == '\n' && !has_more)
        size--;
    shown = first_line(data, size);
    if (shown > 2 * width) // what is behind is cut off in any case
        shown = whole_characters(data, 2 * width);
    else if (has_more && shown == size)
        shown = whole_characters(data, size);
    buf_add(&line, data, shown);
    make_printable(&line);
    if (has_more || shown < size || line.size > width)
        cut_line(&line, MIN(width, line.size + 3));
    buf_add(out, line.data, line.size);
}
