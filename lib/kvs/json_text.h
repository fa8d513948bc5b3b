/* SPDX-License-Identifier: MPL-2.0 */
/* json_text.h - JSON text written by hand, byte for byte as jansson writes it. */
#ifndef XYLEM_JSON_TEXT_H
#define XYLEM_JSON_TEXT_H

#include "buf.h"

/* Append `text` (valid UTF-8) as a JSON string with its quotes. */
void json_text_quote(const char *text, struct buf *out);

#endif
