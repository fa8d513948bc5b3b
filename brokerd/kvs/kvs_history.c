/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_history.c - see kvs_history.h. */
#include "kvs_history.h"
#include "blobref.h"
#include "kvs_json.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define ENTRY_BYTES 160 // of an entry without keys, about

/* --- announcements --- */

static void
add_time_and_keys(double time, const struct keyset *keys, struct buf *out)
{
    if (time > 0)
        buf_printf(out, ",\"timestamp\":%.6f", time);
    if (keys) {
        buf_add_str(out, ",\"keys\":");
        keyset_encode(keys, out);
    }
}

void
kvs_event_encode(enum digest_alg alg, const struct store_root *root, double time,
                 const struct keyset *keys, struct buf *out)
{
    AUTO(buf) struct buf text = BUF_INIT;

    kvs_json_encode_root(alg, root, &text);
    buf_add(out, buf_str(&text), strlen(buf_str(&text)) - 1); // without the last brace
    add_time_and_keys(time, keys, out);
    buf_add_char(out, '}');
}

/* "timestamp" and "keys" of an object that may have them. */
static int
read_time_and_keys(json_t *json, double *ret_time, struct keyset **ret_keys)
{
    json_t *time = json_object_get(json, "timestamp");
    json_t *keys = json_object_get(json, "keys");

    if ((time && !json_is_number(time)) || (keys && !json_is_object(keys)))
        return -EPROTO;
    *ret_time = time ? json_number_value(time) : 0;
    *ret_keys = keys ? keyset_from_json((const struct json_t *)keys) : NULL;
    return keys && !*ret_keys ? -EPROTO : 0;
}

/* Where the keys begin in an event as kvs_event_encode() writes it: at its end.  They may be thousands, which
 * nobody asks for on most ranks, so they are not parsed with the rest.  (No string can hold this text: its
 * quotes would be escaped.)  NULL: there are none. */
static const char *
find_keys(const char *text)
{
    static const char mark[] = ",\"keys\":{";
    const char *at = strstr(text, mark);
    size_t len = strlen(text);

    if (!at || len < 2 || text[len - 1] != '}' || text[len - 2] != '}')
        return NULL;
    return at;
}

static json_t *
parse_without_keys(const char *text, const char *keys)
{
    AUTO(free) char *head = xasprintf("%.*s}", (int)(keys - text), text);

    return json_loads(head, 0, NULL);
}

static struct keyset *
cut_out_keys(const char *keys)
{
    const char *begin = strchr(keys, '{');
    char *text = xstrndup(begin, strlen(begin) - 1); // without the event's own brace

    return keyset_from_text(&text);
}

int
kvs_event_decode(enum digest_alg alg, const char *text, struct store_root *ret, double *ret_time,
                 struct keyset **ret_keys)
{
    const char *keys = text ? find_keys(text) : NULL;
    json_t *json = keys ? parse_without_keys(text, keys) : text ? json_loads(text, 0, NULL) : NULL;
    int rc = kvs_json_read_root(alg, json, NULL, ret);

    if (rc == 0)
        rc = read_time_and_keys(json, ret_time, ret_keys);
    if (rc == 0 && keys && !*ret_keys)
        *ret_keys = cut_out_keys(keys);
    json_decref(json);
    return rc;
}

/* --- the request --- */

void
kvs_history_encode_request(enum digest_alg alg, const struct store_root *since, struct buf *out)
{
    char ref[BLOBREF_MAX];

    buf_printf(out,
               "{\"namespace\":\"%s\",\"since\":%" PRId64 ",\"epoch\":%" PRId64
               ",\"rootref\":\"%s\"}",
               since->name, since->sequence, since->epoch, blobref_format(alg, &since->root, ref));
}

int
kvs_history_decode_request(enum digest_alg alg, const char *text, struct kvs_history_spec *ret)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *ns = "primary";
    const char *ref = NULL;
    json_int_t since = -1;
    json_int_t epoch = 0;
    json_int_t count = 0;
    enum digest_alg ref_alg;
    int rc = -EPROTO;

    *ret = (struct kvs_history_spec){.has_since = false};
    if (json &&
        json_unpack(json, "{s?s s?I s?I s?s s?I}", "namespace", &ns, "since", &since, "epoch",
                    &epoch, "rootref", &ref, "count", &count) == 0 &&
        kvs_json_is_namespace(ns) && count >= 0 &&
        (!ref || (blobref_parse(ref, &ref_alg, &ret->root) == 0 && ref_alg == alg))) {
        strcpy(ret->ns, ns);
        ret->has_since = json_object_get(json, "since") != NULL;
        ret->since = (struct kvs_place){epoch, since};
        ret->has_root = ref != NULL;
        ret->count = (size_t)count;
        rc = 0;
    }
    json_decref(json);
    return rc;
}

/* --- the answer --- */

/* Is the version that the asker has seen one of ours?  Of another epoch it is only if it had the same root:
 * an instance without durable roots begins again. */
static bool
is_ours(const struct kvs_versions *versions, const struct kvs_history_spec *spec,
        const struct store_root *newest)
{
    const struct kvs_version *version;

    if (spec->since.epoch == newest->epoch || spec->since.epoch == 0)
        return true;
    version = kvs_versions_find(versions, spec->ns, spec->since.sequence);
    return version && spec->has_root && digest_equal(&version->root.root, &spec->root);
}

