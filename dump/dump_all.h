/* SPDX-License-Identifier: MPL-2.0 */
/* dump_all.h - xylem-dump --all: every namespace and every checkpoint goes into one archive, each as a section. */
#ifndef XYLEM_DUMP_ALL_H
#define XYLEM_DUMP_ALL_H

#include "dump_since.h"
#include "section.h"
#include "source.h"

struct dump_all {
    struct depot *depot;      // borrowed
    size_t maxreqs;           // requests under way at the same time
    struct section *sections; // owned array, in the order of the archive
    size_t count;
    size_t namespaces, checkpoints; // that were written
    struct walk *walk;              // owned; through the section that is written, or NULL
    struct fetch fetch;             // feeds walk
    struct since since;             // of a section of what is different
};

/* Find all there is.  *source: the root of primary.  -errno with text. */
int dump_all_open(struct dump_all *a, struct depot *depot, size_t maxreqs, struct source *source,
                  struct err *err);
void dump_all_close(
    struct dump_all *a); // after the depot was closed; harmless without dump_all_open()

/* Write all sections. */
int dump_all_write(struct dump_all *a, struct pack *pack, struct err *err);

#endif
