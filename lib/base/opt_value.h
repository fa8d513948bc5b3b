/* SPDX-License-Identifier: MPL-2.0 */
/* opt_value.h - from the text of an option to the variable behind it.  Used by opt.c only. */
#ifndef XYLEM_OPT_VALUE_H
#define XYLEM_OPT_VALUE_H

#include "opt.h"

/* text: NULL for a flag or a count given without a value; else borrowed for the life of the
 * process.  -EINVAL or -ERANGE, with a text that quotes the value but not the option. */
int opt_value_set(const struct opt *row, const char *text, struct err *err);

#endif
