/* SPDX-License-Identifier: MPL-2.0 */
/* restore_all.h - xylem-restore --all: namespaces and checkpoints as an archive of all of them has them. */
#ifndef XYLEM_RESTORE_ALL_H
#define XYLEM_RESTORE_ALL_H

#include "job.h"
#include "layers.h"
#include "section.h"
#include "target.h"

#define RESTORE_ALL_PRIMARY "primary"

/* What a section has become. */
struct restored {
    struct section section;
    struct target_tree tree;
    bool is_same;             // its root is what it should be
    bool is_left_out;         // CHECKPOINT: it is not, and does not become visible
    bool is_there;            // NAMESPACE: there is one of that name already
    struct depot_root before; // NAMESPACE: its root, if is_there
};

struct restore_all {
    struct job job;           // the depot, and what is said
    size_t maxreqs;           // stores under way at the same time
    bool no_verify;           // restore also what is not what the archive says it is
    bool as_json;             // a summary on stdout
    int64_t started_ms;       // monotonic
    int fd;                   // of the archive
    struct intake intake;     // the archive being read
    struct upload upload;     // blobs on their way
    struct layers layers;     // what is made of the last one of `list`
    bool is_making;           // layers is in use
    bool has_kvs;             // a key-value store has the namespaces
    const char *not_verified; // why the roots tell nothing; NULL: they do
    struct restored *list;    // owned array, in the order of the archive
    size_t count;
    uint64_t checkpoints; // sections that cannot be restored here
    uint64_t keys;        // in all sections
    uint64_t bytes;       // of their values
};

/* The members before started_ms are set; the job is initialised.  Returns the exit status, after a message if it
 * is not 0. */
int restore_all(struct restore_all *a, const char *path);

/* ---- restore_all.c and restore_all_write.c ---- */

/* ns: "" for a checkpoint; index: 0 for a namespace.  NULL: it is not in the archive. */
const struct restored *restore_all_find(const struct restore_all *a, enum section_kind kind,
                                        const char *ns, uint64_t index);
/* Make all visible.  -errno with text. */
int restore_all_write(struct restore_all *a, struct err *err);

#endif
