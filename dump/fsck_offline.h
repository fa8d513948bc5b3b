/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_offline.h - xylem-fsck on a state directory. */
#ifndef XYLEM_FSCK_OFFLINE_H
#define XYLEM_FSCK_OFFLINE_H

#include "fsck_report.h"

/* rootref: check this tree alone; NULL = all.  Without `repair` nothing is changed, and a broker may
 * use the directory.  -EBUSY with `repair`: one does.  -EINVAL rootref is none, or of another
 * algorithm; other -errno; all with text. */
int fsck_offline(const char *statedir, const char *rootref, bool repair, struct fsck_report *report,
                 struct fsck_stats *ret, struct err *err);

#endif
