/* SPDX-License-Identifier: MPL-2.0 */
/* keyset.h - the keys that the commits of one root have named (xylem-kvs(7), "Announcements").
 * Sorted, without duplicates.  One from text is not parsed before somebody asks what is in it: most roots
 * are not watched. */
#ifndef XYLEM_KEYSET_H
#define XYLEM_KEYSET_H

#include "base.h"
#include "buf.h"

struct keyset;

struct json_t;
/* From {"a.b":null,...}, the values of which do not matter.  NULL: it is no such object, or one of its
 * keys is no key. */
struct keyset *keyset_from_json(const struct json_t *json);
/* The same from text, which is not looked at before it must be; *text is consumed. */
struct keyset *keyset_from_text(char **text);
void keyset_free(struct keyset **s); // NULL is fine

size_t keyset_count(struct keyset *s);
const char *keyset_at(struct keyset *s, size_t i);
size_t keyset_memory(const struct keyset *s); // bytes, about

/* Was it no such object?  Then it is a set without keys. */
bool keyset_is_damaged(struct keyset *s);

/* key: as key_format() writes it. */
bool keyset_has(struct keyset *s, const char *key);

/* Append the object. */
void keyset_encode(const struct keyset *s, struct buf *out);

#endif
