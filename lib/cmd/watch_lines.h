/* SPDX-License-Identifier: MPL-2.0 */
/* watch_lines.h - lines of `xylem kvs watch`, printed in the order they were added.
 *
 * Values that are in blobs of their own are loaded while lines wait for them.  Nothing here waits but
 * watch_lines_finish(), so all the others may be called in a completion. */
#ifndef XYLEM_WATCH_LINES_H
#define XYLEM_WATCH_LINES_H

#include "treeobj.h"
#include "xylem.h"

struct watch_lines;

/* No more is printed: the value of a key cannot be had; or, key NULL, standard output cannot be written. */
typedef void (*watch_lines_fail_fn)(void *arg, const char *key, const char *why);

/* x: borrowed; to be closed before *l is freed.  width: as of value_line_print().  fail may be called in
 * xylem_dispatch() and in the functions below, once. */
struct watch_lines *watch_lines_new(xylem_t *x, enum digest_alg alg, size_t width,
                                    watch_lines_fail_fn fail, void *arg);
void watch_lines_free(struct watch_lines **l); // NULL is fine

/* A line without its newline, malloc()ed, consumed. */
void watch_lines_add(struct watch_lines *l, char **text);

/* "KEY = VALUE".  value: a val or a valref. */
void watch_lines_add_value(struct watch_lines *l, const char *key, const struct treeobj *value);

/* Wait until all is printed; after that nothing is.  -1: it has failed, now or before. */
int watch_lines_finish(struct watch_lines *l);

#endif
