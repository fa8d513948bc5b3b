/* SPDX-License-Identifier: MPL-2.0 */
/* hostlist.c - see hostlist.h. */
#include "hostlist.h"
#include "buf.h"
#include "xmem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define DIGITS_MAX 9

/* Where the names go, and what is wrong. */
struct target {
    struct hostlist *list;
    size_t max;
    const char *text; // the whole, for errors
    struct err *err;
};

static int
add_name(const struct target *t, const char *name)
{
    struct hostlist *l = t->list;
    size_t len = strlen(name);

    if (len == 0 || len > HOSTLIST_NAME_MAX)
        return err_set(t->err, -EINVAL, "'%.300s': a host's name has 1 to %d characters", t->text,
                       HOSTLIST_NAME_MAX);
    if (l->count == t->max)
        return err_set(t->err, -E2BIG, "'%.300s': more than %zu hosts", t->text, t->max);
    l->names = xrealloc(l->names, (l->count + 1) * sizeof(*l->names));
    l->names[l->count++] = xstrdup(name);
    return 0;
}

static int
wrong_brackets(const struct target *t)
{
    return err_set(t->err, -EINVAL, "'%.300s': in brackets are numbers and ranges such as 0-15,20",
                   t->text);
}

/* A number at *p, and how many digits it has. */
static int
take_number(const char **p, uint32_t *ret, int *ret_digits)
{
    uint32_t value = 0;
    int digits = 0;

    for (; isdigit((unsigned char)**p); ++*p, digits++) {
        if (digits == DIGITS_MAX)
            return -EINVAL;
        value = value * 10 + (uint32_t)(**p - '0');
    }
    *ret = value;
    *ret_digits = digits;
    return digits > 0 ? 0 : -EINVAL;
}

/* One number or range: prefix and suffix go around it. */
static int
add_range(const struct target *t, const char **p, const char *prefix, const char *suffix)
{
    uint32_t first, last;
    int digits, ignored;
    int rc = 0;

    if (take_number(p, &first, &digits) < 0)
        return wrong_brackets(t);
    last = first;
    if (**p == '-') {
        ++*p;
        if (take_number(p, &last, &ignored) < 0 || last < first)
            return wrong_brackets(t);
    }
    for (uint32_t n = first; n <= last && rc == 0; n++) {
        AUTO(free) char *name = xasprintf("%s%0*" PRIu32 "%s", prefix, digits, n, suffix);

        rc = add_name(t, name);
    }
    return rc;
}

static int
add_ranges(const struct target *t, const char *ranges, const char *prefix, const char *suffix)
{
    const char *p = ranges;
    int rc;

    while ((rc = add_range(t, &p, prefix, suffix)) == 0 && *p == ',')
        p++;
    return rc == 0 && *p != '\0' ? wrong_brackets(t) : rc;
}

/* A name, perhaps with brackets in it. */
static int
add_item(const struct target *t, const char *item)
{
    const char *open = strchr(item, '[');
    const char *close = open ? strchr(open, ']') : NULL;
    AUTO(free) char *prefix = NULL;
    AUTO(free) char *ranges = NULL;

    if (!open && !strchr(item, ']'))
        return add_name(t, item);
    if (!close || strpbrk(close + 1, "[]"))
        return err_set(t->err, -EINVAL, "'%.300s': a name has one pair of brackets at most",
                       t->text);
    prefix = xstrndup(item, (size_t)(open - item));
    ranges = xstrndup(open + 1, (size_t)(close - open - 1));
    return add_ranges(t, ranges, prefix, close + 1);
}

/* Of the part before the next comma or blank that is not in brackets. */
static size_t
item_size(const char *text)
{
    bool inside = false;
    size_t n = 0;

    while (text[n] && (inside || !strchr(", \t", text[n]))) {
        inside = text[n] == '[' || (inside && text[n] != ']');
        n++;
    }
    return n;
}

int
hostlist_add(struct hostlist *l, const char *text, size_t max, struct err *err)
{
    const struct target t = {l, max, text, err};
    const char *p = text + strspn(text, ", \t");
    int rc = 0;

    while (*p && rc == 0) {
        AUTO(free) char *item = xstrndup(p, item_size(p));

        rc = add_item(&t, item);
        p += strlen(item);
        p += strspn(p, ", \t");
    }
    return rc;
}

void
hostlist_fini(struct hostlist *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct hostlist)HOSTLIST_INIT;
}

/* --- finding --- */

static bool
is_same_name(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

static bool
is_same_first_label(const char *a, const char *b)
{
    size_t len = strcspn(a, ".");

    return len > 0 && len == strcspn(b, ".") && strncasecmp(a, b, len) == 0;
}

static int
find_by(const struct hostlist *l, const char *host, bool (*is_same)(const char *, const char *),
        size_t *ret_index)
{
    size_t found = 0;

    for (size_t i = 0; i < l->count; i++) {
        if (is_same(l->names[i], host) && found++ == 0)
            *ret_index = i;
    }
    if (found == 0)
        return -ENOENT;
    return found == 1 ? 0 : -EEXIST;
}

int
hostlist_find(const struct hostlist *l, const char *host, size_t *ret_index)
{
    int rc = find_by(l, host, is_same_name, ret_index);

    return rc == -ENOENT ? find_by(l, host, is_same_first_label, ret_index) : rc;
}
