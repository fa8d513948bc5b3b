/* SPDX-License-Identifier: MPL-2.0 */
/* units.c - numbers with units, read strictly.
 *
 * The whole text must be the number: no blanks, no sign (but "-" for plain numbers), no second
 * unit, nothing behind it.  What does not fit is -ERANGE and never wraps.
 */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FRACTION_DIGITS 9 // kept of a fraction; far below the millisecond even for hours

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1}, {"k", 1U << 10}, {"K", 1U << 10}, {"M", 1U << 20}, {"G", 1U << 30},
};

static const struct unit duration_units[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
};

static uint64_t
find_factor(const struct unit *units, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].name, name) == 0)
            return units[i].factor;
    }
    return 0;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at *text, which is moved behind them.  -ERANGE takes precedence over what follows. */
static int
scan_digits(const char **text, uint64_t *ret_value)
{
    const char *p = *text;
    uint64_t value = 0;
    bool overflow = false;

    if (!is_digit(*p))
        return -EINVAL;
    for (; is_digit(*p); p++) {
        overflow |= __builtin_mul_overflow(value, 10, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
    }
    *text = p;
    *ret_value = value;
    return overflow ? -ERANGE : 0;
}

int
units_parse_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t value, factor;
    int rc = scan_digits(&text, &value);

    if (rc == -EINVAL)
        return rc;
    factor = find_factor(size_units, ARRAY_SIZE(size_units), text);
    if (factor == 0)
        return -EINVAL;
    if (rc < 0 || __builtin_mul_overflow(value, factor, &value))
        return -ERANGE;
    *ret_bytes = value;
    return 0;
}

/* ".5" at *text -> 500000000 billionths; nothing there -> 0.  What is cut off rounds up. */
static int
scan_fraction(const char **text, uint64_t *ret_billionths)
{
    const char *p = *text;
    uint64_t value = 0;
    bool rest = false;
    int digits = 0;

    *ret_billionths = 0;
    if (*p != '.')
        return 0;
    if (!is_digit(*++p))
        return -EINVAL;
    for (; is_digit(*p); p++) {
        if (digits < FRACTION_DIGITS) {
            value = value * 10 + (uint64_t)(*p - '0');
            digits++;
        } else {
            rest |= *p != '0';
        }
    }
    for (; digits < FRACTION_DIGITS; digits++)
        value *= 10;
    *text = p;
    *ret_billionths = value + rest;
    return 0;
}

/* Rounded up to the millisecond: a short time must not become 0, which often means "never". */
int
units_parse_duration(const char *text, int64_t *ret_ms)
{
    const uint64_t billion = 1000000000;
    uint64_t whole, fraction, factor, ms;
    int rc = scan_digits(&text, &whole);

    if (rc == -EINVAL || scan_fraction(&text, &fraction) < 0)
        return -EINVAL;
    factor = find_factor(duration_units, ARRAY_SIZE(duration_units), text);
    if (factor == 0)
        return -EINVAL;
    if (rc < 0 || __builtin_mul_overflow(whole, factor, &ms))
        return -ERANGE;
    fraction = (fraction * factor + billion - 1) / billion;
    if (__builtin_add_overflow(ms, fraction, &ms) || ms > INT64_MAX)
        return -ERANGE;
    *ret_ms = (int64_t)ms;
    return 0;
}

int
units_parse_long(const char *text, long min, long max, long *ret_value)
{
    char *end;
    long value;

    if (!is_digit(text[0]) && !(text[0] == '-' && is_digit(text[1])))
        return -EINVAL;
    errno = 0;
    value = strtol(text, &end, 10);
    if (*end)
        return -EINVAL;
    if (errno == ERANGE || value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}
