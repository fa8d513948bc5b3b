/* SPDX-License-Identifier: MPL-2.0 */
/* digest.h - message digests: the address of a blob (RFC 10, "Hash Algorithm", "Address").
 *
 * A digest does not carry its algorithm: an instance has exactly one.  Digests shorter than
 * DIGEST_MAX are padded with zeros, so that digests compare and hash as fixed-size keys.
 */
#ifndef XYLEM_DIGEST_H
#define XYLEM_DIGEST_H

#include "base.h"
#include <string.h>

#define DIGEST_MAX 32

enum digest_alg { DIGEST_BLAKE2B, DIGEST_SHA256, DIGEST_SHA1 };

struct digest {
    uint8_t bytes[DIGEST_MAX]; // digest_size(alg) significant bytes, then zeros
};

size_t digest_size(enum digest_alg alg);                          // 32, 32, 20
const char *digest_name(enum digest_alg alg);                     // "blake2b", "sha256", "sha1"
int digest_alg_parse(const char *name, enum digest_alg *ret_alg); // -EINVAL

/* Thread-safe. */
void digest_compute(enum digest_alg alg, const void *data, size_t size, struct digest *ret);

/* Raw bytes from the wire or the disk.  -EPROTO when size is not digest_size(alg). */
int digest_from_bytes(enum digest_alg alg, const void *bytes, size_t size, struct digest *ret);

static inline bool
digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_MAX) == 0;
}

/* Streaming form. */
struct digest_stream;
struct digest_stream *digest_stream_new(enum digest_alg alg);
void digest_stream_add(struct digest_stream *s, const void *data, size_t size);
/* *s becomes NULL; ret may be NULL. */
void digest_stream_finish(struct digest_stream **s, struct digest *ret);

#endif
