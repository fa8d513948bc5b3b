/* SPDX-License-Identifier: MPL-2.0 */
/* bench_data.h - what a test stores and asks for: blobs and keys by number.
 *
 * Blob i is noise, the same for all blobs of a test, with a stamp in front that differs for every
 * number and every run: making the next one costs eight bytes, and nobody has it yet. */
#ifndef XYLEM_BENCH_DATA_H
#define XYLEM_BENCH_DATA_H

#include "base.h"
#include "xylem.h"

#define BENCH_DATA_MIN 8   // bytes of a blob: the stamp
#define BENCH_KEY_MAX 80   // bytes for a key and its NUL
#define BENCH_DIR_KEYS 256 // keys in a directory: 10,000 in one would measure its size

struct bench_data {
    uint64_t base;                   // stamp of blob 0; random
    uint8_t *noise;                  // owned; `size` random bytes
    size_t size;                     // bytes of a blob or value
    char (*refs)[XYLEM_BLOBREF_MAX]; // owned; names of `count` blobs, "" = not stored
    uint64_t count;                  // blobs or keys there are
};

/* size >= BENCH_DATA_MIN */
void bench_data_init(struct bench_data *d, size_t size, uint64_t count);
void bench_data_fini(struct bench_data *d);

/* Make `blob`, `size` bytes, blob i.  Its rest must be the noise: bench_data_fill() was there. */
void bench_data_stamp(const struct bench_data *d, uint64_t i, uint8_t *blob);
void bench_data_fill(const struct bench_data *d, uint8_t *blob);

/* Is this blob i?  Looks at size and stamp: the ranks verify the bytes. */
bool bench_data_is(const struct bench_data *d, uint64_t i, const void *blob, size_t size);

/* Key i; dir is the key of the directory that has all of this run.  Both return out. */
const char *bench_data_key(const struct bench_data *d, uint64_t i, char out[BENCH_KEY_MAX]);
const char *bench_data_dir(const struct bench_data *d, char out[BENCH_KEY_MAX]);

#endif
