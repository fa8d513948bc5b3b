/* SPDX-License-Identifier: MPL-2.0 */
/* checkpoint.c - checkpoint records as JSON.
 * Version 0 had no sequence; both versions are read, version 1 is written.
 */
#include "checkpoint.h"

#include "blobref.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* Significant digits of a number: microseconds until the year 2286, and 0.33 stays 0.33. */
#define REAL_DIGITS 16

void
checkpoint_encode(enum digest_alg alg, const struct checkpoint *c, struct buf *out)
{
    char ref[BLOBREF_MAX];
    json_t *json;
    char *text;

    assert(isfinite(c->timestamp));
    json =
        json_pack("{s:i s:s s:I s:f}", "version", 1, "rootref", blobref_format(alg, &c->root, ref),
                  "sequence", (json_int_t)c->sequence, "timestamp", c->timestamp);
    assert(json);
    text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
    assert(text);
    buf_add_str(out, text);
    free(text);
    json_decref(json);
}

static int
decode_root(enum digest_alg alg, const json_t *json, struct digest *ret, struct err *err)
{
    enum digest_alg found;

    if (!json_is_string(json) || blobref_parse(json_string_value(json), &found, ret) < 0)
        return err_set(err, -EPROTO, "checkpoint: rootref is not a blobref");
    if (found != alg)
        return err_set(err, -EPROTO, "checkpoint: rootref is a %s digest, not %s",
                       digest_name(found), digest_name(alg));
    return 0;
}

int
checkpoint_from_json(enum digest_alg alg, const struct json_t *json, struct checkpoint *ret,
                     struct err *err)
{
    const json_t *version = json_object_get(json, "version");
    const json_t *sequence = json_object_get(json, "sequence");
    const json_t *timestamp = json_object_get(json, "timestamp");
    struct checkpoint c = {0};
    int rc;

    if (!json_is_integer(version) || json_integer_value(version) < 0 ||
        json_integer_value(version) > 1)
        return err_set(err, -EPROTO, "checkpoint: unknown version");
    if (sequence && (!json_is_integer(sequence) || json_integer_value(sequence) < 0))
        return err_set(err, -EPROTO, "checkpoint: sequence is not a count");
    if (timestamp && !json_is_number(timestamp))
        return err_set(err, -EPROTO, "checkpoint: timestamp is not a number");
    rc = decode_root(alg, json_object_get(json, "rootref"), &c.root, err);
    if (rc < 0)
        return rc;
    c.sequence = json_integer_value(sequence);
    c.timestamp = json_number_value(timestamp);
    *ret = c;
    return 0;
}
