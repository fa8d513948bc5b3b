/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_json.c - see kvs_json.h. */
#include "kvs_json.h"
#include "blobref.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define LOOKUP_FLAGS (LOOKUP_READDIR | LOOKUP_READLINK | LOOKUP_TREEOBJ)

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
kvs_json_decode_root(enum digest_alg alg, const char *text, const char *ns, struct store_root *ret)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *name = ns;
    const char *ref;
    json_int_t sequence;
    json_int_t owner = 0;
    json_int_t epoch = 0;
    enum digest_alg ref_alg;
    int rc = -EPROTO;

    if (json &&
        json_unpack(json, "{s?s s:s s:I s?I}", "namespace", &name, "rootref", &ref, "rootseq",
                    &sequence, "owner", &owner) == 0 &&
        name && blobref_parse(ref, &ref_alg, &ret->root) == 0 && ref_alg == alg) {
        ret->sequence = sequence;
        ret->owner = (uint32_t)owner;
        ret->epoch = epoch;
        rc = copy_namespace(name, ret->name);
    }
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

static int
make_lookup(enum digest_alg alg, const json_t *json, struct lookup **ret, struct err *err)
{
    const char *key;
    const char *ns = "primary";
    int flags = 0;
    json_t *rootdir = NULL;
    struct digest root;
    int rc = 0;

    if (json_unpack((json_t *)(uintptr_t)json, "{s:s s?s s?i s?o}", "key", &key, "namespace", &ns,
                    "flags", &flags, "rootdir", &rootdir) < 0)
        return err_set(err, -EPROTO, "lookup: key is missing, or a member has a wrong type");
    if (!kvs_json_is_namespace(ns))
        return err_set(err, -EINVAL, "lookup: not a name of a namespace");
    if (rootdir && (rc = decode_rootdir(alg, rootdir, &root, err)) < 0)
        return rc;
    *ret = lookup_new(alg, ns, rootdir ? &root : NULL, key, flags & LOOKUP_FLAGS);
    return 0;
}

int
kvs_json_decode_lookup(enum digest_alg alg, const char *text, struct lookup **ret, struct err *err)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    int rc = json ? make_lookup(alg, json, ret, err) : err_set(err, -EPROTO, "lookup: not JSON");

    json_decref(json);
    return rc;
}
