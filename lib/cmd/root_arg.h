/* SPDX-License-Identifier: MPL-2.0 */
/* root_arg.h - a root as people name it, and the history it may be in. */
#ifndef XYLEM_ROOT_ARG_H
#define XYLEM_ROOT_ARG_H

#include "cmd.h"

/* The namespace commands work in: -N, or the default. */
const char *root_arg_namespace(void);

/* Versions of that namespace after `since`, oldest first: of kvs.history, a JSON array to be
 * json_decref()ed.  count: the first ones only; 0: all.  NULL after a message. */
#define ROOT_ARG_ALL INT64_MIN
struct json_t *root_arg_history(const struct opt_program *prog, xylem_t *x, int64_t since,
                                int64_t count);

/* Does it name a root: a blobref, a dirref object, or a sequence number? */
bool root_arg_is_valid(const char *text);

/* The blobref.  A sequence number is looked up in the history.  text NULL: the current root.  Exit
 * status, after a message; exits with CMD_USAGE when text is malformed. */
int root_arg_find(const struct opt_program *prog, xylem_t *x, const char *text,
                  char ret[XYLEM_BLOBREF_MAX]);

#endif
