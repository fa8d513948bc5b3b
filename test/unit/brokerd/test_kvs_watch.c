/* SPDX-License-Identifier: MPL-2.0 */
/* test_kvs_watch.c - the KVS service of rank 1 of seven, between a client, its parent and its children, which
 * only write down what they are sent: following the versions of a namespace, and watches. */
#include "fakes.h"

#include "kvs.h"
#include "kvs_history.h"
#include "kvs_walk.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

#define ALG DIGEST_SHA1
#define CONN 5
#define EPOCH 100

enum { WATCH = LOOKUP_WATCH, FULL = LOOKUP_WATCH | LOOKUP_WATCH_FULL };

/* --- the rig --- */

struct rig {
    struct station station;
    struct loop *loop; // owned; never turned
    struct content *content;
    struct kvs *kvs;
};

static struct rig *
start(void)
{
    static struct rig r;
    struct content_conf content = {.rank = 1,
                                   .alg = ALG,
                                   .durability = STORE_COMMIT,
                                   .cache_limit = 1 << 20,
                                   .blob_size_limit = 1 << 20,
                                   .put_bytes = 8 << 20};
    static struct metrics metrics;
    struct kvs_conf kvs = {.rank = 1, .alg = ALG, .blob_size_limit = 1 << 20, .metrics = &metrics};

    station_init(&r.station, 1);
    r.loop = loop_new();
    r.content = content_new(&content, r.loop, r.station.router, r.station.services);
    r.kvs = kvs_new(&kvs, r.station.router, r.content, r.station.services);
    return &r;
}

static void
stop(struct rig *r)
{
    kvs_forget(r->kvs, &(struct origin){.kind = ORIGIN_CONN, .conn = CONN});
    router_cancel_calls(r->station.router);
    content_cancel(r->content);
    content_free(&r->content);
    kvs_free(&r->kvs);
    loop_free(&r->loop);
    station_fini(&r->station);
}

/* --- trees --- */

static struct digest
keep(struct rig *r, const char *bytes)
{
    AUTO(blob) struct blob *b = blob_new(bytes, strlen(bytes));
    struct digest d;

    digest_compute(ALG, bytes, strlen(bytes), &d);
    content_insert(r->content, &d, b);
    return d;
}

/* A version with one key, `k`; entry is consumed. */
static struct store_root
make_version(struct rig *r, int64_t sequence, struct treeobj *entry)
{
    struct store_root root = {.name = "ns", .epoch = EPOCH, .sequence = sequence};
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    AUTO(buf) struct buf text = BUF_INIT;

    if (entry)
        treeobj_dir_put(dir, "k", &entry);
    treeobj_encode(ALG, dir, &text);
    root.root = keep(r, buf_str(&text));
    return root;
}

static struct treeobj *
val(const char *text)
{
    return treeobj_new_val(text, strlen(text));
}

static struct store_root
version_of(struct rig *r, int64_t sequence, const char *value)
{
    return make_version(r, sequence, value ? val(value) : NULL);
}

static struct keyset *
keys_of(const char *key)
{
    char *text = key ? xasprintf("{\"%s\":null}", key) : NULL;

    return text ? keyset_from_text(&text) : NULL;
}

/* The parent announces a version; key: the one that was named, NULL: it is not told.  Are clients that listen to
 * hear of it? */
static bool
announce(struct rig *r, const struct store_root *root, const char *key)
{
    bool is_for_all;
    struct keyset *keys = keys_of(key);
    AUTO(buf) struct buf text = BUF_INIT;
    AUTO(msg) struct msg m;

    kvs_event_encode(ALG, root, 1.5, keys, &text);
    msg_init(&m, MSG_EVENT);
    msg_set_topic(&m, "kvs.namespace-ns-setroot");
    msg_set_text(&m, buf_str(&text));
    is_for_all = kvs_on_event(r->kvs, &m);
    keyset_free(&keys);
    return is_for_all;
}

static bool
is_for_listeners(struct rig *r, const struct store_root *root)
{
    return announce(r, root, "k");
}

static void
announce_value(struct rig *r, int64_t sequence, const char *value, const char *key)
{
    struct store_root root = version_of(r, sequence, value);

    announce(r, &root, key);
}

