/* SPDX-License-Identifier: MPL-2.0 */
/* flux_store.h - reading the content.sqlite that the module content-sqlite of Flux keeps in its state
 * directory.  Nothing is written, not beside the file either.  Blocking; used by one thread at a time. */
#ifndef XYLEM_FLUX_STORE_H
#define XYLEM_FLUX_STORE_H

#include "blob.h"
#include "checkpoint.h"
#include "digest.h"
#include "xerr.h"

struct flux_store;

/* Whose is STATEDIR/content.sqlite?  0: one of Xylem, for store_db_open(); 1: of somebody else, for
 * flux_store_open(), which may refuse it.  -ENOENT: there is none; -EILSEQ: no SQLite database. */
int flux_store_detect(const char *statedir, struct err *err);

/* Until it is closed, no Flux can write there.  -EBUSY: one does, or another program has the file open;
 * -EILSEQ: damaged, not of Flux, or left in the middle of a write to a rollback journal.  What a crash has
 * left in a write-ahead log is read. */
int flux_store_open(struct flux_store **ret, const char *statedir, struct err *err);
void flux_store_close(struct flux_store **s); // NULL is fine

/* Of all blobs.  sha1, Flux's default, when nothing in the file tells. */
enum digest_alg flux_store_alg(const struct flux_store *s);

/* Verified bytes.  -ENOENT; -EIO damaged or unreadable; -ENOMEM; the text does not name the blob. */
int flux_store_load(struct flux_store *s, const struct digest *d, struct blob **ret,
                    struct err *err);

/* The newest first; at most 1024.  *ret: malloc()ed array, NULL when there are none.  Those that cannot be
 * understood are left out; but -EPROTO with text if that is the newest. */
int flux_store_checkpoints(struct flux_store *s, struct checkpoint **ret, size_t *ret_count,
                           struct err *err);

#endif
