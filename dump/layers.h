/* SPDX-License-Identifier: MPL-2.0 */
/* layers.h - make a tree of any size in bounded memory: whenever much has been noted, it becomes a tree, which
 * is the basis of what is noted from then on. */
#ifndef XYLEM_LAYERS_H
#define XYLEM_LAYERS_H

#include "build.h"
#include "intake.h"
#include "target.h"

#define LAYERS_NOTES_MAX (64 * 1024 * 1024) // bytes of notes

struct layers {
    struct depot *depot;        // borrowed; where directories are stored
    struct upload *upload;      // borrowed; the way there
    struct intake *intake;      // borrowed; notes into `build`, and counts what is left out
    struct build *build;        // owned; the layer that is being noted
    size_t notes_max;           // bytes of notes that make a layer
    size_t largest_entry;       // bytes of one in a directory, at most, in all layers so far
    bool is_checkpoint;         // no transaction could bring a directory larger than a blob
    bool is_difference;         // what is read is what is different from the basis
    bool has_basis;             // is there something below?
    struct digest basis;        // root of it
    struct build_result result; // of all layers so far; a key in more than one counts in each
};

/* intake: has been initialised, its build comes from here. */
void layers_init(struct layers *l, struct depot *depot, struct upload *upload,
                 struct intake *intake);
void layers_fini(struct layers *l);

/* Before anything is noted: the tree that all is put on. */
void layers_set_basis(struct layers *l, const struct digest *root);

/* The last layer.  When it returns 0 all is stored but tree->wide; root, dir, wide and newest of *tree are set,
 * and l->result.  -errno with text: of build_finish(), a store failed, or a directory of the basis cannot be
 * loaded; -EFBIG: see above. */
int layers_finish(struct layers *l, struct target_tree *tree, struct err *err);

#endif
