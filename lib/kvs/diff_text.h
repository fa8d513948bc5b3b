/* SPDX-License-Identifier: MPL-2.0 */
/* diff_text.h - differences between trees as lines of text.  Pure. */
#ifndef XYLEM_DIFF_TEXT_H
#define XYLEM_DIFF_TEXT_H

#include "buf.h"
#include "diff.h"

/* Append the key of an item: a.b for a/b, whatever its length; a.b. for an empty directory there. */
void diff_text_key(const struct diff_item *item, struct buf *out);

/* '+' added, '-' removed, '~' changed. */
char diff_text_sign(const struct diff_item *item);

/* Append a change as one JSON object: key, change, and both tree objects or null. */
void diff_text_json(enum digest_alg alg, const struct diff_item *item, struct buf *out);

#endif
