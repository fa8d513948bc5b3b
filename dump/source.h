/* SPDX-License-Identifier: MPL-2.0 */
/* source.h - which root a dump shows, and of what time. */
#ifndef XYLEM_SOURCE_H
#define XYLEM_SOURCE_H

#include "blobref.h"
#include "depot.h"

struct source {
    enum digest_alg alg;       // of the depot
    struct digest root;        // of the tree to show
    char rootref[BLOBREF_MAX]; // the same as text
    int64_t mtime;             // seconds since the epoch, for all entries
    const char *ns;            // borrowed; its namespace, NULL = not known
    bool has_sequence;         // is it known?
    int64_t sequence;          // of the root in its namespace
};

/* What is no blobref: may it be the path of an archive?  -EINVAL with text: it is like a blobref, or a tree
 * object. */
int source_check_text(const char *text, struct err *err);

/* Is it stored, and a root?  -ENOENT, -EPROTO with text, and others. */
int source_check_stored(struct depot *d, const struct digest *root, struct err *err);

/* The current root of a namespace (borrowed), and now. */
int source_live(struct source *s, struct depot *d, const char *ns, struct err *err);

/* Any root, and now.  ns: said to be its namespace (borrowed), or NULL.  -EINVAL: no blobref of this
 * depot. */
int source_root(struct source *s, struct depot *d, const char *rootref, const char *ns,
                struct err *err);

/* The newest checkpoint and its time; needs no key-value store.  -ENOENT: there is none; -ENOSYS: rank 0 has
 * no backing store. */
int source_checkpoint(struct source *s, struct depot *d, struct err *err);

#endif
