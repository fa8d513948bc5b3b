/* SPDX-License-Identifier: MPL-2.0 */
/* opt_help.c - --help.
 *
 *     Usage: PROGRAM SYNOPSIS
 *
 *     DESCRIPTION, filled to 79 columns
 *
 *     Options:
 *       -n, --size=N       how many
 *           --rundir=DIR   where the sockets are
 *
 * The column of the help is that of the widest option, but no farther right than COLUMN_MAX: a
 * wider option has its help on the next line.
 */
#include "opt_help.h"

#include <stdio.h>
#include <string.h>

#define LINE_WIDTH 79
#define COLUMN_MAX 32
#define GAP 2 // blanks between option and help, at least

static const struct opt built_in[] = {
    {.letter = 'h', .name = "help", .help = "print this text and exit"},
    {.letter = 'V', .name = "version", .help = "print the version and exit"},
};

/* "  -n, --size=N"; returns the width. */
static size_t
format_option(const struct opt *row, struct buf *out)
{
    size_t start = out->size;

    if (row->letter)
        buf_printf(out, "  -%c, --%s", row->letter, row->name);
    else
        buf_printf(out, "      --%s", row->name);
    if (row->arg)
        buf_printf(out, "=%s", row->arg);
    return out->size - start;
}

static size_t
width_of(const struct opt *row)
{
    AUTO(buf) struct buf scratch = BUF_INIT;

    return format_option(row, &scratch);
}

static size_t
find_column(const struct opt *options)
{
    size_t column = 0;

    for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
        column = MAX(column, width_of(&built_in[i]) + GAP);
    for (const struct opt *row = options; row->name; row++) {
        size_t width = row->help ? width_of(row) + GAP : 0;

        if (width <= COLUMN_MAX)
            column = MAX(column, width);
    }
    return column;
}

static void
add_blanks(struct buf *out, size_t count)
{
    buf_printf(out, "%*s", (int)count, "");
}

/* Words of `text`, starting and, after each break, continuing at `column`. */
static void
fill_text(struct buf *out, const char *text, size_t column)
{
    size_t at = column;

    for (;;) {
        size_t length;

        text += strspn(text, " \n");
        length = strcspn(text, " \n");
        if (length == 0)
            break;
        if (at > column && at + 1 + length > LINE_WIDTH) {
            buf_add_char(out, '\n');
            add_blanks(out, column);
            at = column;
        } else if (at > column) {
            buf_add_char(out, ' ');
            at++;
        }
        buf_add(out, text, length);
        at += length;
        text += length;
    }
    buf_add_char(out, '\n');
}

static void
format_row(const struct opt *row, size_t column, struct buf *out)
{
    size_t width;

    if (!row->help)
        return;
    width = format_option(row, out);
    if (width + GAP > column) {
        buf_add_char(out, '\n');
        width = 0;
    }
    add_blanks(out, column - width);
    fill_text(out, row->help, column);
}

void
opt_help_format(const struct opt_program *prog, struct buf *out)
{
    size_t column = find_column(prog->options);

    buf_printf(out, "Usage: %s %s\n", prog->name, prog->synopsis);
    if (prog->description) {
        buf_add_char(out, '\n');
        fill_text(out, prog->description, 0);
    }
    buf_add_str(out, "\nOptions:\n");
    for (const struct opt *row = prog->options; row->name; row++)
        format_row(row, column, out);
    for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
        format_row(&built_in[i], column, out);
}