static void
announce_removed(struct rig *r)
{
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_EVENT);
    msg_set_topic(&m, "kvs.namespace-ns-removed");
    msg_set_text(&m, "{\"namespace\":\"ns\",\"rootseq\":0,"
                     "\"rootref\":\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\"}");
    kvs_on_event(r->kvs, &m);
}

/* --- requests and answers --- */

static void
ask(struct rig *r, const char *topic, uint32_t tag, uint8_t flags, const char *text)
{
    struct credit_charge charge = {0};
    AUTO(msg) struct msg m = make_request(topic, MSG_NODEID_ANY, tag, text);

    m.flags |= flags;
    router_from_conn(r->station.router, CONN, &m, &charge);
}

static void
watch(struct rig *r, uint32_t tag, const char *key, int flags)
{
    AUTO(free)
    char *text = xasprintf("{\"key\":\"%s\",\"namespace\":\"ns\",\"flags\":%d}", key, flags);
    bool stream = (flags & (LOOKUP_WATCH | LOOKUP_STREAM)) != 0;

    ask(r, "kvs-watch.lookup", tag, stream ? MSG_STREAMING : 0, text);
}

/* Answer the question to the parent that is next. */
static void
answer_call(struct rig *r, const char *topic, int errnum, const char *text)
{
    struct msg call = station_take(&r->station, TO_PARENT, 0);

    assert_string_equal(call.topic, topic);
    station_answer(&r->station, OVERLAY_PARENT, 0, &call, errnum, text);
}

static void
answer_history(struct rig *r, const struct kvs_versions *versions, int64_t since)
{
    struct msg call = station_take(&r->station, TO_PARENT, 0);
    AUTO(buf) struct buf text = BUF_INIT;
    struct kvs_history_spec spec;

    assert_string_equal(call.topic, "kvs.history");
    assert_int_equal(kvs_history_decode_request(ALG, msg_text(&call), &spec), 0);
    assert_int_equal(spec.since.sequence, since);
    kvs_history_encode(ALG, versions, &spec, &kvs_versions_newest(versions, "ns")->root, &text);
    station_answer(&r->station, OVERLAY_PARENT, 0, &call, 0, buf_str(&text));
}

static void
told(struct rig *r, uint32_t tag, int errnum, const char *text)
{
    station_take_response(&r->station, TO_CONN, CONN, tag, errnum, text);
}

/* An answer with that value; object is consumed. */
static void
told_object(struct rig *r, uint32_t tag, struct treeobj *object)
{
    AUTO(blob) struct blob *payload = walk_encode(ALG, object);

    told(r, tag, 0, blob_data(payload));
    treeobj_unref(&object);
}

static void
told_value(struct rig *r, uint32_t tag, const char *value)
{
    told_object(r, tag, val(value));
}

static void
told_end(struct rig *r, uint32_t tag, int errnum)
{
    AUTO(msg) struct msg m = station_take(&r->station, TO_CONN, CONN);

    assert_int_equal(m.matchtag, tag);
    assert_int_equal(m.errnum, errnum);
}

static void
told_nothing(struct rig *r)
{
    station_assert_quiet(&r->station);
}

/* A rank that knows version 1 of "ns", with k=1. */
static struct rig *
start_with_version_1(void)
{
    struct rig *r = start();

    announce_value(r, 1, "1", NULL);
    return r;
}

/* --- tests --- */

static void
each_version_that_names_the_key_is_told(void **state UNUSED)
{
    struct rig *r = start_with_version_1();

    watch(r, 7, "k", WATCH);
    told_value(r, 7, "1");
    announce_value(r, 2, "1", "k"); // the same again
    told_value(r, 7, "1");
    announce_value(r, 3, "1", "other");
    announce_value(r, 4, "2", "k");
    told_value(r, 7, "2");
    announce_value(r, 5, "3", NULL); // it is not told which: looked at
    told_value(r, 7, "3");
    announce_value(r, 6, "3", NULL);
    told_nothing(r);
    announce_value(r, 7, NULL, "k");
    told_end(r, 7, ENOENT);
    stop(r);
}

