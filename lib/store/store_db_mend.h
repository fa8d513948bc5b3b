/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_mend.h - changes of content.sqlite that only a repair makes (fsck_repair.h). */
#ifndef XYLEM_STORE_DB_MEND_H
#define XYLEM_STORE_DB_MEND_H

#include "store_db.h"

/* Inside a transaction, like the writes of store_db.h: the checkpoint `old` names another root, or is
 * removed (NULL).  One that is not there is fine. */
int store_db_mend_checkpoint(struct store_db *db, const struct checkpoint *old,
                             const struct digest *root);

#endif
