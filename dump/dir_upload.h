/* SPDX-License-Identifier: MPL-2.0 */
/* dir_upload.h - make the directories of a build and store them. */
#ifndef XYLEM_DIR_UPLOAD_H
#define XYLEM_DIR_UPLOAD_H

#include "build.h"
#include "intake.h"
#include "target.h"

struct dir_upload {
    struct build *build;   // borrowed; finished by dir_upload_run()
    struct upload *upload; // borrowed
    struct intake *intake; // borrowed; counts and tells what is left out
    size_t blob_size;      // bytes; larger directories are kept for the last transaction
    bool is_checkpoint;    // there is none: larger directories are an error
};

/* When it returns 0 all is stored but tree->wide; root, dir, wide and newest of *tree are set.  -errno with
 * text: of build_finish(), or a store failed; -EFBIG: see above. */
int dir_upload_run(const struct dir_upload *u, struct target_tree *tree, struct build_result *ret,
                   struct err *err);

#endif
