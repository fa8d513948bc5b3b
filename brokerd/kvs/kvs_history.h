/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_history.h - versions of a namespace as JSON: the setroot event, and kvs.history (xylem-message(7)).
 * Pure. */
#ifndef XYLEM_KVS_HISTORY_H
#define XYLEM_KVS_HISTORY_H

#include "buf.h"
#include "kvs_versions.h"

#define KVS_HISTORY_MAX ((size_t)4 << 20) // bytes of an answer, about

/* --- announcements --- */

/* ROOT and, where known, "timestamp" and "keys". */
void kvs_event_encode(enum digest_alg alg, const struct store_root *root, double time,
                      const struct keyset *keys, struct buf *out);
/* The root as kvs_json_decode_root() gives it; *ret_keys: owned, NULL = not told.  -EPROTO. */
int kvs_event_decode(enum digest_alg alg, const char *text, struct store_root *ret,
                     double *ret_time, struct keyset **ret_keys);

/* --- kvs.history --- */

struct kvs_history_spec {
    char ns[STORE_NAMESPACE_MAX];
    bool has_since;         // else all are asked for
    struct kvs_place since; // epoch 0: not told
    bool has_root;          // the root it had there is told
    struct digest root;     // if has_root
    size_t count;           // versions at most, the oldest of them; 0: as many as there is room for
};

void kvs_history_encode_request(enum digest_alg alg, const struct store_root *since,
                                struct buf *out);
/* -EPROTO. */
int kvs_history_decode_request(enum digest_alg alg, const char *text, struct kvs_history_spec *ret);

/* The answer: the versions that were asked for, oldest first; without a count the newest of them, if all are
 * too many.  newest: of the namespace.  Is it complete? */
bool kvs_history_encode(enum digest_alg alg, const struct kvs_versions *versions,
                        const struct kvs_history_spec *spec, const struct store_root *newest,
                        struct buf *out);

struct kvs_history_entry {
    struct store_root root;
    double time;
    struct keyset *keys; // owned; NULL = not told
};
struct kvs_history {
    bool complete; // no version is missing between what was asked for and the last entry
    struct kvs_history_entry *entries; // owned array, oldest first
    size_t count;
};
/* ns: the namespace that was asked for.  -EPROTO; *ret is valid only on success. */
int kvs_history_decode(enum digest_alg alg, const char *text, const char *ns,
                       struct kvs_history *ret);
void kvs_history_fini(struct kvs_history *h);

static inline void
kvs_history_auto(struct kvs_history *h)
{
    kvs_history_fini(h);
}

#endif
