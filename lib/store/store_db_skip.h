/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_skip.h - past rows that SQLite cannot read. */
#ifndef XYLEM_STORE_DB_SKIP_H
#define XYLEM_STORE_DB_SKIP_H

#include "store_db_priv.h"

/* st selects rows with ?1 <= id <= ?2 by id.  1: it is at one, and *after is where that was found from;
 * 0: there are none, *after is upto; -EAGAIN: after max_failures, *after is where to go on; -errno.
 * *failures: of this gap, 0 at first. */
int store_db_probe(sqlite3_stmt *st, int64_t *after, int64_t upto, uint64_t *failures,
                   int max_failures);

#endif
