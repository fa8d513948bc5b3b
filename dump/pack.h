/* SPDX-License-Identifier: MPL-2.0 */
/* pack.h - what a walk yields becomes entries of an archive. */
#ifndef XYLEM_PACK_H
#define XYLEM_PACK_H

#include "archive_writer.h"
#include "content.h"
#include "layout.h"
#include "progress.h"
#include "spool.h"
#include "walk.h"

struct pack {
    struct archive_writer *archive; // borrowed
    struct progress *progress;      // borrowed
    struct layout layout;           // of the instance
    bool ignore_failed_read;        // keys that cannot be read are left out
    struct content *content;        // owned; of what is in the archive so far
    struct spool spool;             // the value whose pieces are coming in
    struct buf refs;                // of its blobs: digests
    bool is_canonical;              // would a restore cut it into the same ones?
    struct archive_end done;        // what is in the archive so far; is_exact: of values and links
};

void pack_init(struct pack *p, const struct layout *layout, struct progress *progress);
void pack_fini(struct pack *p);

/* After the last item: p->done is complete. */
void pack_finish(struct pack *p);

/* One item of the walk, neither WAIT nor END.  -errno with text. */
int pack_item(struct pack *p, const struct walk_item *item, struct err *err);

#endif