static void
full_looks_at_every_version(void **state UNUSED)
{
    struct rig *r = start_with_version_1();

    watch(r, 7, "k", FULL);
    told_value(r, 7, "1");
    announce_value(r, 2, "2", "other"); // through a link, say
    told_value(r, 7, "2");
    announce_value(r, 3, "2", "k");
    told_nothing(r);
    assert_int_equal(kvs_watches(r->kvs, "ns"), 1);
    assert_int_equal(kvs_watches(r->kvs, NULL), 1);
    assert_int_equal(kvs_watches(r->kvs, "primary"), 0);
    stop(r);
}

static void
a_root_that_is_not_known_is_asked_for(void **state UNUSED)
{
    struct rig *r = start();
    struct store_root root = version_of(r, 3, "1");
    AUTO(buf) struct buf text = BUF_INIT;

    watch(r, 7, "k", WATCH);
    kvs_event_encode(ALG, &root, 0, NULL, &text);
    answer_call(r, "kvs.getroot", 0, buf_str(&text));
    told_value(r, 7, "1");
    for (uint32_t child = 3; child <= 4; child++) {
        AUTO(msg) struct msg m = station_take(&r->station, TO_CHILD, child);

        assert_string_equal(m.topic, "kvs.namespace-ns-setroot");
    }
    announce_value(r, 4, "2", "k");
    told_value(r, 7, "2");
    stop(r);
}

static void
a_namespace_that_does_not_exist_is_waited_for_if_wanted(void **state UNUSED)
{
    struct rig *r = start();

    watch(r, 7, "k", WATCH);
    answer_call(r, "kvs.getroot", ENOTSUP, NULL);
    told_end(r, 7, ENOTSUP);
    watch(r, 8, "k", WATCH | LOOKUP_WAITCREATE);
    answer_call(r, "kvs.getroot", ENOTSUP, NULL);
    told_nothing(r);
    announce_value(r, 0, NULL, NULL); // it is made
    told_nothing(r);
    announce_value(r, 1, "1", "k");
    told_value(r, 8, "1");
    stop(r);
}

static void
what_was_missed_is_told_in_order(void **state UNUSED)
{
    struct rig *r = start_with_version_1();
    struct kvs_versions *above = kvs_versions_new(100, 1 << 20);

    watch(r, 7, "k", WATCH);
    told_value(r, 7, "1");
    for (int64_t i = 1; i <= 4; i++) {
        char value[8];
        struct store_root root;
        struct keyset *keys = keys_of(i == 3 ? "other" : "k");

        snprintf(value, sizeof(value), "%d", (int)i);
        root = version_of(r, i, i == 3 ? "2" : value);
        kvs_versions_add(above, &root, 1.5, &keys, i > 1);
    }
    announce(r, &kvs_versions_find(above, "ns", 3)->root, "other"); // 2 is missing
    announce(r, &kvs_versions_find(above, "ns", 4)->root, "k");     // is in the answer
    answer_history(r, above, 1);
    for (int64_t i = 2; i <= 4; i++) { // the ranks below have missed it too
        for (uint32_t child = 3; child <= 4; child++) {
            AUTO(msg) struct msg m = station_take(&r->station, TO_CHILD, child);
            struct store_root root;
            struct keyset *keys;
            double time;

            assert_int_equal(kvs_event_decode(ALG, msg_text(&m), &root, &time, &keys), 0);
            assert_int_equal(root.sequence, i);
            assert_int_equal(keyset_has(keys, "k"), i != 3);
            keyset_free(&keys);
        }
    }
    told_value(r, 7, "2");
    told_value(r, 7, "4");
    announce_value(r, 5, "5", "k");
    told_value(r, 7, "5");
    kvs_versions_free(&above);
    stop(r);
}

