/* SPDX-License-Identifier: MPL-2.0 */
/* filter.c - see filter.h. */
#include "filter.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static bool
matches(const struct opt_list *patterns, const char *path)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (fnmatch(patterns->values[i], path, 0) == 0)
            return true;
    }
    return false;
}

bool
filter_is_empty(const struct filter *f)
{
    return f->include.count == 0 && f->exclude.count == 0;
}

bool
filter_wants_key(const struct filter *f, const char *path)
{
    return (f->include.count == 0 || matches(&f->include, path)) && !matches(&f->exclude, path);
}

/* A '*' at the end of a pattern that matches a directory takes in all that is below. */
static bool
ends_with_star(const char *pattern)
{
    size_t len = strlen(pattern);

    return len > 0 && pattern[len - 1] == '*' && (len == 1 || pattern[len - 2] != '\\');
}

bool
filter_wants_below(const struct filter *f, const char *path)
{
    for (size_t i = 0; i < f->exclude.count; i++) {
        if (ends_with_star(f->exclude.values[i]) && fnmatch(f->exclude.values[i], path, 0) == 0)
            return false;
    }
    return true;
}

void
filter_fini(struct filter *f)
{
    free(f->include.values);
    free(f->exclude.values);
    *f = (struct filter){{NULL, 0}, {NULL, 0}};
}
