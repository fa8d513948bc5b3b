/* SPDX-License-Identifier: MPL-2.0 */
/* build_priv.h - what build.c and build_notes.c share; the models are explained there. */
#ifndef XYLEM_BUILD_PRIV_H
#define XYLEM_BUILD_PRIV_H

#include "build.h"

enum note_kind {
    NOTE_EMPTY, // only reserved, or given up
    NOTE_LEAF,
    NOTE_DIR,
    NOTE_HARDLINK,
    NOTE_FORM,        // how a directory is stored; it exists if something else says so
    NOTE_REMOVED_KEY, // a value or link is no more
    NOTE_REMOVED_DIR, // a directory does not exist for its own sake any more
    NOTE_ASKED,       // a hard link needs to know what is there
};

struct note {
    const char *path;     // in the arena
    const char *target;   // HARDLINK: in the arena
    struct treeobj *obj;  // LEAF: owned reference
    uint64_t size;        // LEAF: bytes of the value
    size_t age;           // its number
    enum note_kind kind;  // see above
    enum exact_form form; // FORM, and a DIR that has one
    bool is_base;         // older than all that are not
};

struct block {
    struct block *next; // owned
    size_t used;        // bytes of text
    char text[];        // of paths
};

struct notes {
    struct note *list;   // owned array
    size_t count;        // notes in use
    size_t capacity;     // notes allocated
    size_t sorted;       // the first of them are sorted
    size_t memory;       // bytes that they hold, about
    size_t largest;      // bytes of an entry of a directory, at most
    bool is_base;        // those that come now are
    bool is_plain;       // see build_is_plain()
    struct block *arena; // owned; the newest block first
};

/* Where an entry is. */
struct place {
    size_t name; // in open_dir.names
    size_t text; // in open_dir.json
    size_t size; // bytes of it
};

struct open_dir {
    struct buf json;      // encoding so far
    size_t path_len;      // bytes of the path of this directory
    enum exact_form form; // see build.c
    struct buf names;     // of its entries, each with a NUL
    struct place *places; // owned array; of its entries
    size_t count;         // entries
    size_t capacity;      // allocated places
};

struct build {
    enum digest_alg alg;                      // of the tree
    struct hdir_form form;                    // of directories
    struct notes notes;                       // all that has been added
    struct open_dir stack[KEY_DEPTH_MAX + 1]; // the root, and the directories open inside it
    size_t depth;                             // index of the innermost open one
    struct buf path;                          // scratch: path of the innermost open one
};

/* ---- build_notes.c ---- */

void build_notes_fini(struct notes *n);

/* Sorted, and of each path what it comes to: LEAF or DIR once, FORM only in front of what is below it, EMPTY
 * anywhere. */
void build_notes_settle(struct notes *n, const struct build_ops *ops, void *arg);

/* Is `path` below the directory of which the first `len` bytes of `dir` are the path? */
bool build_is_below(const char *path, const char *dir, size_t len);

#endif
