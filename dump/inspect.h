/* SPDX-License-Identifier: MPL-2.0 */
/* inspect.h - what an archive holds, and whether that is what it should: --list and --verify.  No rank is
 * needed. */
#ifndef XYLEM_INSPECT_H
#define XYLEM_INSPECT_H

#include "filter.h"
#include "progress.h"

struct inspect {
    bool as_json;                // lines of JSON on stdout
    const struct filter *filter; // borrowed; LIST: keys that are meant
    struct progress progress;    // stderr
};

/* path: a file, or "-".  Both return the exit status, after a message if it is not 0. */
int inspect_list(struct inspect *in, const char *path);
int inspect_verify(struct inspect *in, const char *path);

#endif
