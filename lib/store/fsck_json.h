/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_json.h - what a check tells, as JSON: for the stream of content-backing.fsck and for
 * xylem-fsck --json (normative: xylem-message(7), xylem-fsck(1)). */
#ifndef XYLEM_FSCK_JSON_H
#define XYLEM_FSCK_JSON_H

#include "fsck.h"
#include <jansson.h>

/* {"root":NAME,"type":TYPE,"key":KEY,"object":OBJECT,"problem":PROBLEM,"blobref":REF}; type is
 * "namespace", "checkpoint", "rootref", or "none" with an empty root and key. */
json_t *fsck_finding_to_json(enum digest_alg alg, const struct fsck_finding *finding);

/* {"blobs":N,"bytes":N,"keys":N,"damaged":N,"lost":N,"lost_in_checkpoints":N,"findings":N,
 *  "complete":BOOL} */
json_t *fsck_stats_to_json(const struct fsck_stats *stats);
/* -EPROTO. */
int fsck_stats_from_json(const json_t *json, struct fsck_stats *ret);

#endif
