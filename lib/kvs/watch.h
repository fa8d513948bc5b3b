/* SPDX-License-Identifier: MPL-2.0 */
/* watch.h - what a watch answers when the object of its key is seen (xylem-kvs(7), "Watches").  Pure:
 * the look-ups are made elsewhere, with watch_lookup_flags(), one for each version that matters, in order. */
#ifndef XYLEM_WATCH_H
#define XYLEM_WATCH_H

#include "lookup.h"

struct watch;

enum watch_say {
    WATCH_SAY_NOTHING, // wait for the next version
    WATCH_SAY_OBJECT, // one answer: the object; the blobs of a valref joined, with READDIR a dirref listed
    WATCH_SAY_PARTS, // an answer for each ref of a valref from `from` on; for the bytes of a val from there on
    WATCH_SAY_END, // the end: errnum, text
};

struct watch_step {
    enum watch_say say;
    struct treeobj *object; // OBJECT, PARTS: a reference, to be given up
    size_t from;            // PARTS
    int errnum;             // END
    char text[ERR_TEXT_MAX];
    bool is_first; // nothing has been answered before
    bool is_last;  // there is nothing more to be said after it
};

/* May a request have these flags?  streaming: it takes more than one answer.  -EPROTO a watch or a stream
 * that does not, -EINVAL flags that contradict each other, -EISDIR appends or parts of a directory. */
int watch_check_flags(int flags, bool streaming, struct err *err);

/* flags: LOOKUP_..., checked. */
struct watch *watch_new(enum digest_alg alg, int flags);
void watch_free(struct watch **w);

int watch_lookup_flags(const struct watch *w);

/* Does it matter what a version holds?  named: a commit of it has named the key.  If versions were missed before
 * this one, it always does, and need not be asked. */
bool watch_wants(const struct watch *w, bool named);

/* The result of a look-up: rc 0 and the object (borrowed), or -errno and text.  named: a commit has named
 * the key for certain. */
void watch_take(struct watch *w, int rc, const char *text, const struct treeobj *object, bool named,
                struct watch_step *ret);

#endif
