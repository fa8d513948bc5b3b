/* SPDX-License-Identifier: MPL-2.0 */
/* checkpoint.h - a checkpoint record: which root, which sequence, when.
 * JSON: {"version":1,"rootref":"blake2b-...","sequence":7,"timestamp":1795244624.33} */
#ifndef XYLEM_CHECKPOINT_H
#define XYLEM_CHECKPOINT_H

#include "digest.h"
#include "buf.h"
#include "xerr.h"

struct checkpoint {
    struct digest root; // of the tree
    int64_t sequence;   // of the root in its namespace; 0 = not told
    double timestamp;   // seconds since the epoch
};

/* Append the JSON object; timestamp to the microsecond. */
void checkpoint_encode(enum digest_alg alg, const struct checkpoint *c, struct buf *out);

/* version 0 or 1; sequence and timestamp may be missing (0).  -EPROTO with text. */
struct json_t;
int checkpoint_from_json(enum digest_alg alg, const struct json_t *json, struct checkpoint *ret,
                         struct err *err);

#endif