static void
another_parent_is_asked_what_was_missed(void **state UNUSED)
{
    struct rig *r = start_with_version_1();
    struct kvs_versions *above = kvs_versions_new(100, 1 << 20);
    struct store_root root = version_of(r, 5, "5");
    struct keyset *none = NULL;

    watch(r, 7, "k", WATCH);
    told_value(r, 7, "1");
    kvs_versions_add(above, &root, 1.5, &none, false); // it does not remember what came before
    kvs_parent_online(r->kvs);
    answer_history(r, above, 1);
    for (uint32_t child = 3; child <= 4; child++) {
        AUTO(msg) struct msg m = station_take(&r->station, TO_CHILD, child);

        assert_int_equal(m.type, MSG_EVENT);
    }
    told_value(r, 7, "5");
    kvs_versions_free(&above);
    stop(r);
}

static void
a_client_that_does_not_read_misses_nothing(void **state UNUSED)
{
    struct rig *r = start_with_version_1();

    watch(r, 7, "k", WATCH);
    told_value(r, 7, "1");
    r->station.connector.full = true;
    announce_value(r, 2, "2", "k");
    announce_value(r, 3, "3", "k");
    told_nothing(r);
    r->station.connector.full = false;
    router_conn_drained(r->station.router, CONN);
    told_value(r, 7, "2");
    told_value(r, 7, "3");
    stop(r);
}

static void
appends_are_told_blob_by_blob(void **state UNUSED)
{
    struct rig *r = start_with_version_1();
    struct digest refs[] = {keep(r, "1"), keep(r, "two"), keep(r, "three")};
    struct store_root root;

    watch(r, 7, "k", WATCH | LOOKUP_WATCH_APPEND);
    told_value(r, 7, "1");
    root = make_version(r, 2, treeobj_new_valref(refs, 3));
    announce(r, &root, "k");
    told_value(r, 7, "two");
    told_value(r, 7, "three");
    announce_value(r, 3, "else", "k");
    told_end(r, 7, EINVAL);
    watch(r, 8, "k", LOOKUP_STREAM);
    told_value(r, 8, "else");
    told(r, 8, ENODATA, NULL);
    stop(r);
}

static void
a_stream_waits_for_its_reader(void **state UNUSED)
{
    struct rig *r = start();
    struct digest refs[] = {keep(r, "one"), keep(r, "two"), keep(r, "three")};
    struct store_root root = make_version(r, 1, treeobj_new_valref(refs, 3));

    announce(r, &root, NULL);
    r->station.connector.is_short = true;
    r->station.connector.large = 3; // bytes
    watch(r, 8, "k", LOOKUP_STREAM);
    told_value(r, 8, "one");
    told_value(r, 8, "two");
    told_nothing(r);
    r->station.connector.is_short = false;
    router_conn_drained(r->station.router, CONN);
    told_value(r, 8, "three");
    told(r, 8, ENODATA, NULL);
    stop(r);
}

static void
joined_values_are_one_answer(void **state UNUSED)
{
    struct rig *r = start();
    struct digest refs[] = {keep(r, "one"), keep(r, "two"), keep(r, "one")};
    struct store_root root = make_version(r, 1, treeobj_new_valref(refs, 3));

    announce(r, &root, NULL);
    watch(r, 8, "k", WATCH | LOOKUP_INITIAL_SENTINEL);
    told_value(r, 8, "onetwoone");
    told(r, 8, 0, "{\"val\":null}");
    watch(r, 9, "k", LOOKUP_WAITCREATE);
    told_value(r, 9, "onetwoone");
    watch(r, 10, "k", WATCH | LOOKUP_TREEOBJ);
    told_object(r, 10, treeobj_new_valref(refs, 3));
    stop(r);
}

static void
a_blob_that_cannot_be_had_is_the_end(void **state UNUSED)
{
    struct rig *r = start();
    struct digest refs[2] = {keep(r, "one")};
    struct store_root root;
    struct msg call;

    digest_compute(ALG, "lost", 4, &refs[1]);
    root = make_version(r, 1, treeobj_new_valref(refs, 2));
    announce(r, &root, NULL);
    watch(r, 8, "k", LOOKUP_STREAM);
    call = station_take(&r->station, TO_PARENT, 0);
    assert_string_equal(call.topic, "content.load");
    told_value(r, 8, "one");
    station_answer(&r->station, OVERLAY_PARENT, 0, &call, EIO, NULL);
    told_end(r, 8, EIO);
    stop(r);
}

