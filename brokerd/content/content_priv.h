/* SPDX-License-Identifier: MPL-2.0 */
/* content_priv.h - what the files of the content service share:
 *
 * content.c        the topics
 * content_below.c  what the cache asks of the parent, or of the store
 */
#ifndef XYLEM_CONTENT_PRIV_H
#define XYLEM_CONTENT_PRIV_H

#include "content.h"
#include "list.h"
#include "salvage.h"
#include "spares.h"

#define CONTENT_PUT_TOPIC "content.put."
#define CONTENT_VERIFY_TOPIC "content.verify"

struct content {
    struct content_conf conf;
    struct router *router;      // borrowed
    struct store *store;        // borrowed; NULL: rank > 0, or no backing
    struct cache *cache;        // owned
    struct salvage *salvage;    // owned
    struct loop *loop;          // borrowed
    struct loop_timer retry;    // puts that failed are tried again (write-back)
    struct loop_timer age;      // of the cache's trust
    unsigned flushes;           // under way
    struct list held;           // stores that wait for their end: struct pending
    struct spares pendings;     // struct pending
    struct spares belows;       // struct below
    void (*on_drop)(void *arg); // may be NULL
    void *on_drop_arg;          // borrowed
    struct content_stats stats;
};

/* --- content_below.c --- */
extern const struct cache_ops content_below;
/* Do the bytes match?  Logs a mismatch. */
bool content_verify(struct content *c, const struct digest *d, const struct blob *b);
/* Have the parent look at its own bytes: those that came from there do not match. */
void content_doubt(struct content *c, const struct digest *d);
void content_retry_puts(void *content);

#endif
