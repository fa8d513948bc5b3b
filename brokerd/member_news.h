/* SPDX-License-Identifier: MPL-2.0 */
/* member_news.h - one thing that happened to a rank's place in the tree, as JSON, and as an event:
 * xylem-message(7), "Membership".  Pure.
 *
 * News travel in batches: {"events":[NEWS,...]} is what ranks tell their parents, what rank 0 announces
 * under MEMBER_NEWS_BATCH, and what it keeps.  Clients get an event for each. */
#ifndef XYLEM_MEMBER_NEWS_H
#define XYLEM_MEMBER_NEWS_H

#include "msg.h"
#include "overlay.h"

#include <jansson.h>

#define MEMBER_NEWS_BATCH "overlay.members" // topic of the event between ranks
#define MEMBER_NEWS_MAX 128                 // in a batch
#define MEMBER_HOST_MAX 256                 // bytes, with the NUL

struct member_news {
    enum overlay_event what;
    uint32_t rank;   // whom it is about
    uint32_t parent; // whose child that is, or was; TOPO_NONE: nobody's, it is rank 0
    uint32_t by;     // who has noticed
    bool adopted;    // the parent is not that of the tree
    double time;     // seconds since the epoch, by the clock of `by`
    uint64_t seq;    // number that rank 0 gives it, from 1; 0: none yet
    char hostname[MEMBER_HOST_MAX]; // of `rank`; "" = not known
};

const char *member_news_word(enum overlay_event what); // "join" ...

/* A new reference. */
json_t *member_news_encode(const struct member_news *news);
/* -EPROTO; then *ret is undefined.  Ranks are below size. */
int member_news_decode(const json_t *json, uint32_t size, struct member_news *ret);

/* {"events":[...]}, a new reference. */
json_t *member_news_batch(const struct member_news *news, size_t count);

/* Is it an event that carries news? */
bool member_news_is_batch(const struct msg *event);
/* Each piece of news in it as an event of its own, borrowed by fn for the call. */
void member_news_unpack(const struct msg *batch, void (*fn)(void *arg, const struct msg *event),
                        void *arg);

#endif
