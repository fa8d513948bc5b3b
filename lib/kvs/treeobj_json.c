/* SPDX-License-Identifier: MPL-2.0 */
/* treeobj_json.c - tree objects as JSON.
 *
 * Model: decoding parses with jansson and then insists on the exact shape: three members, version
 * 1, a known type and the data of that type.  Encoding writes text directly, since a directory may
 * have 100 000 entries and only few forms occur:
 *
 *     {"data":DATA,"type":"TYPE","ver":1}
 *     val "base64" | valref, dirref ["blobref",...] | dir {"name":OBJECT,...}
 *     symlink {"namespace":"ns","target":"key"} or {"target":"key"}
 *     hdir {"counts":[NUMBER x16],"slots":["blobref" or null x16]}
 *
 * I1 the text is what jansson writes with JSON_COMPACT and JSON_SORT_KEYS
 * I2 treeobj_decode(treeobj_encode(x)) equals x
 * I3 an hdir is not inside of anything
 * See xylem-kvs(7), "Tree objects".
 */
#include "treeobj.h"

#include "blobref.h"
#include "json_text.h"
#include "key.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define REASON_MAX 200      // bytes of an error text that still gets the name of an entry in front
#define ENTRY_SIZE_GUESS 96 // bytes of text for one directory entry

/* --- decoding --- */

static int decode_object(enum digest_alg alg, const json_t *json, int depth, struct treeobj **ret,
                         struct err *err);

/* jansson has no iterator for const objects; nothing is changed through it. */
static json_t *
iterable(const json_t *json)
{
    return (json_t *)(uintptr_t)json;
}

static int
decode_val(const json_t *data, struct treeobj **ret, struct err *err)
{
    if (!json_is_string(data) ||
        treeobj_new_val_base64(json_string_value(data), json_string_length(data), ret) < 0)
        return err_set(err, -EPROTO, "val: data is not base64 text");
    return 0;
}

static int
decode_blobref(enum digest_alg alg, const json_t *json, struct digest *ret, struct err *err)
{
    enum digest_alg found;

    if (!json_is_string(json) ||
        blobref_parse_n(json_string_value(json), json_string_length(json), &found, ret) < 0)
        return err_set(err, -EPROTO, "reference is not a blobref");
    if (found != alg)
        return err_set(err, -EPROTO, "reference is a %s digest, not %s", digest_name(found),
                       digest_name(alg));
    return 0;
}

static int
decode_valref(enum digest_alg alg, const json_t *data, struct treeobj **ret, struct err *err)
{
    size_t count = json_array_size(data);
    AUTO(free) struct digest *refs = NULL;

    if (count == 0)
        return err_set(err, -EPROTO, "valref: data is not an array of blobrefs");
    refs = xcalloc(count, sizeof(*refs));
    for (size_t i = 0; i < count; i++) {
        int rc = decode_blobref(alg, json_array_get(data, i), &refs[i], err);

        if (rc < 0)
            return rc;
    }
    *ret = treeobj_new_valref(refs, count);
    return 0;
}

static int
decode_dirref(enum digest_alg alg, const json_t *data, struct treeobj **ret, struct err *err)
{
    struct digest ref;
    int rc;

    if (json_array_size(data) != 1)
        return err_set(err, -EPROTO, "dirref: data is not an array of one blobref");
    rc = decode_blobref(alg, json_array_get(data, 0), &ref, err);
    if (rc < 0)
        return rc;
    *ret = treeobj_new_dirref(&ref);
    return 0;
}

static int
decode_symlink(const json_t *data, struct treeobj **ret, struct err *err)
{
    const json_t *target = json_object_get(data, "target");
    const json_t *ns = json_object_get(data, "namespace");

    if (!json_is_string(target) || (ns && !json_is_string(ns)) ||
        json_object_size(data) != (ns ? 2 : 1))
        return err_set(err, -EPROTO, "symlink: data is not a target and maybe a namespace");
    if (json_string_length(target) > KEY_TEXT_MAX)
        return err_set(err, -EPROTO, "symlink: target longer than %d bytes", KEY_TEXT_MAX);
    *ret = treeobj_new_symlink(ns ? json_string_value(ns) : NULL, json_string_value(target));
    return 0;
}

/* One entry of a dir; *ret is the object. */
static int
decode_entry(enum digest_alg alg, const char *name, const json_t *json, int depth,
             struct treeobj **ret, struct err *err)
{
    struct err why;
    int rc;

    if (key_check_name(name, &why) < 0)
        return err_set(err, -EPROTO, "dir: %s", why.text);
    rc = decode_object(alg, json, depth, ret, err);
    if (rc < 0 && err && strlen(err->text) < REASON_MAX) // the reason must not be pushed out
        err_prefix(err, rc, "entry '%.64s'", name);
    return rc;
}

/* One slot: nothing and null, or a number and a blobref. */
static int
decode_slot(enum digest_alg alg, const json_t *count, const json_t *ref, struct treeobj_slot *ret,
            struct err *err)
{
    json_int_t number = json_integer_value(count);
    int rc = 0;

