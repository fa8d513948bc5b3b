/* SPDX-License-Identifier: MPL-2.0 */
/* rootcheck.h - is that blob there, and is it a directory?  Asked before a root or a checkpoint that a
 * client names is made durable: one that leads nowhere would keep the next start from finding the rest. */
#ifndef XYLEM_ROOTCHECK_H
#define XYLEM_ROOTCHECK_H

#include "content.h"

/* Embedded in the asker's own struct. */
struct rootcheck {
    struct content_waiter waiter;
    enum digest_alg alg;
    /* Exactly once, maybe from inside rootcheck_start().  0, -ENOENT, -EPROTO (no directory), -EIO ... */
    void (*fn)(struct rootcheck *c, int rc);
};

void rootcheck_start(struct rootcheck *c, struct content *content, enum digest_alg alg,
                     const struct digest *root, void (*fn)(struct rootcheck *c, int rc));

#endif
