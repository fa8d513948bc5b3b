/* SPDX-License-Identifier: MPL-2.0 */
/* basis.h - the tree that an incremental archive was made against, as far as the archive changes it. */
#ifndef XYLEM_BASIS_H
#define XYLEM_BASIS_H

#include "build.h"
#include "depot.h"

/* After all changes have been noted: note what the tree of `root` has beside them.  Directories in which
 * nothing changes are noted as they are and not read, so the cost is that of the directories on the way to
 * what changes.  -errno with text: one of those cannot be loaded. */
int basis_add(struct build *b, struct depot *d, const struct digest *root, struct err *err);

#endif
