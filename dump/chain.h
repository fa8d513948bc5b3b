/* SPDX-License-Identifier: MPL-2.0 */
/* chain.h - archives that are read one after the other into one tree: a full one, or none, and what was
 * different since, in order. */
#ifndef XYLEM_CHAIN_H
#define XYLEM_CHAIN_H

#include "section.h"

struct chain {
    struct intake *intake;    // borrowed
    char *const *paths;       // borrowed array; "-" = standard input
    size_t count;             // paths
    const char *ns;           // borrowed; of an archive of all namespaces: the one that is wanted
    struct section_pick pick; // of such an archive
    struct archive_reader *reader; // owned; the one being read, or the last one
    int fd;                        // of reader
    size_t next;                   // paths[next] is read next
    bool has_root;                 // is it known what the last one gives?
    enum digest_alg alg;           // of root
    struct digest root;            // what the last one gives
    bool is_exact;                 // each says that a restore of it gives its root
    bool has_base;                 // the first one is of what is different
    struct digest base;            // from this root, which is one of base_alg
    enum digest_alg base_alg;
};

void chain_init(struct chain *c, struct intake *intake, char *const *paths, size_t count);
void chain_fini(struct chain *c);

/* Open the first one, to see what it is: then has_base is known.  -errno with text, naming the archive. */
int chain_open(struct chain *c, struct err *err);

/* Read all of them; afterwards all has been stored and is known to the build.  -errno with text, naming the
 * archive: of archive_reader_open() or intake_run(); -EINVAL: one does not follow from that before it. */
int chain_run(struct chain *c, struct err *err);

/* What the first / the last one says about itself; NULL: nothing.  Borrowed. */
const struct archive_header *chain_header(const struct chain *c);
const struct archive_end *chain_end(const struct chain *c);

#endif
