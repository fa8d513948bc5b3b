/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_live.h - xylem-fsck on a running instance: rank 0 checks, and what is lost is moved by commits. */
#ifndef XYLEM_FSCK_LIVE_H
#define XYLEM_FSCK_LIVE_H

#include "fsck_report.h"

/* uri: NULL = $XYLEM_URI; rootref: check this tree alone, NULL = all.  -errno with text; with `repair`
 * also when a root is lost or the KVS does not run: then nothing more is changed. */
int fsck_live(const char *uri, const char *rootref, bool repair, struct fsck_report *report,
              struct fsck_stats *ret, struct err *err);

#endif
