/* SPDX-License-Identifier: MPL-2.0 */
/* Payloads of kvs.*: whatever is asked for is refused, or looked up to an end in a tree whose every
 * directory has one link, one value and one directory in it. */
#include "fuzz.h"
#include "kvs_history.h"
#include "kvs_json.h"
#include "xmem.h"

#include <string.h>

#define STEPS_MAX 100000 // a look-up that takes more has no end

static const char dir_text[] =
    "{\"ver\":1,\"type\":\"dir\",\"data\":{"
    "\"d\":{\"ver\":1,\"type\":\"dirref\",\"data\":[\"sha1-"
    "0000000000000000000000000000000000000000\"]},"
    "\"l\":{\"ver\":1,\"type\":\"symlink\",\"data\":{\"target\":\"l.l\"}},"
    "\"n\":{\"ver\":1,\"type\":\"symlink\",\"data\":{\"namespace\":\"x\",\"target\":\"d\"}},"
    "\"r\":{\"ver\":1,\"type\":\"valref\",\"data\":[\"sha1-"
    "0000000000000000000000000000000000000000\"]},"
    "\"v\":{\"ver\":1,\"type\":\"val\",\"data\":\"Zm9v\"}}}";

static void
give(struct lookup *l, enum lookup_want want, const struct treeobj *dir, const struct blob *b)
{
    static const struct digest root;
    size_t count;

    if (want == LOOKUP_WANT_ROOT) {
        assert(lookup_namespace(l));
        lookup_give_root(l, &root);
    } else if (want == LOOKUP_WANT_DIR) {
        lookup_give_dir(l, dir);
    } else {
        struct digest d = lookup_wanted(l, &count)[0];

        assert(count > 0);
        lookup_give_blob(l, &d, b);
    }
}

static void
run(struct lookup *l)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    AUTO(treeobj) struct treeobj *result = NULL;
    AUTO(blob) struct blob *b = blob_new("value", 5);
    struct err err = {0};
    enum lookup_want want;
    int steps = 0;

    assert(treeobj_decode(DIGEST_SHA1, dir_text, sizeof(dir_text) - 1, &dir, NULL) == 0);
    while ((want = lookup_step(l)) != LOOKUP_DONE) {
        assert(++steps < STEPS_MAX);
        give(l, want, dir, b);
    }
    if (lookup_result(l, &result, &err) < 0)
        assert(!result && err.code < 0);
    else
        assert(result);
}

static void
read_event(const char *text)
{
    AUTO(buf) struct buf again = BUF_INIT;
    struct keyset *keys = NULL;
    struct store_root root;
    double time;

    if (kvs_event_decode(DIGEST_SHA1, text, &root, &time, &keys) < 0) {
        assert(!keys);
        return;
    }
    kvs_event_encode(DIGEST_SHA1, &root, time, keys, &again);
    keyset_free(&keys);
    assert(kvs_event_decode(DIGEST_SHA1, buf_str(&again), &root, &time, &keys) == 0);
    keyset_free(&keys);
}

static void
read_history(const char *text)
{
    struct kvs_history_spec spec;
    struct kvs_watch_spec watch;
    struct kvs_history h;
    struct err err = {0};

    if (kvs_history_decode(DIGEST_SHA1, text, "primary", &h) == 0) {
        for (size_t i = 0; i < h.count; i++)
            assert(strcmp(h.entries[i].root.name, "primary") == 0);
        kvs_history_fini(&h);
    }
    if (kvs_history_decode_request(DIGEST_SHA1, text, &spec) == 0)
        assert(strlen(spec.ns) < STORE_NAMESPACE_MAX);
    if (kvs_json_decode_watch(DIGEST_SHA1, text, &watch, &err) == 0) {
        assert(watch.key[0]);
        kvs_watch_spec_fini(&watch);
    } else {
        assert(err.text[0]);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free) char *text = xstrndup((const char *)data, size);
    char ns[STORE_NAMESPACE_MAX];
    struct store_root root;
    struct lookup *l = NULL;
    struct err err = {0};
    int64_t sequence;

    if (kvs_json_decode_lookup(DIGEST_SHA1, text, &l, &err) == 0) {
        run(l);
        lookup_free(&l);
    } else {
        assert(err.text[0]);
    }
    if (kvs_json_decode_root(DIGEST_SHA1, text, "primary", &root) == 0)
        assert(strlen(root.name) < STORE_NAMESPACE_MAX);
    if (kvs_json_decode_namespace(text, ns, &sequence) == 0)
        assert(strlen(ns) < STORE_NAMESPACE_MAX);
    read_event(text);
    read_history(text);
    return 0;
}
