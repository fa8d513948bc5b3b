/* SPDX-License-Identifier: MPL-2.0 */
/* scrub.h - read the store again and again, at a bounded rate, to find what is damaged before somebody
 * needs it (--scrub-rate; xylem-content(7), "Fsck and scrub"). */
#ifndef XYLEM_SCRUB_H
#define XYLEM_SCRUB_H

#include "store.h"

struct scrub;

/* rate: bytes per second, > 0.  damaged (may be NULL) is called on the owner's thread for each row
 * found damaged, once.  All borrowed. */
struct scrub *scrub_start(enum digest_alg alg, uint64_t rate, struct loop *loop,
                          struct store *store, void (*damaged)(void *arg, const struct digest *d),
                          void *arg);
/* Before the store stops: nothing more is asked of it.  NULL is fine. */
void scrub_stop(struct scrub *s);
/* After it.  NULL is fine. */
void scrub_free(struct scrub **s);

struct scrub_stats {
    uint64_t blobs;   // read, since start
    uint64_t bytes;   // of them
    uint64_t damaged; // rows found damaged, since start; each counts once
    uint64_t passes;  // ends of the store reached
    int64_t position; // id of the row read last in this pass
};
/* NULL is fine: all 0. */
void scrub_stats(const struct scrub *s, struct scrub_stats *ret);

#endif
