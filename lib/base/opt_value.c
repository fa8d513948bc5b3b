/* SPDX-License-Identifier: MPL-2.0 */
/* opt_value.c - values of options: one function for each kind, in a table.
 *
 * The variable is written only when the whole text is right.
 */
#include "opt_value.h"

#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

typedef int (*set_fn)(const struct opt *row, const char *text, struct err *err);

static int
refuse(struct err *err, int rc, const char *text, const char *wanted)
{
    if (rc == -ERANGE)
        return err_set(err, rc, "'%s' is out of range", text);
    return err_set(err, rc, "'%s' is not %s", text, wanted);
}

static int
set_flag(const struct opt *row, const char *text, struct err *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"1", true},
                 {"false", false}, {"no", false}, {"0", false}};

    if (!text)
        text = "true";
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(words[i].word, text) == 0) {
            *(bool *)row->dest = words[i].value;
            return 0;
        }
    }
    return refuse(err, -EINVAL, text, "true or false");
}

static bool
is_any(const struct opt *row)
{
    return row->min == 0 && row->max == 0;
}

static int
refuse_range(struct err *err, const struct opt *row, const char *text, const char *unit)
{
    return err_set(err, -ERANGE, "'%s' is not between %ld and %ld%s", text, row->min, row->max,
                   unit);
}

static int
set_string(const struct opt *row, const char *text, struct err *err UNUSED)
{
    *(const char **)row->dest = text;
    return 0;
}

static int
set_long(const struct opt *row, const char *text, struct err *err)
{
    bool any = is_any(row);
    long min = any ? LONG_MIN : row->min;
    long max = any ? LONG_MAX : row->max;
    int rc = units_parse_long(text, min, max, row->dest);

    if (rc == -ERANGE && !any)
        return refuse_range(err, row, text, "");
    return rc < 0 ? refuse(err, rc, text, "a whole number") : 0;
}

static int
set_size(const struct opt *row, const char *text, struct err *err)
{
    uint64_t value;
    int rc = units_parse_size(text, &value);

    if (rc < 0)
        return refuse(err, rc, text, "a size like 4096, 64k, 16M or 1G");
    if (!is_any(row) && (value < (uint64_t)row->min || value > (uint64_t)row->max))
        return refuse_range(err, row, text, " bytes");
    *(uint64_t *)row->dest = value;
    return 0;
}

static int
set_duration(const struct opt *row, const char *text, struct err *err)
{
    int64_t value;
    int rc = units_parse_duration(text, &value);

    if (rc < 0)
        return refuse(err, rc, text, "a duration like 250ms, 1.5s, 10m or 1h");
    if (!is_any(row) && (value < row->min || value > row->max))
        return refuse_range(err, row, text, " ms");
    *(int64_t *)row->dest = value;
    return 0;
}

static int
set_count(const struct opt *row, const char *text, struct err *err)
{
    int *count = row->dest;
    long value;
    int rc;

    if (!text) {
        *count += *count < INT_MAX;
        return 0;
    }
    rc = units_parse_long(text, 0, INT_MAX, &value);
    if (rc < 0)
        return refuse(err, rc, text, "a count");
    *count = (int)value;
    return 0;
}

static int
add_to_list(const struct opt *row, const char *text, struct err *err UNUSED)
{
    struct opt_list *l = row->dest;

    l->values = xrealloc(l->values, (l->count + 1) * sizeof(const char *));
    l->values[l->count++] = text;
    return 0;
}

static const set_fn setters[] = {
    [OPT_FLAG] = set_flag,    [OPT_STRING] = set_string,     [OPT_LONG] = set_long,
    [OPT_SIZE] = set_size,    [OPT_DURATION] = set_duration, [OPT_COUNT] = set_count,
    [OPT_LIST] = add_to_list,
};

int
opt_value_set(const struct opt *row, const char *text, struct err *err)
{
    assert(text || !row->arg);
    return setters[row->kind](row, text, err);
}
