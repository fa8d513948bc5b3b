/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_mend.h - changes of content.sqlite that only a repair makes (fsck_repair.h). */
#ifndef XYLEM_STORE_DB_MEND_H
#define XYLEM_STORE_DB_MEND_H

#include "store_db.h"

/* Inside a transaction, like the writes of store_db.h: the checkpoint `old` names another root, or is
 * removed (NULL).  One that is not there is fine. */
int store_db_mend_checkpoint(struct store_db *db, const struct checkpoint *old,
                             const struct digest *root);

/* Copy what can be read into a new file, with a new index, and put that in the place of the old one,
 * which becomes content.sqlite.damaged (or .damaged-2, and so on).  db was opened with conf, to write and
 * for_repair, and is open again afterwards, with the same ids.  *ret_old: malloc()ed path.  -errno with
 * text: the file is as it was, and so is db; or it is NULL, if even that failed. */
int store_db_salvage(struct store_db **db, const struct store_conf *conf, char **ret_old,
                     struct err *err);

#endif
