/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_json.h - the payloads of kvs.* (xylem-message(7)): JSON to structs and back.  Pure. */
#ifndef XYLEM_KVS_JSON_H
#define XYLEM_KVS_JSON_H

#include "buf.h"
#include "lookup.h"
#include "store_db.h"

/* {"owner":0,"rootseq":4,"rootref":"...","flags":0,"namespace":"primary","epoch":1}; also the payload of the
 * setroot event, whose further members clients may ignore. */
void kvs_json_encode_root(enum digest_alg alg, const struct store_root *root, struct buf *out);
/* ns: used when the payload names none (the answer to a commit).  -EPROTO. */
int kvs_json_decode_root(enum digest_alg alg, const char *text, const char *ns,
                         struct store_root *ret);

struct json_t;
/* The same from a parsed value; NULL is -EPROTO. */
int kvs_json_read_root(enum digest_alg alg, struct json_t *json, const char *ns,
                       struct store_root *ret);

/* 1 to 63 letters, digits and -_.+@: */
bool kvs_json_is_namespace(const char *name);

/* {"rootref":"...","rootseq":4} */
void kvs_json_encode_version(enum digest_alg alg, const struct store_root *root, struct buf *out);

/* The member "namespace" ("primary" when absent), and "rootseq" if ret_seq is not NULL.  -EPROTO. */
int kvs_json_decode_namespace(const char *text, char ret_ns[STORE_NAMESPACE_MAX], int64_t *ret_seq);

/* kvs.lookup: a look-up ready to run.  -EPROTO with text. */
int kvs_json_decode_lookup(enum digest_alg alg, const char *text, struct lookup **ret,
                           struct err *err);

/* What kvs-watch.lookup asks for. */
struct kvs_watch_spec {
    char ns[STORE_NAMESPACE_MAX];
    char *key;          // owned; as key_format() writes it
    int flags;          // LOOKUP_...
    bool has_root;      // look at this one, which will not change
    struct digest root; // if has_root
};
/* Errors as above, and those of key_parse().  *ret is valid only on success. */
int kvs_json_decode_watch(enum digest_alg alg, const char *text, struct kvs_watch_spec *ret,
                          struct err *err);
void kvs_watch_spec_fini(struct kvs_watch_spec *spec);

#endif
