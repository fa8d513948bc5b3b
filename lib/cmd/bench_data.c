/* SPDX-License-Identifier: MPL-2.0 */
/* bench_data.c - numbered blobs and keys.
 *
 * The stamps of a test are base, base + 1, ...  With a random base two runs have different stamps,
 * and where they do not the noise behind them differs (but for blobs of 8 bytes).
 */
#include "bench_data.h"

#include "xmem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define RANDOM_PIECE 256 // bytes that getrandom(2) always gives in one piece

static void
fill_random(void *data, size_t size)
{
    uint8_t *to = data;

    while (size > 0) {
        size_t piece = MIN(size, RANDOM_PIECE);
        ssize_t n = getrandom(to, piece, 0);

        assert(n == (ssize_t)piece);
        to += piece;
        size -= piece;
    }
}

void
bench_data_init(struct bench_data *d, size_t size, uint64_t count)
{
    assert(size >= BENCH_DATA_MIN);
    d->size = size;
    d->count = count;
    d->noise = xmalloc(size);
    fill_random(d->noise, size);
    fill_random(&d->base, sizeof(d->base));
    d->refs = xcalloc(count, sizeof(d->refs[0]));
}

void
bench_data_fini(struct bench_data *d)
{
    free(d->noise);
    free(d->refs);
    *d = (struct bench_data){.size = 0};
}

void
bench_data_fill(const struct bench_data *d, uint8_t *blob)
{
    memcpy(blob, d->noise, d->size);
}

void
bench_data_stamp(const struct bench_data *d, uint64_t i, uint8_t *blob)
{
    uint64_t stamp = d->base + i;

    memcpy(blob, &stamp, sizeof(stamp));
}

bool
bench_data_is(const struct bench_data *d, uint64_t i, const void *blob, size_t size)
{
    uint64_t stamp = d->base + i;

    return size == d->size && memcmp(blob, &stamp, sizeof(stamp)) == 0;
}

const char *
bench_data_dir(const struct bench_data *d, char out[BENCH_KEY_MAX])
{
    snprintf(out, BENCH_KEY_MAX, "xylem-bench-%016" PRIx64, d->base);
    return out;
}

const char *
bench_data_key(const struct bench_data *d, uint64_t i, char out[BENCH_KEY_MAX])
{
    snprintf(out, BENCH_KEY_MAX, "xylem-bench-%016" PRIx64 ".%" PRIu64 ".%" PRIu64, d->base,
             i / BENCH_DIR_KEYS, i % BENCH_DIR_KEYS);
    return out;
}
