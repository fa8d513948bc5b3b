/* SPDX-License-Identifier: MPL-2.0 */
/* treeobj.h - RFC 11 tree objects: val, valref, dirref, dir, symlink, hdir (normative: xylem-kvs(7)).
 *
 * Immutable once shared, counted references, one thread.  A dir is kept sorted by name (bytewise).
 * The canonical encoding is compact JSON with sorted keys, the bytes that Flux writes for the same
 * object, so that equal content has equal digests.
 */
#ifndef XYLEM_TREEOBJ_H
#define XYLEM_TREEOBJ_H

#include "base.h"
#include "buf.h"
#include "digest.h"
#include "xerr.h"

/* Base64 text of at most this many characters stays inline as a val; longer values become blobs. */
#define TREEOBJ_INLINE_MAX 72
#define TREEOBJ_DEPTH_MAX 128 // dirs inside dirs in one object

#define TREEOBJ_SLOTS 16                      // of an hdir
#define TREEOBJ_COUNT_MAX ((uint64_t)1 << 48) // entries below a slot

enum treeobj_type {
    TREEOBJ_VAL,
    TREEOBJ_VALREF,
    TREEOBJ_DIRREF,
    TREEOBJ_DIR,
    TREEOBJ_SYMLINK,
    TREEOBJ_HDIR,
};

/* One sixteenth of an hdir. */
struct treeobj_slot {
    struct digest ref; // of a dir or an hdir
    uint64_t count;    // entries of the directory below it; 0: nothing is there, ref is not valid
};

struct treeobj;

/* --- making --- */
struct treeobj *treeobj_new_val(const void *data, size_t size);
int treeobj_new_val_base64(const char *base64, size_t len, struct treeobj **ret); // -EPROTO
struct treeobj *treeobj_new_valref(const struct digest *refs, size_t count);      // count >= 1
struct treeobj *treeobj_new_dirref(const struct digest *ref);
struct treeobj *treeobj_new_dir(void);
/* Both texts are valid UTF-8 (the caller has seen to it); ns may be NULL. */
struct treeobj *treeobj_new_symlink(const char *ns, const char *target);
struct treeobj *treeobj_new_hdir(const struct treeobj_slot slots[TREEOBJ_SLOTS]);

struct treeobj *treeobj_ref(const struct treeobj *obj); // NULL is fine
void treeobj_unref(struct treeobj **obj);               // NULL is fine

/* --- reading --- */
enum treeobj_type treeobj_type(const struct treeobj *obj);
const char *treeobj_type_name(enum treeobj_type type); // "val" ...

/* VAL: the base64 text (borrowed), and the decoded bytes (malloc()ed, never NULL; -EPROTO). */
const char *treeobj_val_base64(const struct treeobj *obj, size_t *ret_len);
int treeobj_val_decode(const struct treeobj *obj, void **ret_data, size_t *ret_size);
/* VALREF and DIRREF (count 1). */
const struct digest *treeobj_refs(const struct treeobj *obj, size_t *ret_count);
/* SYMLINK. */
const char *treeobj_link_target(const struct treeobj *obj);
const char *treeobj_link_namespace(const struct treeobj *obj); // NULL: the same namespace

/* HDIR: TREEOBJ_SLOTS of them, and the entries below all. */
const struct treeobj_slot *treeobj_hdir_slots(const struct treeobj *obj);
uint64_t treeobj_hdir_count(const struct treeobj *obj);

/* DIR: entries in name order. */
size_t treeobj_dir_count(const struct treeobj *dir);
const char *treeobj_dir_name(const struct treeobj *dir, size_t i);
struct treeobj *treeobj_dir_entry(const struct treeobj *dir, size_t i);       // borrowed
struct treeobj *treeobj_dir_get(const struct treeobj *dir, const char *name); // borrowed, NULL

/* VALREF, while nobody else holds it: one more reference at the end / only the first `count`. */
void treeobj_valref_add(struct treeobj *obj, const struct digest *ref);
void treeobj_valref_truncate(struct treeobj *obj, size_t count);
bool treeobj_is_shared(const struct treeobj *obj); // is there another reference?

/* DIR, while nobody else holds it: put replaces and consumes *entry; take removes and returns. */
void treeobj_dir_put(struct treeobj *dir, const char *name, struct treeobj **entry);
struct treeobj *treeobj_dir_take(struct treeobj *dir, const char *name); // NULL: was not there

/* Are they the same, and so their encodings? */
bool treeobj_equal(const struct treeobj *a, const struct treeobj *b);

/* --- codec --- */
/* Strict: ver 1, known type, exactly the shape of that type, valid base64, blobrefs of `alg`,
 * names that key_check_name() allows, at most TREEOBJ_DEPTH_MAX nested dirs, an hdir only by itself.
 * -EPROTO with text. */
int treeobj_decode(enum digest_alg alg, const void *json, size_t size, struct treeobj **ret,
                   struct err *err);
/* The same from a parsed value (borrowed), which is no hdir: that is a blob, never part of one. */
struct json_t;
int treeobj_from_json(enum digest_alg alg, const struct json_t *json, struct treeobj **ret,
                      struct err *err);
/* Append the canonical encoding. */
void treeobj_encode(enum digest_alg alg, const struct treeobj *obj, struct buf *out);

/* The same for a dir that is no object: begin, each entry in name order, end. */
void treeobj_encode_dir_begin(struct buf *out);
void treeobj_encode_dir_entry(enum digest_alg alg, const char *name, const struct treeobj *entry,
                              bool is_first, struct buf *out);
void treeobj_encode_dir_end(struct buf *out);

/* Estimate of the memory this object and everything below it hold. */
size_t treeobj_memory(const struct treeobj *obj);

static inline void
treeobj_auto(struct treeobj **obj)
{
    treeobj_unref(obj);
}

#endif
