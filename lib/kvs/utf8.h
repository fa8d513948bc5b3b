/* SPDX-License-Identifier: MPL-2.0 */
/* utf8.h - is this UTF-8 (RFC 3629)? */
#ifndef XYLEM_UTF8_H
#define XYLEM_UTF8_H

#include "base.h"

/* No overlong forms, no surrogates, nothing above U+10FFFF.  NUL bytes are characters. */
bool utf8_is_valid(const char *text, size_t len);

#endif
