/* SPDX-License-Identifier: MPL-2.0 */
/* intake_value.h - the content of an archive entry becomes a value. */
#ifndef XYLEM_INTAKE_VALUE_H
#define XYLEM_INTAKE_VALUE_H

#include "intake.h"

/* Read the content of the current entry to its end, and add it as the value of `key`.  What is too large is
 * skipped.  -errno with text: the archive is damaged, or a store failed. */
int intake_value_take(struct intake *in, const struct archive_item *item, const struct key *key,
                      struct err *err);

#endif
