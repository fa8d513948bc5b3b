/* SPDX-License-Identifier: MPL-2.0 */
/* digest.c - message digests.
 *
 * BLAKE2b-256 and SHA-256 come from libsodium, whose landlord this file is; SHA-1, which only
 * Flux instances ask for, comes from CZMQ.
 *
 * Thread: any.  libsodium picks its implementation for this CPU once, on first use.
 * See xylem-message(7).
 */
#include "digest.h"
#include "xmem.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <czmq.h>

/* libsodium aligns its BLAKE2b state beyond what malloc(3) promises. */
#define STATE_ALIGNMENT 64

struct digest_stream {
    enum digest_alg alg; // which member of the union is live
    union {
        crypto_generichash_state blake2b; // DIGEST_BLAKE2B
        crypto_hash_sha256_state sha256;  // DIGEST_SHA256
        zdigest_t *sha1;                  // DIGEST_SHA1; owned
    };
};

static const struct {
    const char *name; // in blobrefs and in configuration
    size_t size;      // bytes
} algs[] = {
    [DIGEST_BLAKE2B] = {"blake2b", 32},
    [DIGEST_SHA256] = {"sha256", crypto_hash_sha256_BYTES},
    [DIGEST_SHA1] = {"sha1", 20},
};

static void
init_sodium_once(void)
{
    int rc = sodium_init();

    assert(rc >= 0);
}

static void
init_sodium(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, init_sodium_once);
}

size_t
digest_size(enum digest_alg alg)
{
    assert((size_t)alg < ARRAY_SIZE(algs));
    return algs[alg].size;
}

const char *
digest_name(enum digest_alg alg)
{
    assert((size_t)alg < ARRAY_SIZE(algs));
    return algs[alg].name;
}

int
digest_alg_parse(const char *name, enum digest_alg *ret_alg)
{
    for (size_t i = 0; i < ARRAY_SIZE(algs); i++) {
        if (strcmp(algs[i].name, name) == 0) {
            *ret_alg = (enum digest_alg)i;
            return 0;
        }
    }
    return -EINVAL;
}

int
digest_from_bytes(enum digest_alg alg, const void *bytes, size_t size, struct digest *ret)
{
    if (size != digest_size(alg))
        return -EPROTO;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->bytes, bytes, size);
    return 0;
}

static void
add_sha1(zdigest_t *sha1, const void *data, size_t size)
{
    /* CZMQ asserts on a buffer that is NULL, which an empty one may be. */
    if (size > 0)
        zdigest_update(sha1, data, size);
}

static void
finish_sha1(zdigest_t *sha1, struct digest *ret)
{
    memcpy(ret->bytes, zdigest_data(sha1), algs[DIGEST_SHA1].size);
    zdigest_destroy(&sha1);
}

static void
compute_sha1(const void *data, size_t size, struct digest *ret)
{
    zdigest_t *sha1 = zdigest_new();

    assert(sha1);
    add_sha1(sha1, data, size);
    finish_sha1(sha1, ret);
}

void
digest_compute(enum digest_alg alg, const void *data, size_t size, struct digest *ret)
{
    init_sodium();
    memset(ret, 0, sizeof(*ret));
    switch (alg) {
    case DIGEST_BLAKE2B:
        crypto_generichash(ret->bytes, algs[alg].size, data, size, NULL, 0);
        break;
    case DIGEST_SHA256:
        crypto_hash_sha256(ret->bytes, data, size);
        break;
    case DIGEST_SHA1:
        compute_sha1(data, size, ret);
        break;
    }
}

struct digest_stream *
digest_stream_new(enum digest_alg alg)
{
    struct digest_stream *s = aligned_alloc(STATE_ALIGNMENT, sizeof(*s));

    static_assert(sizeof(*s) % STATE_ALIGNMENT == 0, "aligned_alloc wants a multiple");
    assert(s);
    init_sodium();
    s->alg = alg;
    switch (alg) {
    case DIGEST_BLAKE2B:
        crypto_generichash_init(&s->blake2b, NULL, 0, algs[alg].size);
        break;
    case DIGEST_SHA256:
        crypto_hash_sha256_init(&s->sha256);
        break;
    case DIGEST_SHA1:
        s->sha1 = zdigest_new();
        assert(s->sha1);
        break;
    }
    return s;
}

void
digest_stream_add(struct digest_stream *s, const void *data, size_t size)
{
    switch (s->alg) {
    case DIGEST_BLAKE2B:
        crypto_generichash_update(&s->blake2b, data, size);
        break;
    case DIGEST_SHA256:
        crypto_hash_sha256_update(&s->sha256, data, size);
        break;
    case DIGEST_SHA1:
        add_sha1(s->sha1, data, size);
        break;
    }
}

void
digest_stream_finish(struct digest_stream **s, struct digest *ret)
{
    struct digest_stream *stream = TAKE(*s);
    struct digest d = {{0}};

    switch (stream->alg) {
    case DIGEST_BLAKE2B:
        crypto_generichash_final(&stream->blake2b, d.bytes, algs[DIGEST_BLAKE2B].size);
        break;
    case DIGEST_SHA256:
        crypto_hash_sha256_final(&stream->sha256, d.bytes);
        break;
    case DIGEST_SHA1:
        finish_sha1(stream->sha1, &d);
        break;
    }
    free(stream);
    if (ret)
        *ret = d;
}
