/* SPDX-License-Identifier: MPL-2.0 */
/* xerr.h - an error for a human: a negative errno and a sentence saying what and where.
 * Functions that open, parse or bind take `struct err *err` last; NULL is allowed there. */
#ifndef XYLEM_XERR_H
#define XYLEM_XERR_H

#include "base.h"

#define ERR_TEXT_MAX 512

struct err {
    int code;                // negative errno; 0 = no error
    char text[ERR_TEXT_MAX]; // NUL-terminated, no newline at the end
};

/* Fill *err (if not NULL) and return code, which is negative: callers write
 * `return err_set(err, -EIO, ...)`. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put "WHAT: " in front of the text already there.  Returns err's code; `code` if err is
 * NULL. */
int err_prefix(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Text for errno value `errnum` (positive or negative); never NULL.  Thread-safe. */
const char *err_name(int errnum);

#endif
