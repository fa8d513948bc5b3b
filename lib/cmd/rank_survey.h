/* SPDX-License-Identifier: MPL-2.0 */
/* rank_survey.h - ask the ranks of a tree how they are, each and in parallel. */
#ifndef XYLEM_RANK_SURVEY_H
#define XYLEM_RANK_SURVEY_H

#include "rank_tree.h"
#include "xylem.h"

/* From the top down, SURVEY_WINDOW of them at a time.  One that has not answered after answer_ms is left
 * out, with the reason, and so are all after total_ms (-1: no limit).  Finishes the tree.  A
 * negative errno when the connection breaks. */
#define SURVEY_WINDOW 64
int rank_survey(xylem_t *x, struct rank_tree *t, int64_t answer_ms, int64_t total_ms);

#endif