    if (!json_is_integer(count) || number < 0 || (uint64_t)number > TREEOBJ_COUNT_MAX)
        return err_set(err, -EPROTO, "hdir: a count is not a number of entries");
    if (json_is_null(ref) != (number == 0))
        return err_set(err, -EPROTO, "hdir: counts and slots do not fit");
    if (number > 0)
        rc = decode_blobref(alg, ref, &ret->ref, err);
    ret->count = (uint64_t)number;
    return rc < 0 ? err_prefix(err, rc, "hdir") : 0;
}

static int
decode_hdir(enum digest_alg alg, const json_t *data, struct treeobj **ret, struct err *err)
{
    const json_t *counts = json_object_get(data, "counts");
    const json_t *refs = json_object_get(data, "slots");
    struct treeobj_slot slots[TREEOBJ_SLOTS] = {{.count = 0}};
    uint64_t total = 0;

    if (json_object_size(data) != 2 || json_array_size(counts) != TREEOBJ_SLOTS ||
        json_array_size(refs) != TREEOBJ_SLOTS)
        return err_set(err, -EPROTO, "hdir: data is not %d counts and slots", TREEOBJ_SLOTS);
    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        int rc =
            decode_slot(alg, json_array_get(counts, i), json_array_get(refs, i), &slots[i], err);

        if (rc < 0)
            return rc;
        total += slots[i].count;
    }
    if (total == 0)
        return err_set(err, -EPROTO, "hdir: no entries");
    *ret = treeobj_new_hdir(slots);
    return 0;
}

struct member {
    const char *name;    // borrowed from the parsed JSON
    const json_t *value; // borrowed
};

static int
compare_members(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* The members of a JSON object by name: putting them into a dir in any other order would let a
 * peer make us move its entries around once for each of them. */
static struct member *
sort_members(const json_t *object)
{
    struct member *members = xcalloc(json_object_size(object) + 1, sizeof(*members));
    size_t count = 0;
    const char *name;
    json_t *value;

    json_object_foreach(iterable(object), name, value)
    {
        members[count++] = (struct member){name, value};
    }
    qsort(members, count, sizeof(*members), compare_members);
    return members;
}

static int
decode_dir(enum digest_alg alg, const json_t *data, int depth, struct treeobj **ret,
           struct err *err)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    AUTO(free) struct member *members = NULL;

    if (!json_is_object(data))
        return err_set(err, -EPROTO, "dir: data is not an object");
    if (depth == TREEOBJ_DEPTH_MAX)
        return err_set(err, -EPROTO, "more than %d nested dirs", TREEOBJ_DEPTH_MAX);
    members = sort_members(data);
    for (const struct member *m = members; m->name; m++) {
        struct treeobj *entry;
        int rc = decode_entry(alg, m->name, m->value, depth + 1, &entry, err);

        if (rc < 0)
            return rc;
        treeobj_dir_put(dir, m->name, &entry);
    }
    *ret = TAKE(dir);
    return 0;
}

static int
decode_type(const json_t *type, enum treeobj_type *ret)
{
    for (int i = TREEOBJ_VAL; i <= TREEOBJ_HDIR; i++) {
        const char *name = treeobj_type_name((enum treeobj_type)i);

        if (json_is_string(type) && strcmp(json_string_value(type), name) == 0) {
            *ret = (enum treeobj_type)i;
            return 0;
        }
    }
    return -EPROTO;
}

/* Takes the three members apart. */
static int
decode_shape(const json_t *json, enum treeobj_type *ret_type, const json_t **ret_data,
             struct err *err)
{
    const json_t *ver = json_object_get(json, "ver");
    const json_t *data = json_object_get(json, "data");

    if (!data || json_object_size(json) != 3)
        return err_set(err, -EPROTO, "not an object of ver, type and data");
    if (!json_is_integer(ver) || json_integer_value(ver) != 1)
        return err_set(err, -EPROTO, "tree object of an unknown version");
    if (decode_type(json_object_get(json, "type"), ret_type) < 0)
        return err_set(err, -EPROTO, "tree object of an unknown type");
    *ret_data = data;
    return 0;
}

static int
decode_object(enum digest_alg alg, const json_t *json, int depth, struct treeobj **ret,
              struct err *err)
{
    enum treeobj_type type = TREEOBJ_DIR;
    const json_t *data = NULL;
    int rc = decode_shape(json, &type, &data, err);

    if (rc < 0)
        return rc;
    switch (type) {
    case TREEOBJ_VAL:
        return decode_val(data, ret, err);
    case TREEOBJ_VALREF:
        return decode_valref(alg, data, ret, err);
    case TREEOBJ_DIRREF:
        return decode_dirref(alg, data, ret, err);
    case TREEOBJ_SYMLINK:
        return decode_symlink(data, ret, err);
    case TREEOBJ_HDIR:
        if (depth > 0)
            return err_set(err, -EPROTO, "hdir: not a blob of its own"); /* I3 */
        return decode_hdir(alg, data, ret, err);
    case TREEOBJ_DIR:
        break;
    }
    return decode_dir(alg, data, depth, ret, err);
}

