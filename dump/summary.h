/* SPDX-License-Identifier: MPL-2.0 */
/* summary.h - --json: what was done, as one object on a line. */
#ifndef XYLEM_SUMMARY_H
#define XYLEM_SUMMARY_H

#include "base.h"

#include <stdio.h>

struct summary {
    uint64_t keys;     // values and links
    uint64_t bytes;    // of the values
    const char *root;  // blobref
    const char *ns;    // NULL: none, or not known
    bool has_sequence; // is it known?
    int64_t sequence;  // of the root
    const char *kind;  // of the archive; NULL: not known
    uint64_t failed;   // keys left out, or entries skipped
    bool has_removed;  // is it of what is different?
    uint64_t removed;  // keys that are no more
    bool has_sections; // is it of all there is?
    size_t namespaces, checkpoints;
    enum { SUMMARY_UNASKED, SUMMARY_NO, SUMMARY_YES } verified;
    int64_t started_ms; // monotonic
};

/* 0, or -errno: it cannot be written. */
int summary_print(const struct summary *s, FILE *to);

#endif
