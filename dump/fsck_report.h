/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_report.h - what xylem-fsck prints: findings and repairs on stdout, the sum on stderr; or all
 * of it as one JSON object on stdout. */
#ifndef XYLEM_FSCK_REPORT_H
#define XYLEM_FSCK_REPORT_H

#include "fsck.h"
#include "xerr.h"

#include <jansson.h>

struct fsck_report {
    const char *program;
    bool as_json;
    bool quiet;
    bool verbose;
    bool has_items;  // JSON: the list that is open has some
    json_t *repairs; // owned array; NULL: nothing is to be repaired
    uint64_t stuck;  // losses that could not be repaired
};

/* A finding as fsck_json.h has it (borrowed). */
void fsck_report_finding(struct fsck_report *r, const json_t *finding);

/* What was done to a tree: a sentence, and an object with the same (consumed). */
void fsck_report_repair(struct fsck_report *r, const char *root, const char *text, json_t **json);

/* "PROGRAM: TEXT" on stderr, also when quiet. */
void fsck_report_warn(struct fsck_report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* With --verbose: how far it has come. */
void fsck_report_progress(struct fsck_report *r, const char *state, uint64_t blobs, uint64_t keys);

/* The sum, and the end of the output. */
void fsck_report_finish(struct fsck_report *r, const struct fsck_stats *stats);

/* The end when it could not be done: the text is on stderr too. */
void fsck_report_fail(struct fsck_report *r, const char *text);

void fsck_report_fini(struct fsck_report *r);

#endif
