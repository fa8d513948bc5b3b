/* SPDX-License-Identifier: MPL-2.0 */
/* base64.h - the base64 of RFC 4648: standard alphabet, always padded.
 *
 * Decoding is strict: one text for each sequence of bytes, so that equal values have equal digests.
 */
#ifndef XYLEM_BASE64_H
#define XYLEM_BASE64_H

#include "base.h"

/* Characters for `size` bytes. */
size_t base64_encoded_size(size_t size);

/* Writes base64_encoded_size(size) characters, no NUL. */
void base64_encode(const void *data, size_t size, char *out);

/* Is this canonical base64?  *ret_size is the number of bytes it stands for; -EPROTO if not. */
int base64_check(const char *text, size_t len, size_t *ret_size);

/* Decode text that base64_check() accepted; `out` has room for the size it told. */
void base64_decode(const char *text, size_t len, uint8_t *out);

#endif
