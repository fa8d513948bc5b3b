/* SPDX-License-Identifier: MPL-2.0 */
/* key.c - key text <-> names.
 *
 * Model: text is cut at its separators, empty pieces are dropped, every other piece is a name, with
 * "%2E" and "%25" undone in key text (paths hold plain names).  Unquoting never makes a piece
 * longer, so all names fit into one block as long as the text.
 *
 * I1 key_parse(key_format(k)) gives k again: a '%' of a name is quoted exactly where it would be
 *    read as the start of "%2E" or "%25".  Quoted text starts with '%', so what follows a plain '%'
 *    is decided by the name alone.
 * See xylem-kvs(7), "Keys".
 */
#include "key.h"

#include "utf8.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LABEL_MAX 96 // bytes of a hostile text that an error message shows

/* Text for an error message: cut short, control characters made visible. */
static const char *
format_label(const char *text, char out[LABEL_MAX])
{
    snprintf(out, LABEL_MAX, "%s", text);
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return out;
}

static bool
has_forbidden_char(const char *name)
{
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '/')
            return true;
    }
    return false;
}

int
key_check_name(const char *name, struct err *err)
{
    size_t len = strnlen(name, KEY_NAME_MAX + 1);

    if (len == 0)
        return err_set(err, -EINVAL, "empty name");
    if (len > KEY_NAME_MAX)
        return err_set(err, -ENAMETOOLONG, "name longer than %d bytes", KEY_NAME_MAX);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, -EINVAL, "'%s' is no name", name);
    if (has_forbidden_char(name))
        return err_set(err, -EINVAL, "'/' or a control character in a name");
    if (!utf8_is_valid(name, len))
        return err_set(err, -EINVAL, "a name that is not UTF-8");
    return 0;
}

/* Is there a quoted character at `text`?  The character, or 0. */
static char
read_quoted(const char *text, size_t len)
{
    if (len < 3 || text[0] != '%' || text[1] != '2')
        return 0;
    if (text[2] == 'E')
        return '.';
    return text[2] == '5' ? '%' : 0;
}

/* Copies and unquotes; returns the end of the name in `out`. */
static char *
unquote(const char *text, size_t len, char *out)
{
    while (len > 0) {
        char quoted = read_quoted(text, len);
        size_t used = quoted ? 3 : 1;

        *out++ = quoted ? quoted : *text;
        text += used;
        len -= used;
    }
    return out;
}

static int
split_text(const char *text, char separator, struct key *k, struct err *err)
{
    char stop[2] = {separator, '\0'};
    char *out = k->memory;

    for (text += strspn(text, stop); *text; text += strspn(text, stop)) {
        size_t len = strcspn(text, stop);
        char *end;
        int rc;

        if (separator == '/' && len == 1 && *text == '.') {
            text += len;
            continue;
        }
        end = separator == '.' ? unquote(text, len, out) : mempcpy(out, text, len);
        *end = '\0';
        rc = key_check_name(out, err);
        if (rc < 0)
            return rc;
        if (k->count == KEY_DEPTH_MAX)
            return err_set(err, -ENAMETOOLONG, "more than %d names", KEY_DEPTH_MAX);
        k->names[k->count++] = out;
        out = end + 1;
        text += len;
    }
    return 0;
}

static int
split_new(const char *text, char separator, struct key *ret, struct err *err)
{
    size_t len = strnlen(text, KEY_TEXT_MAX + 1);
    size_t names_max = MIN(len / 2 + 1, KEY_DEPTH_MAX);
    struct key k = {0, NULL, NULL};
    char label[LABEL_MAX];
    int rc;

    if (len == 0)
        return err_set(err, -EINVAL, "empty key");
    if (len > KEY_TEXT_MAX)
        return err_set(err, -ENAMETOOLONG, "key '%s...': longer than %d bytes",
                       format_label(text, label), KEY_TEXT_MAX);
    k.names = xcalloc(names_max, sizeof(*k.names));
    k.memory = xmalloc(len + 1);
    rc = split_text(text, separator, &k, err);
    if (rc < 0) {
        key_fini(&k);
        return err_prefix(err, rc, "key '%s'", format_label(text, label));
    }
    *ret = k;
    return 0;
}

int
key_parse(const char *text, struct key *ret, struct err *err)
{
    return split_new(text, '.', ret, err);
}

int
key_from_path(const char *path, struct key *ret, struct err *err)
{
    char label[LABEL_MAX];

    if (path[0] == '/')
        return err_set(err, -EINVAL, "path '%s': absolute", format_label(path, label));
    return split_new(path, '/', ret, err);
}

void
key_fini(struct key *k)
{
    free(k->names);
    free(k->memory);
    *k = (struct key){0, NULL, NULL};
}

void
key_quote_name(const char *name, struct buf *out)
{
    for (const char *c = name; *c; c++) {
        if (*c == '.')
            buf_add_str(out, "%2E");
        else if (*c == '%' && read_quoted(c, strnlen(c, 3)))
            buf_add_str(out, "%25"); /* I1 */
        else
            buf_add_char(out, *c);
    }
}

void
key_format(const struct key *k, struct buf *out)
{
    if (k->count == 0)
        buf_add_char(out, '.');
    for (size_t i = 0; i < k->count; i++) {
        if (i > 0)
            buf_add_char(out, '.');
        key_quote_name(k->names[i], out);
    }
}