static void
cancelled_streams_end_and_those_of_lost_clients_are_forgotten(void **state UNUSED)
{
    struct rig *r = start_with_version_1();

    watch(r, 7, "k", WATCH);
    told_value(r, 7, "1");
    watch(r, 8, "k", WATCH);
    told_value(r, 8, "1");
    ask(r, "kvs-watch.cancel", 0, MSG_NORESPONSE, "{\"matchtag\":7}");
    told(r, 7, ENODATA, NULL);
    ask(r, "kvs-watch.cancel", 9, 0, "{\"matchtag\":70}");
    told(r, 9, 0, NULL);
    ask(r, "kvs-watch.cancel", 9, 0, "{}");
    told_end(r, 9, EPROTO);
    kvs_forget(r->kvs, &(struct origin){.kind = ORIGIN_CONN, .conn = CONN});
    assert_int_equal(kvs_watches(r->kvs, NULL), 0);
    announce_value(r, 2, "2", "k");
    stop(r);
}

static void
a_removed_namespace_ends_its_watches(void **state UNUSED)
{
    struct rig *r = start_with_version_1();

    watch(r, 7, "k", WATCH);
    told_value(r, 7, "1");
    announce_removed(r);
    told_end(r, 7, ENOTSUP);
    assert_int_equal(kvs_watches(r->kvs, NULL), 0);
    stop(r);
}

static void
flags_that_contradict_each_other_are_refused(void **state UNUSED)
{
    struct rig *r = start_with_version_1();

    ask(r, "kvs-watch.lookup", 7, 0, "{\"key\":\"k\",\"namespace\":\"ns\",\"flags\":4}");
    told_end(r, 7, EPROTO);
    watch(r, 7, "k", WATCH | LOOKUP_STREAM);
    told_end(r, 7, EINVAL);
    watch(r, 7, "k", WATCH | LOOKUP_WATCH_APPEND | LOOKUP_READDIR);
    told_end(r, 7, EISDIR);
    watch(r, 7, "a//b", WATCH);
    told_end(r, 7, EINVAL);
    ask(r, "kvs-watch.lookup", 7, MSG_STREAMING,
        "{\"key\":\"k\",\"flags\":4,\"rootdir\":{\"ver\":1,\"type\":\"dirref\",\"data\":"
        "[\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\"]}}");
    told_end(r, 7, EINVAL);
    assert_int_equal(kvs_watches(r->kvs, NULL), 0);
    stop(r);
}

static void
a_child_is_told_the_history_once_we_know_it(void **state UNUSED)
{
    struct rig *r = start_with_version_1();
    struct kvs_versions *above = kvs_versions_new(100, 1 << 20);
    struct overlay_from child = {.kind = OVERLAY_CHILD, .rank = 3, .peer = {.len = 1, .id = "x"}};
    struct msg question = make_request("kvs.history", MSG_NODEID_ANY, 50,
                                       "{\"namespace\":\"ns\",\"since\":1,\"epoch\":100}");
    AUTO(msg) struct msg answer;
    struct kvs_history h;

    for (int64_t i = 1; i <= 2; i++) {
        struct store_root root = version_of(r, i, i == 1 ? "1" : "2");
        struct keyset *keys = keys_of("k");

        kvs_versions_add(above, &root, 1.5, &keys, i > 1);
    }
    kvs_parent_online(r->kvs);
    router_from_overlay(r->station.router, &child, &question);
    answer_history(r, above, 1);
    for (uint32_t rank = 3; rank <= 4; rank++) {
        AUTO(msg) struct msg m = station_take(&r->station, TO_CHILD, rank);

        assert_int_equal(m.type, MSG_EVENT);
    }
    answer = station_take(&r->station, TO_CHILD, 3);
    assert_int_equal(answer.matchtag, 50);
    assert_int_equal(kvs_history_decode(ALG, msg_text(&answer), "ns", &h), 0);
    assert_true(h.complete);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.entries[0].root.sequence, 2);
    kvs_history_fini(&h);
    kvs_versions_free(&above);
    stop(r);
}

