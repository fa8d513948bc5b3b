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

/* Run *l (consumed) and tell fn, once: rc 0 and the object (borrowed), or -errno and text.  It may be
 * called before this returns; *ret (the caller's) is set before that, and valid until then. */
struct walk;
typedef void (*walk_fn)(void *arg, int rc, const char *text, const struct treeobj *object);
void walker_look(struct walker *w, struct lookup **l, walk_fn fn, void *arg, struct walk **ret);
/* fn is not to be called any more.  *walk becomes NULL; NULL is fine. */
void walk_abandon(struct walk **walk);

/* The JSON {"val":TREEOBJ} with its NUL. */
struct blob *walk_encode(enum digest_alg alg, const struct treeobj *object);

void walker_root_known(struct walker *w, const char *ns);
void walker_root_failed(struct walker *w, const char *ns, int errnum, const char *text);

/* Forget parsed directories. */
void walker_drop_cache(struct walker *w);

#endif
