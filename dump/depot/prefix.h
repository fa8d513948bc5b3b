/* SPDX-License-Identifier: MPL-2.0 */
/* prefix.h - the object at a key of a tree, read from its blobs: no key-value store needs to run. */
#ifndef XYLEM_PREFIX_H
#define XYLEM_PREFIX_H

#include "depot.h"

/* key: text, in the tree of namespace `ns` (NULL: not known).  Links on the way are followed, one at the end
 * is not.  *ret: a new reference.  -ENOENT and others of xylem_lookup(), with text that names the key. */
int prefix_find(struct depot *d, const char *ns, const struct digest *root, const char *key,
                struct treeobj **ret, struct err *err);

#endif
