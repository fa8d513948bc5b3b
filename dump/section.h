/* SPDX-License-Identifier: MPL-2.0 */
/* section.h - one tree in an archive of all that an instance knows: the root of a namespace, or a checkpoint
 * (xylem-dump(1), "Exact archives").  Pure. */
#ifndef XYLEM_SECTION_H
#define XYLEM_SECTION_H

#include "depot.h"
#include "intake.h"

enum section_kind { SECTION_NAMESPACE, SECTION_CHECKPOINT };

struct section {
    enum section_kind kind;
    enum digest_alg alg;          // of root and since
    char ns[DEPOT_NAMESPACE_MAX]; // NAMESPACE: its name
    uint32_t owner;               // NAMESPACE: uid
    uint64_t index;               // CHECKPOINT: 1 = the newest
    double timestamp;             // CHECKPOINT: seconds since the epoch
    int64_t sequence;             // of the root
    struct digest root;           // of the tree
    bool has_since;               // CHECKPOINT: there is only what is different
    struct digest since;          // from the tree of this root, which is that of an earlier section
};

/* Append the path of its entry, with a '/' at its end: no two sections have the same. */
void section_format_path(const struct section *s, struct buf *out);

/* Append what is said of it, as JSON. */
void section_encode(const struct section *s, struct buf *out);
/* -EPROTO with text. */
int section_decode(const char *json, size_t size, struct section *ret, struct err *err);

/* ---- one namespace of an archive ---- */

struct section_pick {
    const char *ns;        // borrowed; the one that is wanted
    struct intake *intake; // borrowed
    bool is_found;         // was it there?
    struct section found;  // what is said of it
};

/* Before intake_run(): only what is in this namespace is taken in, with its keys as they are in it. */
void section_pick_init(struct section_pick *p, const char *ns, struct intake *intake);
/* After it.  -ENOENT with text: the archive has no such namespace. */
int section_pick_check(const struct section_pick *p, struct err *err);

#endif
