/* SPDX-License-Identifier: MPL-2.0 */
/* intake.h - the entries of an archive become blobs (upload) and names (build). */
#ifndef XYLEM_INTAKE_H
#define XYLEM_INTAKE_H

#include "archive_reader.h"
#include "build.h"
#include "content.h"
#include "filter.h"
#include "rename.h"
#include "progress.h"
#include "upload.h"

/* A section begins; json: what it says of itself.  -errno with text ends intake_run(). */
typedef int (*intake_section_fn)(void *arg, const char *json, size_t size, struct err *err);

struct intake {
    struct archive_reader *archive; // borrowed
    struct build *build;            // borrowed
    struct upload *upload;          // borrowed
    struct progress *progress;      // borrowed
    const struct filter *filter;    // borrowed; NULL = everything
    const struct rename *rename;    // borrowed; NULL = keys are as in the archive
    const struct key *target;       // borrowed; where the tree goes, NULL = the root
    struct content *content;      // borrowed; with an upload to nowhere: gets all entries; or NULL
    bool no_verify;               // the header may have been changed
    bool recut;                   // values are cut by their size alone, whatever the archive tells
    intake_section_fn on_section; // NULL: sections are directories like others
    void *section_arg;            // of on_section
    bool skip_section;            // on_section() sets it: what is in this section is not wanted
    uint64_t size_limit;          // larger values are skipped; 0 = no limit
    size_t blob_size;             // values above this many bytes are cut into blobs
    uint64_t skipped;             // entries that were not restored, and told
    uint64_t filtered;            // entries that were not asked for
    uint64_t wanted;              // values and links that were
    bool *fitted;   // borrowed; of each rule of `rename`: has it fitted a key? or NULL
    int64_t newest; // latest mtime of all entries, seconds since the epoch
    int (*on_entry)(void *arg, struct err *err); // between two entries, may put another build into
    void *on_entry_arg; // `build`; a negative return ends intake_run(); or NULL
    struct buf bytes;   // scratch: the blob being read
    char *section;      // owned; path of the section that is read, ends with '/'; NULL = none
};

void intake_init(struct intake *in, struct build *b, struct upload *u, struct progress *p);
void intake_fini(struct intake *in);

/* Read in->archive to its end.  When on_section() is called, all before has been stored and is known to the build,
 * and it may put another build in its place; paths are relative to the section from then on, and there must be
 * nothing outside of sections.
 *  Entries that have no place in a key-value store are skipped with a
 * warning.  When it returns 0 all values have been stored and are known to the build.
 * -errno with text: the archive is damaged, a path leads out of it (-EINVAL), or a store failed. */
int intake_run(struct intake *in, struct err *err);

/* Warn about an entry and count it. */
void intake_skip(struct intake *in, const char *path, const char *why);

#endif