/* The first entry; NULL: none.  *ret_complete: does it follow what was asked for? */
static const struct kvs_version *
find_first(const struct kvs_versions *versions, const struct kvs_history_spec *spec,
           const struct store_root *newest, bool *ret_complete)
{
    const struct kvs_version *first;

    *ret_complete = false;
    if (!spec->has_since)
        return kvs_versions_oldest(versions, spec->ns);
    if (!is_ours(versions, spec, newest))
        return kvs_versions_newest(versions, spec->ns);
    first = spec->since.epoch ? kvs_versions_after(versions, spec->ns, &spec->since)
                              : kvs_versions_oldest(versions, spec->ns);
    while (first && first->root.sequence <= spec->since.sequence)
        first = kvs_versions_next(versions, first);
    *ret_complete = first ? first->follows && first->root.sequence == spec->since.sequence + 1
                          : newest->sequence <= spec->since.sequence;
    return first;
}

static size_t
size_of(const struct kvs_version *version)
{
    return ENTRY_BYTES + (version->keys ? keyset_memory(version->keys) : 0);
}

/* Skip the oldest ones until the rest is small enough.  A gap in what is left is told. */
static const struct kvs_version *
skip_surplus(const struct kvs_versions *versions, const struct kvs_version *first,
             bool *ret_complete)
{
    const struct kvs_version *from = first;
    int64_t before = first ? first->root.sequence - 1 : 0;
    size_t size = 0;

    for (const struct kvs_version *v = first; v; v = kvs_versions_next(versions, v)) {
        size += size_of(v);
        while (from != v && size > KVS_HISTORY_MAX) {
            size -= size_of(from);
            from = kvs_versions_next(versions, from);
            *ret_complete = false;
        }
        if (v != first && (!v->follows || v->root.sequence != before + 1))
            *ret_complete = false;
        before = v->root.sequence;
    }
    return from;
}

static void
encode_entry(enum digest_alg alg, const struct kvs_version *version, struct buf *out)
{
    char ref[BLOBREF_MAX];

    buf_printf(out, "{\"rootseq\":%" PRId64 ",\"rootref\":\"%s\"", version->root.sequence,
               blobref_format(alg, &version->root.root, ref));
    add_time_and_keys(version->time, version->keys, out);
    buf_add_char(out, '}');
}

bool
kvs_history_encode(enum digest_alg alg, const struct kvs_versions *versions,
                   const struct kvs_history_spec *spec, const struct store_root *newest,
                   struct buf *out)
{
    bool complete;
    const struct kvs_version *first = find_first(versions, spec, newest, &complete);
    const struct kvs_version *from =
        spec->count > 0 ? first : skip_surplus(versions, first, &complete);
    size_t left = spec->count > 0 ? spec->count : SIZE_MAX;

    buf_printf(out,
               "{\"namespace\":\"%s\",\"owner\":%u,\"epoch\":%" PRId64
               ",\"complete\":%s,\"versions\":[",
               newest->name, newest->owner, newest->epoch, complete ? "true" : "false");
    for (const struct kvs_version *v = from; v && left-- > 0; v = kvs_versions_next(versions, v)) {
        if (v != from)
            buf_add_char(out, ',');
        encode_entry(alg, v, out);
    }
    buf_add_str(out, "]}");
    return complete;
}

static int
read_entry(enum digest_alg alg, json_t *json, const struct store_root *common,
           struct kvs_history_entry *ret)
{
    int rc = kvs_json_read_root(alg, json, common->name, &ret->root);

    ret->root.owner = common->owner;
    ret->root.epoch = common->epoch;
    return rc < 0 ? rc : read_time_and_keys(json, &ret->time, &ret->keys);
}

static int
read_history(enum digest_alg alg, json_t *json, const char *ns, struct kvs_history *ret)
{
    struct store_root common = {.name = ""};
    const char *name;
    json_int_t owner;
    json_int_t epoch;
    int complete;
    json_t *versions;

    if (!json || json_unpack(json, "{s:s s:I s:I s:b s:o}", "namespace", &name, "owner", &owner,
                             "epoch", &epoch, "complete", &complete, "versions", &versions) < 0)
        return -EPROTO;
    if (strcmp(name, ns) != 0 || !json_is_array(versions))
        return -EPROTO;
    strcpy(common.name, ns);
    common.owner = (uint32_t)owner;
    common.epoch = epoch;
    ret->complete = complete;
    ret->entries = xcalloc(json_array_size(versions) + 1, sizeof(*ret->entries));
    for (size_t i = 0; i < json_array_size(versions); i++) {
        if (read_entry(alg, json_array_get(versions, i), &common, &ret->entries[ret->count++]) < 0)
            return -EPROTO;
    }
    return 0;
}

int
kvs_history_decode(enum digest_alg alg, const char *text, const char *ns, struct kvs_history *ret)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    int rc;

    *ret = (struct kvs_history){.complete = false};
    rc = read_history(alg, json, ns, ret);
    if (rc < 0)
        kvs_history_fini(ret);
    json_decref(json);
    return rc;
}

void
kvs_history_fini(struct kvs_history *h)
{
    for (size_t i = 0; i < h->count; i++)
        keyset_free(&h->entries[i].keys);
    free(h->entries);
    *h = (struct kvs_history){.complete = false};
}
