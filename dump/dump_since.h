/* SPDX-License-Identifier: MPL-2.0 */
/* dump_since.h - xylem-dump --since: what is different from another root goes into the archive. */
#ifndef XYLEM_DUMP_SINCE_H
#define XYLEM_DUMP_SINCE_H

#include "archive_tree.h"
#include "batch.h"
#include "changes.h"
#include "pack.h"

struct since {
    const char *text;        // borrowed; as given: a blobref or the path of an archive, or ""
    struct depot *depot;     // borrowed
    struct progress reading; // of the archive, which is not told
    size_t maxreqs;          // requests under way at the same time
    struct digest root;      // that the restore of the archive will start from
    struct digest old; // the tree that is compared; root, or what is really in an archive of it
    bool is_whole;     // text is the path of an archive that has all of it
    bool is_open;      // tree is valid
    bool is_read;      // and its directories are there
    struct archive_tree tree; // of the archive
    struct changes changes;
    struct batch batch;    // values on their way
    struct buf removed;    // a list of keys (exact.h) that are no more
    uint64_t removed_keys; // so far: values and links that are no more
};

/* Find the root.  text, program (its name): borrowed.  -errno with text: it names none, or one that nothing can be compared with. */
int since_open(struct since *s, const char *text, struct depot *depot, size_t maxreqs,
               const char *program, struct err *err);
void since_close(struct since *s); // after the depot was closed; harmless without since_open()

/* Write all entries. */
int since_dump(struct since *s, const struct digest *new_root, struct pack *pack, struct err *err);

#endif
