/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_walk.h - look-ups in progress at this rank: lookup.h fed from the content cache.
 * Directories are parsed once and kept (dircache.h); what is at hand is answered at once. */
#ifndef XYLEM_KVS_WALK_H
#define XYLEM_KVS_WALK_H

#include "content.h"
#include "lookup.h"

struct walker;

struct walker_ops {
    /* The root of a namespace, or NULL: then walker_root_known() or walker_root_failed() follows. */
    const struct digest *(*root)(void *arg, const char *ns);
};

struct walker *walker_new(enum digest_alg alg, struct router *router, struct content *content,
                          const struct walker_ops *ops, void *arg);
/* Look-ups in progress are dropped unanswered. */
void walker_free(struct walker **w);

/* Run *l (consumed) and answer req: {"val":TREEOBJ}. */
void walker_start(struct walker *w, struct request *req, struct lookup **l);

void walker_root_known(struct walker *w, const char *ns);
void walker_root_failed(struct walker *w, const char *ns, int errnum, const char *text);

/* Forget parsed directories. */
void walker_drop_cache(struct walker *w);

#endif
