/* SPDX-License-Identifier: MPL-2.0 */
/* intake.h - the entries of an archive become blobs (upload) and names (build). */
#ifndef XYLEM_INTAKE_H
#define XYLEM_INTAKE_H

#include "archive_reader.h"
#include "build.h"
#include "content.h"
#include "filter.h"
#include "rename.h"
#include "progress.h"
#include "upload.h"

struct intake {
    struct archive_reader *archive; // borrowed
    struct build *build;            // borrowed
    struct upload *upload;          // borrowed
    struct progress *progress;      // borrowed
    const struct filter *filter;    // borrowed; NULL = everything
    const struct rename *rename;    // borrowed; NULL = keys are as in the archive
    struct content *content; // borrowed; with an upload to nowhere: gets all entries; or NULL
    uint64_t size_limit;     // larger values are skipped; 0 = no limit
    size_t blob_size;        // values above this many bytes are cut into blobs
    uint64_t skipped;        // entries that were not restored, and told
    uint64_t filtered;       // values and links that were not asked for
    int64_t newest;          // latest mtime of all entries, seconds since the epoch
    struct buf bytes;        // scratch: the blob being read
};

void intake_init(struct intake *in, struct build *b, struct upload *u, struct progress *p);
void intake_fini(struct intake *in);

/* Read in->archive to its end.  Entries that have no place in a key-value store are skipped with a
 * warning.  When it returns 0 all values have been stored and are known to the build.
 * -errno with text: the archive is damaged, a path leads out of it (-EINVAL), or a store failed. */
int intake_run(struct intake *in, struct err *err);

/* Warn about an entry and count it. */
void intake_skip(struct intake *in, const char *path, const char *why);

#endif
