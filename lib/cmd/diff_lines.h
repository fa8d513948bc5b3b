/* SPDX-License-Identifier: MPL-2.0 */
/* diff_lines.h - changes of keys with their values, one line each, printed in the order they were added:
 *
 *     + KEY=VALUE     - KEY=VALUE     ~ KEY=OLD => NEW
 *
 * Values that are blobs of their own are loaded, many at a time, while lines wait for them. */
#ifndef XYLEM_DIFF_LINES_H
#define XYLEM_DIFF_LINES_H

#include "treeobj.h"
#include "xerr.h"
#include "xylem.h"

struct diff_lines;

/* x: borrowed; to be closed before *d is freed. */
struct diff_lines *diff_lines_new(xylem_t *x, enum digest_alg alg);
void diff_lines_free(struct diff_lines **d); // NULL is fine

/* old, new: as stored; NULL: there was none / there is none.  Prints what is ready, and waits if too many
 * are not.  -errno with text: a value cannot be had, or the rank is gone. */
int diff_lines_add(struct diff_lines *d, const char *key, const struct treeobj *old,
                   const struct treeobj *new, struct err *err);

/* Print what is left. */
int diff_lines_finish(struct diff_lines *d, struct err *err);

#endif
