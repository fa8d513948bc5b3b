/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_priv.h - what fsck.c (the steps) and fsck_walk.c (the trees) share. */
#ifndef XYLEM_FSCK_PRIV_H
#define XYLEM_FSCK_PRIV_H

#include "fsck.h"
#include "hdir.h"
#include "key.h"
#include "map.h"
#include "rowset.h"
#include "treeobj.h"

enum fsck_state { STATE_BLOBS, STATE_INDEX, STATE_ROOTS, STATE_WALK, STATE_ORPHANS, STATE_DONE };

/* A row whose bytes are wrong. */
struct damaged {
    struct digest digest; // key in fsck.damaged
    int64_t id;           // of the row
    bool is_needed;       // a key needs it
};

/* A directory that is whole, with everything below it. */
struct sound {
    struct digest digest; // key in fsck.sound
    unsigned level;   // where it is sound, as in struct frame: names have other places elsewhere
    uint64_t hash;    // likewise
    uint64_t entries; // of the directory, or of the part that it is
    size_t height;    // levels of directories below it
    uint64_t keys;    // below it
};

/* A directory the walk is in, or a part of a wide one. */
struct frame {
    struct treeobj *dir;  // owned reference; a dir or an hdir
    unsigned level;       // hdirs above it in the same directory; 0: it is the directory itself
    uint64_t hash;        // bits that the hashes of all names in it begin with
    struct digest digest; // of the blob it lies in
    bool has_blob;        // of its own: it is not part of the directory above
    size_t entry;         // the one to look at
    size_t ref;           // of its blobs, the one to look at
    bool is_lost;         // the entry has lost a blob
    size_t prefix;        // length of the directory's own key in fsck.key
    uint64_t findings;    // told before
    size_t height;        // of what was seen below
    uint64_t keys;        // seen below
};

struct fsck {
    enum digest_alg alg;
    enum fsck_state state;
    fsck_fn fn;
    void *arg; // of fn, borrowed
    struct fsck_stats stats;
    bool has_rootref; // check `rootref` alone
    struct digest rootref;

    int64_t upto;              // BLOBS: id of the newest row when it began; -1 = not begun
    uint64_t failures;         // BLOBS: of the gap it is in, see store_db_skip(); 0 = it is in none
    struct store_db *db;       // borrowed during a step
    struct store_db_scan scan; // INDEX: how far it has come
    int rc;                    // BLOBS: of what was done for a row
    int64_t verified;          // every row up to this id has been read
    struct rowset whole;       // ids of rows that were whole
    struct map damaged;        // digest -> struct damaged, owned

    struct fsck_root *roots; // owned array
    size_t nroots;
    size_t current;                                               // root being walked
    int restarts;                                                 // of its walk
    uint64_t root_lost;                                           // keys found lost in it
    struct map sound;                                             // digest -> struct sound, owned
    struct frame frames[(KEY_DEPTH_MAX + 1) * (HDIR_LEVELS + 1)]; // from the root down
    size_t depth;                                                 // frames in use
    size_t names;                                                 // of them, directories
    struct buf key;                                               // of the entry that is looked at
    size_t orphan;                                                // ORPHANS: position in `damaged`
};

/* Tell, and count. */
void fsck_report(struct fsck *f, const struct fsck_finding *finding);

/* --- fsck_walk.c --- */
/* A little of the walk through all trees.  1: there is more; 0: done; -errno. */
int fsck_walk(struct fsck *f, struct store_db *db);
void fsck_walk_fini(struct fsck *f);

/* --- fsck_roots.c --- */
int fsck_read_roots(struct fsck *f, struct store_db *db);
/* Where root i is now.  1: *ret is its digest; 0: it is gone; -errno. */
int fsck_find_root(struct fsck *f, struct store_db *db, size_t i, struct digest *ret);

#endif
