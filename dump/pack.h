/* SPDX-License-Identifier: MPL-2.0 */
/* pack.h - what a walk yields becomes entries of an archive. */
#ifndef XYLEM_PACK_H
#define XYLEM_PACK_H

#include "archive_writer.h"
#include "content.h"
#include "fetch.h"
#include "progress.h"
#include "spool.h"

struct pack {
    struct archive_writer *archive; // borrowed
    struct progress *progress;      // borrowed
    struct layout layout;           // of the instance
    bool ignore_failed_read;        // keys that cannot be read are left out
    bool is_exact;                  // tell also what keys, values and links do not
    const char *below;        // borrowed; in front of all paths, ends with '/'; NULL = nothing
    struct content *content;  // owned; of what is in the archive so far
    struct spool spool;       // the value whose pieces are coming in
    struct buf refs;          // of its blobs: digests
    struct exact_sizes sizes; // of its blobs
    uint64_t largest;         // bytes of the largest one
    bool is_canonical;        // would a restore cut it into the same ones?
    struct buf path;          // scratch: of the entry that is written
    struct archive_end done;  // what is in the archive so far
};

void pack_init(struct pack *p, const struct layout *layout, struct progress *progress);
void pack_fini(struct pack *p);

/* A directory entry with one attribute (exact.h).  path: as in walk items; "" is the root.  attribute NULL: the
 * directory exists, whatever is in it. */
int pack_mark(struct pack *p, const char *path, const char *attribute, const void *value,
              size_t size, struct err *err);

/* After the last item: p->done is complete. */
void pack_finish(struct pack *p);

/* One item of the walk, neither WAIT nor END.  -errno with text. */
int pack_item(struct pack *p, const struct walk_item *item, struct err *err);
/* All items of a walk. */
int pack_walk(struct pack *p, struct fetch *fetch, struct err *err);

#endif
