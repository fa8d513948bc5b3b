/* SPDX-License-Identifier: MPL-2.0 */
/* value_feed.h - the bytes of a value, from the cache to somebody who takes them at his own pace: joined to
 * one object, or piece by piece. */
#ifndef XYLEM_VALUE_FEED_H
#define XYLEM_VALUE_FEED_H

#include "content.h"
#include "treeobj.h"

struct value_feed;

struct value_feed_ops {
    /* Can a piece of so many bytes be taken now?  If not: value_feed_resume() later. */
    bool (*has_room)(void *arg, size_t bytes);
    /* The next one, a val; borrowed. */
    void (*give)(void *arg, const struct treeobj *piece);
    /* The end, after which the feed is gone: 0, or -errno and text. */
    void (*done)(void *arg, int rc, const char *text);
};

enum value_feed_form {
    VALUE_FEED_JOINED, // one piece
    VALUE_FEED_PIECES, // each blob of a valref by itself
};

/* value: a val or valref (borrowed).  from: for PIECES: leave out so many bytes of a val, so many refs of a
 * valref.  The ops may be called before this returns; *ret (the caller's) is set before that, and is
 * valid until done().  Everything else is borrowed. */
void value_feed_start(enum digest_alg alg, struct content *content, const struct treeobj *value,
                      enum value_feed_form form, size_t from, const struct value_feed_ops *ops,
                      void *arg, struct value_feed **ret);
void value_feed_resume(struct value_feed *f);
/* No op will be called any more.  *f becomes NULL; NULL is fine. */
void value_feed_abandon(struct value_feed **f);

#endif