/* A rank that was just started remembers nothing of what its child has missed. */
static void
a_child_is_told_by_those_above_what_we_do_not_remember(void **state UNUSED)
{
    struct rig *r = start();
    struct overlay_from child = {.kind = OVERLAY_CHILD, .rank = 3, .peer = {.len = 1, .id = "x"}};
    struct msg question = make_request("kvs.history", MSG_NODEID_ANY, 50,
                                       "{\"namespace\":\"ns\",\"since\":1,\"epoch\":100}");
    struct msg all = make_request("kvs.history", MSG_NODEID_ANY, 51, "{\"namespace\":\"ns\"}");
    struct kvs_versions *above = kvs_versions_new(100, 1 << 20);
    AUTO(msg) struct msg answer;
    AUTO(msg) struct msg ours;
    struct kvs_history h;

    for (int64_t i = 1; i <= 3; i++) {
        struct store_root root = version_of(r, i, "1");
        struct keyset *keys = keys_of("k");

        kvs_versions_add(above, &root, 1.5, &keys, i > 1);
    }
    announce_value(r, 3, "1", "k"); // the first that it hears
    router_from_overlay(r->station.router, &child, &question);
    answer_history(r, above, 1);
    answer = station_take(&r->station, TO_CHILD, 3);
    assert_int_equal(answer.matchtag, 50);
    assert_int_equal(kvs_history_decode(ALG, msg_text(&answer), "ns", &h), 0);
    assert_true(h.complete);
    assert_int_equal(h.count, 2);
    kvs_history_fini(&h);

    router_from_overlay(r->station.router, &child, &all); // what it remembers itself
    ours = station_take(&r->station, TO_CHILD, 3);
    assert_int_equal(kvs_history_decode(ALG, msg_text(&ours), "ns", &h), 0);
    assert_int_equal(h.count, 1);
    kvs_history_fini(&h);
    kvs_versions_free(&above);
    stop(r);
}

static void
events_are_for_listeners_once_and_in_order(void **state UNUSED)
{
    struct rig *r = start_with_version_1();
    struct kvs_versions *above = kvs_versions_new(100, 1 << 20);

    for (int64_t i = 1; i <= 4; i++) {
        struct store_root root = version_of(r, i, "1");
        struct keyset *keys = keys_of("k");

        kvs_versions_add(above, &root, 1.5, &keys, i > 1);
    }
    assert_false(is_for_listeners(r, &kvs_versions_find(above, "ns", 1)->root)); // known
    assert_true(is_for_listeners(r, &kvs_versions_find(above, "ns", 2)->root));
    assert_false(is_for_listeners(r, &kvs_versions_find(above, "ns", 4)->root)); // too early
    answer_history(r, above, 2);
    for (int64_t i = 3; i <= 4; i++) { // now they are announced, from here
        for (uint32_t child = 3; child <= 4; child++) {
            AUTO(msg) struct msg m = station_take(&r->station, TO_CHILD, child);

            assert_int_equal(m.type, MSG_EVENT);
        }
    }
    kvs_versions_free(&above);
    stop(r);
}

/* A version whose root is a directory with one directory, `d`, of one entry. */
static struct store_root
make_deep_version(struct rig *r, int64_t sequence, const char *name, const char *other)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    AUTO(buf) struct buf text = BUF_INIT;
    struct treeobj *value = val("x");
    struct treeobj *rest = val(other);
    AUTO(treeobj) struct treeobj *root = treeobj_new_dir();
    struct store_root version = {.name = "ns", .epoch = EPOCH, .sequence = sequence};
    struct treeobj *ref;
    struct digest d;

    treeobj_dir_put(dir, name, &value);
    treeobj_encode(ALG, dir, &text);
    d = keep(r, buf_str(&text));
    ref = treeobj_new_dirref(&d);
    treeobj_dir_put(root, "d", &ref);
    treeobj_dir_put(root, "other", &rest);
    buf_reset(&text);
    treeobj_encode(ALG, root, &text);
    version.root = keep(r, buf_str(&text));
    return version;
}

static struct treeobj *
dir_with(const char *name)
{
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *value = val("x");

    treeobj_dir_put(dir, name, &value);
    return dir;
}

