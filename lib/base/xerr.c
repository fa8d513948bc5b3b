/* SPDX-License-Identifier: MPL-2.0 */
/* xerr.c - error texts.
 *
 * The new text is always made in a scratch buffer first: the arguments may point into the very
 * struct that is being overwritten (`err_set(err, rc, "%s: %s", path, err->text)`).
 */
#include "xerr.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_CHARS 32 // "error -2147483648" and room to spare

static void
store_text(struct err *err, const char *text)
{
    size_t size = strnlen(text, sizeof(err->text) - 1);

    while (size > 0 && text[size - 1] == '\n')
        size--;
    memcpy(err->text, text, size);
    err->text[size] = '\0';
}

int
err_set(struct err *err, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    assert(code < 0);
    if (!err)
        return code;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->code = code;
    store_text(err, text);
    return code;
}

int
err_prefix(struct err *err, int code, const char *fmt, ...)
{
    char what[ERR_TEXT_MAX], text[2 * ERR_TEXT_MAX + 2];
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    snprintf(text, sizeof(text), "%s: %s", what, err->text);
    store_text(err, text);
    return err->code;
}

const char *
err_name(int errnum)
{
    static _Thread_local char unknown[NAME_MAX_CHARS];
    const char *name = errnum == INT_MIN ? NULL : strerrordesc_np(errnum < 0 ? -errnum : errnum);

    if (name)
        return name;
    snprintf(unknown, sizeof(unknown), "error %d", errnum);
    return unknown;
}
