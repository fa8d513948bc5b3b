/* SPDX-License-Identifier: MPL-2.0 */
/* dump_diff.h - xylem-dump --diff: what is different between two archives, two roots, or one of each. */
#ifndef XYLEM_DUMP_DIFF_H
#define XYLEM_DUMP_DIFF_H

#include "filter.h"
#include "job.h"

struct dump_diff {
    struct job job;              // a depot is only opened when a root is compared
    const char *old;             // borrowed; a blobref, or the path of an archive
    const char *new;             // likewise
    const struct filter *filter; // borrowed; which keys are compared
    size_t maxreqs;              // requests under way at the same time
    bool as_json;                // a line of JSON for each key
};

/* Prints a line for each key; returns the exit status, after a message if it is not 0. */
int dump_diff(struct dump_diff *d);

#endif