static void
a_directory_is_listed_only_when_it_differs(void **state UNUSED)
{
    struct rig *r = start();
    struct store_root root = make_deep_version(r, 1, "a", "1");

    announce(r, &root, NULL);
    watch(r, 7, "d", WATCH | LOOKUP_READDIR);
    told_object(r, 7, dir_with("a"));
    root = make_deep_version(r, 2, "a", "2");
    announce(r, &root, "other");
    told_nothing(r);
    root = make_deep_version(r, 3, "b", "2");
    announce(r, &root, "d.b");
    told_object(r, 7, dir_with("b"));
    watch(r, 8, ".", WATCH | LOOKUP_READDIR | LOOKUP_TREEOBJ);
    told_object(r, 8, treeobj_new_dirref(&root.root));
    stop(r);
}

static void
a_joined_value_waits_for_room(void **state UNUSED)
{
    struct rig *r = start();
    struct digest refs[] = {keep(r, "one"), keep(r, "two")};
    struct store_root root = make_version(r, 1, treeobj_new_valref(refs, 2));

    announce(r, &root, NULL);
    r->station.connector.is_short = true;
    r->station.connector.large = 1000; // bytes
    watch(r, 8, "k", WATCH);
    told_nothing(r);
    r->station.connector.is_short = false;
    router_conn_drained(r->station.router, CONN);
    told_value(r, 8, "onetwo");
    stop(r);
}

static void
a_lost_directory_is_no_missing_key(void **state UNUSED)
{
    struct rig *r = start();
    struct store_root root = {.name = "ns", .epoch = EPOCH, .sequence = 1};

    digest_compute(ALG, "lost", 4, &root.root);
    announce(r, &root, NULL);
    watch(r, 8, "k", WATCH | LOOKUP_WAITCREATE);
    answer_call(r, "content.load", ENOENT, NULL);
    told_end(r, 8, EIO);
    stop(r);
}

static void
a_version_that_is_lost_is_left_out_if_there_is_another(void **state UNUSED)
{
    struct rig *r = start_with_version_1();
    struct store_root lost = {.name = "ns", .epoch = EPOCH, .sequence = 2};

    watch(r, 8, "k", WATCH);
    told_value(r, 8, "1");
    r->station.connector.full = true;
    digest_compute(ALG, "lost", 4, &lost.root);
    announce(r, &lost, "k");
    announce_value(r, 3, "3", "other"); // k was changed by the lost one
    r->station.connector.full = false;
    router_conn_drained(r->station.router, CONN);
    answer_call(r, "content.load", ENOENT, NULL);
    told_value(r, 8, "3");
    stop(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_that_names_the_key_is_told),
        cmocka_unit_test(full_looks_at_every_version),
        cmocka_unit_test(a_root_that_is_not_known_is_asked_for),
        cmocka_unit_test(a_namespace_that_does_not_exist_is_waited_for_if_wanted),
        cmocka_unit_test(what_was_missed_is_told_in_order),
        cmocka_unit_test(another_parent_is_asked_what_was_missed),
        cmocka_unit_test(a_client_that_does_not_read_misses_nothing),
        cmocka_unit_test(appends_are_told_blob_by_blob),
        cmocka_unit_test(a_stream_waits_for_its_reader),
        cmocka_unit_test(joined_values_are_one_answer),
        cmocka_unit_test(a_blob_that_cannot_be_had_is_the_end),
        cmocka_unit_test(cancelled_streams_end_and_those_of_lost_clients_are_forgotten),
        cmocka_unit_test(a_removed_namespace_ends_its_watches),
        cmocka_unit_test(flags_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_child_is_told_the_history_once_we_know_it),
        cmocka_unit_test(a_child_is_told_by_those_above_what_we_do_not_remember),
        cmocka_unit_test(events_are_for_listeners_once_and_in_order),
        cmocka_unit_test(a_directory_is_listed_only_when_it_differs),
        cmocka_unit_test(a_joined_value_waits_for_room),
        cmocka_unit_test(a_lost_directory_is_no_missing_key),
        cmocka_unit_test(a_version_that_is_lost_is_left_out_if_there_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
