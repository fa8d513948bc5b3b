/* SPDX-License-Identifier: MPL-2.0 */
/* blobref.h - the text form of a digest: "blake2b-" and lower-case hex (RFC 10, "Blobref"). */
#ifndef XYLEM_BLOBREF_H
#define XYLEM_BLOBREF_H

#include "digest.h"

#define BLOBREF_MAX 80 // longest blobref and its NUL, rounded up

/* Writes at most BLOBREF_MAX bytes; returns out. */
char *blobref_format(enum digest_alg alg, const struct digest *d, char out[BLOBREF_MAX]);

/* -EINVAL: unknown algorithm, wrong length, anything but lower-case hex, text behind it. */
int blobref_parse(const char *text, enum digest_alg *ret_alg, struct digest *ret);

/* The same for text of `len` bytes that need not end with a NUL. */
int blobref_parse_n(const char *text, size_t len, enum digest_alg *ret_alg, struct digest *ret);

#endif
