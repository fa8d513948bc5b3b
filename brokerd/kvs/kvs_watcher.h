/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_watcher.h - one watch of a client (kvs_watch.c has all of them). */
#ifndef XYLEM_KVS_WATCHER_H
#define XYLEM_KVS_WATCHER_H

#include "kvs_json.h"
#include "kvs_priv.h"
#include "watch.h"

enum watcher_state {
    WATCHER_STARTING,
    WATCHER_LOOKING,
    WATCHER_SENDING,
    WATCHER_IDLE,
    WATCHER_ENDED,
};

struct watcher {
    struct list node;           // on kvs.watchers
    struct kvs *kvs;            // borrowed
    struct request *request;    // owned
    struct kvs_watch_spec spec; // owned
    struct watch *watch;        // owned
    enum watcher_state state;
    struct kvs_place seen;   // the version looked at last
    bool named;              // its commits have named the key, for certain
    bool is_blind;           // what it held could not be had: the next one matters in any case
    struct watch_step step;  // SENDING: what
    struct walk *walk;       // LOOKING
    struct value_feed *feed; // SENDING
    bool is_running;         // run() is further up the stack
};

/* STARTING, at the end of kvs.watchers.  Takes req; *spec is consumed. */
struct watcher *watcher_new(struct kvs *k, struct request *req, struct kvs_watch_spec *spec);
/* Whatever state it is in; nothing is answered. */
void watcher_free(struct watcher *w);

/* All that follow may free it. */

/* STARTING: look at this root, and then at what comes after it. */
void watcher_start(struct watcher *w, const struct store_root *root);
/* IDLE: look at the versions there are.  ENDED: free it. */
void watcher_run(struct watcher *w);
/* Its client reads again. */
void watcher_resume(struct watcher *w);

/* Answer the last time: ENDED.  To be followed by watcher_run() or watcher_free().  text may be NULL. */
void watcher_end(struct watcher *w, int errnum, const char *text);

#endif
