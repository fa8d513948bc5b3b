/* SPDX-License-Identifier: MPL-2.0 */
/* link_text.h - the target of a symbolic link as archives have it: "KEY", or "NS::KEY" into another
 * namespace. */
#ifndef XYLEM_LINK_TEXT_H
#define XYLEM_LINK_TEXT_H

#include "buf.h"
#include "treeobj.h"

void link_text_format(const struct treeobj *link, struct buf *out);

/* -EINVAL with text: not UTF-8, empty, or too long. */
int link_text_parse(const char *text, struct treeobj **ret, struct err *err);

/* Is the link the same after both? */
bool link_text_is_exact(const struct treeobj *link);

#endif