int
treeobj_from_json(enum digest_alg alg, const struct json_t *json, struct treeobj **ret,
                  struct err *err)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc = decode_object(alg, json, 0, &obj, err);

    if (rc < 0)
        return rc;
    if (treeobj_type(obj) == TREEOBJ_HDIR)
        return err_set(err, -EPROTO, "hdir: not a blob of its own"); /* I3 */
    *ret = TAKE(obj);
    return 0;
}

int
treeobj_decode(enum digest_alg alg, const void *json, size_t size, struct treeobj **ret,
               struct err *err)
{
    json_error_t error;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
    int rc;

    if (!root)
        return err_set(err, -EPROTO, "not JSON: byte %d: %s", error.position, error.text);
    rc = decode_object(alg, root, 0, ret, err);
    json_decref(root);
    return rc;
}

/* --- encoding --- */

static void
encode_refs(enum digest_alg alg, const struct treeobj *obj, struct buf *out)
{
    size_t count;
    const struct digest *refs = treeobj_refs(obj, &count);
    char text[BLOBREF_MAX];

    for (size_t i = 0; i < count; i++) {
        buf_add_str(out, i == 0 ? "[\"" : ",\"");
        buf_add_str(out, blobref_format(alg, &refs[i], text));
        buf_add_char(out, '"');
    }
    buf_add_char(out, ']');
}

static void
encode_link(const struct treeobj *obj, struct buf *out)
{
    const char *ns = treeobj_link_namespace(obj);

    buf_add_char(out, '{');
    if (ns) {
        buf_add_str(out, "\"namespace\":");
        json_text_quote(ns, out);
        buf_add_char(out, ',');
    }
    buf_add_str(out, "\"target\":");
    json_text_quote(treeobj_link_target(obj), out);
    buf_add_char(out, '}');
}

static void
encode_val(const struct treeobj *obj, struct buf *out)
{
    size_t len;
    const char *text = treeobj_val_base64(obj, &len);

    buf_add_char(out, '"');
    buf_add(out, text, len);
    buf_add_char(out, '"');
}

static void
encode_slots(enum digest_alg alg, const struct treeobj *obj, struct buf *out)
{
    const struct treeobj_slot *slots = treeobj_hdir_slots(obj);
    char text[BLOBREF_MAX];

    buf_add_str(out, "{\"counts\":[");
    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        snprintf(text, sizeof(text), "%s%" PRIu64, i ? "," : "", slots[i].count);
        buf_add_str(out, text);
    }
    buf_add_str(out, "],\"slots\":[");
    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        const char *quote = slots[i].count ? "\"" : "";

        buf_add_str(out, i ? "," : "");
        buf_add_str(out, quote);
        buf_add_str(out, slots[i].count ? blobref_format(alg, &slots[i].ref, text) : "null");
        buf_add_str(out, quote);
    }
    buf_add_str(out, "]}");
}

static void
encode_dir(enum digest_alg alg, const struct treeobj *dir, struct buf *out)
{
    size_t count = treeobj_dir_count(dir);

    buf_reserve(out, count * ENTRY_SIZE_GUESS);
    treeobj_encode_dir_begin(out);
    for (size_t i = 0; i < count; i++)
        treeobj_encode_dir_entry(alg, treeobj_dir_name(dir, i), treeobj_dir_entry(dir, i), i == 0,
                                 out);
    treeobj_encode_dir_end(out);
}

void
treeobj_encode(enum digest_alg alg, const struct treeobj *obj, struct buf *out)
{
    if (treeobj_type(obj) == TREEOBJ_DIR) {
        encode_dir(alg, obj, out);
        return;
    }
    buf_add_str(out, "{\"data\":");
    if (treeobj_type(obj) == TREEOBJ_VAL)
        encode_val(obj, out);
    else if (treeobj_type(obj) == TREEOBJ_SYMLINK)
        encode_link(obj, out);
    else if (treeobj_type(obj) == TREEOBJ_HDIR)
        encode_slots(alg, obj, out);
    else
        encode_refs(alg, obj, out);
    buf_add_str(out, ",\"type\":\"");
    buf_add_str(out, treeobj_type_name(treeobj_type(obj)));
    buf_add_str(out, "\",\"ver\":1}");
}

void
treeobj_encode_dir_begin(struct buf *out)
{
    buf_add_str(out, "{\"data\":{");
}

void
treeobj_encode_dir_entry(enum digest_alg alg, const char *name, const struct treeobj *entry,
                         bool is_first, struct buf *out)
{
    if (!is_first)
        buf_add_char(out, ',');
    json_text_quote(name, out);
    buf_add_char(out, ':');
    treeobj_encode(alg, entry, out);
}

void
treeobj_encode_dir_end(struct buf *out)
{
    buf_add_str(out, "},\"type\":\"dir\",\"ver\":1}");
}
