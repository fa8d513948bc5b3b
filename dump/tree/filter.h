/* SPDX-License-Identifier: MPL-2.0 */
/* filter.h - which keys are meant: --include and --exclude.  Pure. */
#ifndef XYLEM_FILTER_H
#define XYLEM_FILTER_H

#include "opt.h"

/* A key is meant when a pattern of `include` matches its path, or there is none, and none of `exclude`
 * does.  Patterns are those of fnmatch(3), and '*' matches a '/' too. */
struct filter {
    struct opt_list include;
    struct opt_list exclude;
};

#define FILTER_OPTIONS(f, done) \
    { \
        0, "include", "GLOB", OPT_LIST, &(f)->include, "only keys whose path matches are " done, \
        0, 0}, \
    { \
        0, "exclude", "GLOB", OPT_LIST, &(f)->exclude, "keys whose path matches are not " done, 0, \
            0 \
    }

/* Does it leave nothing out? */
bool filter_is_empty(const struct filter *f);

/* path: names joined by '/'. */
bool filter_wants_key(const struct filter *f, const char *path);

/* Of a directory, ending with '/': can there be a key below it that is wanted? */
bool filter_wants_below(const struct filter *f, const char *path);

void filter_fini(struct filter *f);

#endif
