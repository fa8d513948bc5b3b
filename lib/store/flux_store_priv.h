/* SPDX-License-Identifier: MPL-2.0 */
/* flux_store_priv.h - what the files flux_store*.c share. */
#ifndef XYLEM_FLUX_STORE_PRIV_H
#define XYLEM_FLUX_STORE_PRIV_H

#include "flux_store.h"

#include <sqlite3.h>

struct flux_store {
    char *path;           // of content.sqlite, owned
    int lock;             // descriptor that keeps writers away; -1: none
    sqlite3 *sql;         // owned
    sqlite3_stmt *load;   // owned; rows of a digest
    bool has_checkpoints; // table checkpt_v2
    bool has_old;         // table checkpt, of Flux before there was that one
    enum digest_alg alg;  // of all blobs
};

/* The algorithm of the newest checkpoint that tells one: 1; 0: none does; -errno with text. */
int flux_store_checkpoint_alg(struct flux_store *s, enum digest_alg *ret, struct err *err);

/* The error of the connection: "PATH: cannot read: ...".  -EIO, or -EILSEQ for a damaged file. */
int flux_store_fail(struct flux_store *s, struct err *err);

#endif
