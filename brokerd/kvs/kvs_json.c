/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_json.c - see kvs_json.h. */
#include "kvs_json.h"
#include "blobref.h"
#include "key.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define LOOKUP_FLAGS (LOOKUP_READDIR | LOOKUP_READLINK | LOOKUP_TREEOBJ)
#define WATCH_FLAGS \
    (LOOKUP_FLAGS | LOOKUP_WATCH | LOOKUP_WAITCREATE | LOOKUP_WATCH_FULL | LOOKUP_WATCH_UNIQ | \
     LOOKUP_WATCH_APPEND | LOOKUP_STREAM | LOOKUP_INITIAL_SENTINEL)

/* Namespace names are checked when they are made: no character in them needs escaping. */
void
kvs_json_encode_root(enum digest_alg alg, const struct store_root *root, struct buf *out)
{
    char ref[BLOBREF_MAX];

    buf_printf(out,
               "{\"owner\":%u,\"rootseq\":%" PRId64
               ",\"rootref\":\"%s\",\"flags\":0,\"namespace\":\"%s\",\"epoch\":%" PRId64 "}",
               root->owner, root->sequence, blobref_format(alg, &root->root, ref), root->name,
               root->epoch);
}

void
kvs_json_encode_version(enum digest_alg alg, const struct store_root *root, struct buf *out)
{
    char ref[BLOBREF_MAX];

    buf_printf(out, "{\"rootref\":\"%s\",\"rootseq\":%" PRId64 "}",
               blobref_format(alg, &root->root, ref), root->sequence);
}

bool
kvs_json_is_namespace(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.+@:";
    size_t len = strlen(name);

    return len > 0 && len < STORE_NAMESPACE_MAX && strspn(name, allowed) == len;
}

static int
copy_namespace(const char *name, char ret[STORE_NAMESPACE_MAX])
{
    if (!kvs_json_is_namespace(name))
        return -EPROTO;
    strcpy(ret, name);
    return 0;
}

int
kvs_json_read_root(enum digest_alg alg, struct json_t *json, const char *ns, struct store_root *ret)
{
    const char *name = ns;
    const char *ref;
    json_int_t sequence;
    json_int_t owner = 0;
    json_int_t epoch = 0;
    enum digest_alg ref_alg;

    if (!json ||
        json_unpack(json, "{s?s s:s s:I s?I s?I}", "namespace", &name, "rootref", &ref, "rootseq",
                    &sequence, "owner", &owner, "epoch", &epoch) < 0 ||
        !name || blobref_parse(ref, &ref_alg, &ret->root) < 0 || ref_alg != alg)
        return -EPROTO;
    ret->sequence = sequence;
    ret->owner = (uint32_t)owner;
    ret->epoch = epoch;
    return copy_namespace(name, ret->name);
}

int
kvs_json_decode_root(enum digest_alg alg, const char *text, const char *ns, struct store_root *ret)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    int rc = kvs_json_read_root(alg, json, ns, ret);

    json_decref(json);
    return rc;
}

int
kvs_json_decode_namespace(const char *text, char ret_ns[STORE_NAMESPACE_MAX], int64_t *ret_seq)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *name = "primary";
    json_int_t sequence = 0;
    int rc = -EPROTO;

    if (json && json_unpack(json, "{s?s}", "namespace", &name) == 0 &&
        (!ret_seq || json_unpack(json, "{s:I}", "rootseq", &sequence) == 0))
        rc = copy_namespace(name, ret_ns);
    json_decref(json);
    if (rc == 0 && ret_seq)
        *ret_seq = sequence;
    return rc;
}

/* {"ver":1,"type":"dirref","data":["blobref"]} */
static int
decode_rootdir(enum digest_alg alg, const json_t *rootdir, struct digest *ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc = treeobj_from_json(alg, (const struct json_t *)rootdir, &obj, err);
    size_t count;

    if (rc < 0)
        return err_prefix(err, rc, "rootdir");
    if (treeobj_type(obj) != TREEOBJ_DIRREF)
        return err_set(err, -EPROTO, "rootdir: not a dirref");
    *ret = treeobj_refs(obj, &count)[0];
    return 0;
}

/* The members of a look-up; texts are borrowed from json. */
struct lookup_members {
    const char *key;
    const char *ns;
    int flags;
    bool has_root;
    struct digest root;
};

static int
read_lookup(enum digest_alg alg, json_t *json, struct lookup_members *ret, struct err *err)
{
    json_t *rootdir = NULL;

    *ret = (struct lookup_members){.ns = "primary"};
    if (!json)
        return err_set(err, -EPROTO, "lookup: not JSON");
    if (json_unpack(json, "{s:s s?s s?i s?o}", "key", &ret->key, "namespace", &ret->ns, "flags",
                    &ret->flags, "rootdir", &rootdir) < 0)
        return err_set(err, -EPROTO, "lookup: key is missing, or a member has a wrong type");
    if (!kvs_json_is_namespace(ret->ns))
        return err_set(err, -EINVAL, "lookup: not a name of a namespace");
    ret->has_root = rootdir != NULL;
    return rootdir ? decode_rootdir(alg, rootdir, &ret->root, err) : 0;
}

int
kvs_json_decode_lookup(enum digest_alg alg, const char *text, struct lookup **ret, struct err *err)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    struct lookup_members m;
    int rc = read_lookup(alg, json, &m, err);

    if (rc == 0)
        *ret = lookup_new(alg, m.ns, m.has_root ? &m.root : NULL, m.key, m.flags & LOOKUP_FLAGS);
    json_decref(json);
    return rc;
}

static int
make_watch_spec(const struct lookup_members *m, struct kvs_watch_spec *ret, struct err *err)
{
    AUTO(key) struct key key = {0, NULL, NULL};
    struct buf normal = BUF_INIT;
    int rc = key_parse(m->key, &key, err);

    if (rc < 0)
        return rc;
    key_format(&key, &normal);
    *ret = (struct kvs_watch_spec){.key = buf_detach(&normal, NULL),
                                   .flags = m->flags & WATCH_FLAGS,
                                   .has_root = m->has_root,
                                   .root = m->root};
    strcpy(ret->ns, m->ns);
    return 0;
}

int
kvs_json_decode_watch(enum digest_alg alg, const char *text, struct kvs_watch_spec *ret,
                      struct err *err)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    struct lookup_members m;
    int rc = read_lookup(alg, json, &m, err);

    if (rc == 0)
        rc = make_watch_spec(&m, ret, err);
    json_decref(json);
    return rc;
}

void
kvs_watch_spec_fini(struct kvs_watch_spec *spec)
{
    free(spec->key);
    spec->key = NULL;
}
