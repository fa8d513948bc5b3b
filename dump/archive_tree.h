/* SPDX-License-Identifier: MPL-2.0 */
/* archive_tree.h - the tree that a restore of an archive would make, without a place where it would go: values
 * are only the names of their blobs, and directories stay in memory.  No depot is needed.
 *
 *     open, look at the header, read, find directories, close
 *
 * Of an archive of all that an instance knows it is the tree of the primary namespace.
 */
#ifndef XYLEM_ARCHIVE_TREE_H
#define XYLEM_ARCHIVE_TREE_H

#include "build.h"
#include "intake.h"
#include "layout.h"
#include "map.h"

enum archive_tree_keep {
    ARCHIVE_TREE_ROOT, // only what the root is called; of an archive of all, every tree in it
    ARCHIVE_TREE_DIRS, // the blobs of all directories, for archive_tree_find()
    ARCHIVE_TREE_RECUT // the same, and values are cut by their size alone, however they were stored
};

struct archive_tree {
    const char *path;              // borrowed; "-": standard input
    int fd;                        // of the file
    struct archive_reader *reader; // owned
    struct progress *progress;     // borrowed
    struct layout layout;          // of the tree
    enum archive_tree_keep keep;
    struct build_result result; // root, and how much is below it, or in all trees
    struct err
        wrong_root; // of all trees: one is not that of the root which is said of it; code 0: none
    struct digest content; // of all entries (content.h), in this layout
    uint64_t skipped;      // entries that have no place in a tree, and were told
    struct map dirs;       // DIRS: owned; by digest
};

/* path: borrowed.  Also after a failure: archive_tree_close().  -errno with text that names the path. */
int archive_tree_open(struct archive_tree *t, const char *path, struct progress *progress,
                      struct err *err);
void archive_tree_close(struct archive_tree *t);

/* As archive_reader_header() and, after it was read, archive_reader_end(). */
const struct archive_header *archive_tree_header(const struct archive_tree *t);
const struct archive_end *archive_tree_end(const struct archive_tree *t);

/* Read all of it, once.  layout: NULL = that of the header, which has to be there then (-ENOTSUP).  -errno with
 * text that names the path. */
int archive_tree_read(struct archive_tree *t, const struct layout *layout,
                      enum archive_tree_keep keep, struct err *err);

/* Go to the end of it instead, without looking at what is in it. */
int archive_tree_skim(struct archive_tree *t, struct err *err);

/* The blob of a directory, or of a part of a wide one; borrowed.  false: there is none of that name. */
bool archive_tree_find(const struct archive_tree *t, const struct digest *d, const void **ret_data,
                       size_t *ret_size);

#endif
