/* SPDX-License-Identifier: MPL-2.0 */
/* key.h - key text <-> component names (normative text: xylem-kvs(7), "Keys").
 *
 * Key text is names joined by '.'.  Inside a name a '.' is written "%2E", and a '%' is written
 * "%25" only where "%2E" or "%25" would otherwise be read; all other text stands for itself.
 * Runs of '.' count as one, leading and trailing ones are ignored; "." is the root (0 names).
 */
#ifndef XYLEM_KEY_H
#define XYLEM_KEY_H

#include "base.h"
#include "buf.h"
#include "xerr.h"

#define KEY_TEXT_MAX 16384 // bytes of key text
#define KEY_DEPTH_MAX 128  // names in a key
#define KEY_NAME_MAX 1024  // bytes of one name

struct key {
    size_t count; // names; 0 = the root
    char **names; // owned array of pointers into `memory`; unquoted, NUL-terminated
    char *memory; // owned
};

/* -EINVAL (bad name), -ENAMETOOLONG (a limit above); *ret is valid only on success. */
int key_parse(const char *text, struct key *ret, struct err *err);

/* The same from a '/'-separated path of plain names, as in archives: "." names and repeated
 * or trailing slashes are ignored; an absolute path or a ".." is -EINVAL. */
int key_from_path(const char *path, struct key *ret, struct err *err);

void key_fini(struct key *k);

/* May `name` be the name of a directory entry?  Not empty, not "." or "..", no '/', no control
 * characters, valid UTF-8, at most KEY_NAME_MAX bytes.  0, -EINVAL, -ENAMETOOLONG with text. */
int key_check_name(const char *name, struct err *err);

/* Append one name in quoted form / a whole key ("." for the root). */
void key_quote_name(const char *name, struct buf *out);
void key_format(const struct key *k, struct buf *out);

static inline void
key_auto(struct key *k)
{
    key_fini(k);
}

#endif
