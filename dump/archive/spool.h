/* SPDX-License-Identifier: MPL-2.0 */
/* spool.h - bytes put aside until it is known how many there are: in memory up to a limit, beyond
 * that in a temporary file that has no name.  Used again and again. */
#ifndef XYLEM_SPOOL_H
#define XYLEM_SPOOL_H

#include "base.h"
#include "buf.h"
#include "xerr.h"

struct spool {
    struct buf memory; // the first bytes, at most `limit`; also the window when reading the file
    size_t limit;      // bytes kept in memory
    size_t kept;       // bytes of the content that are in memory
    uint64_t size;     // bytes added since the last reset
    uint64_t given;    // bytes handed out by spool_next()
    int fd;            // the rest, or -1 before it was first needed
};

void spool_init(struct spool *s, size_t limit);
void spool_fini(struct spool *s);

/* Empty again; the memory and the file are kept for the next time. */
void spool_reset(struct spool *s);

/* -errno with text: no temporary file ($TMPDIR, else /var/tmp), or no space in it. */
int spool_add(struct spool *s, const void *data, size_t size, struct err *err);

uint64_t spool_size(const struct spool *s);

/* Read back from the start, piece by piece: 1 and a piece (borrowed until the next call), 0 at the
 * end, -errno with text.  Once reading has begun nothing may be added before a reset. */
int spool_next(struct spool *s, const void **ret_data, size_t *ret_size, struct err *err);

static inline void
spool_auto(struct spool *s)
{
    spool_fini(s);
}

#endif
