/* SPDX-License-Identifier: MPL-2.0 */
/* test_content.c - the content service of one rank between clients, a parent and a store that only
 * write down what they are asked. */
#include "fakes.h"

#include "blobref.h"
#include "content.h"
#include "waiter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALG DIGEST_BLAKE2B
#define CONN 5
#define LIMIT 1000 // blob size limit

/* --- a store --- */

struct store {
    uint32_t load_tag;     // 0: nothing was asked
    uint32_t put_tag;      // the same
    struct blob *put;      // owned
    void *validate_waiter; // borrowed
};

void
store_load(struct store *s, const struct digest *d UNUSED, uint32_t tag)
{
    s->load_tag = tag;
}

void
store_put(struct store *s, const struct digest *d UNUSED, const struct blob *b, uint32_t tag)
{
    s->put_tag = tag;
    blob_unref(&s->put);
    s->put = blob_ref(b);
}

void
store_validate(struct store *s, const struct digest *d UNUSED, void *cookie)
{
    s->validate_waiter = cookie;
}

/* --- the rig --- */

struct rig {
    struct station station;
    struct loop *loop;       // owned; never turned
    struct content *content; // owned
    struct store store;
};

static struct rig *
start(uint32_t rank, bool retain)
{
    static struct rig r;
    struct content_conf conf = {.rank = rank,
                                .alg = ALG,
                                .durability = STORE_COMMIT,
                                .retain = retain,
                                .cache_limit = 1 << 20,
                                .blob_size_limit = LIMIT,
                                .put_bytes = 8 << 20};

    memset(&r.store, 0, sizeof(r.store));
    station_init(&r.station, rank);
    r.loop = loop_new();
    r.content = content_new(&conf, r.loop, r.station.router, r.station.services);
    return &r;
}

static struct rig *
start_at_leaf(void)
{
    return start(1, false);
}

static struct rig *
start_with_store(void)
{
    struct rig *r = start(0, false);

    content_set_store(r->content, &r->store);
    return r;
}

static void
stop(struct rig *r)
{
    content_free(&r->content);
    loop_free(&r->loop);
    assert_null(r->content);
    station_fini(&r->station);
    blob_unref(&r->store.put);
}

static struct digest
digest_of(const char *text)
{
    struct digest d;

    digest_compute(ALG, text, strlen(text), &d);
    return d;
}

/* Ask for `topic` with raw bytes, as a client (child 0) or as a child. */
static void
ask(struct rig *r, uint32_t child, const char *topic, uint32_t tag, const void *data, size_t size)
{
    struct overlay_from from = {
        .kind = OVERLAY_CHILD, .rank = child, .peer = {.len = 1, .id = {'x'}}};
    struct msg m = make_request(topic, MSG_NODEID_ANY, tag, NULL);
    struct blob *payload = blob_new(data, size);

    msg_set_payload(&m, &payload);
    if (child)
        router_from_overlay(r->station.router, &from, &m);
    else
        router_from_conn(r->station.router, CONN, &m, &(struct credit_charge){0});
    msg_fini(&m);
}

static void
ask_load(struct rig *r, uint32_t child, uint32_t tag, const char *text)
{
    struct digest d = digest_of(text);

    ask(r, child, "content.load", tag, d.bytes, digest_size(ALG));
}

static void
ask_store(struct rig *r, uint32_t tag, const char *text)
{
    ask(r, 0, "content.store", tag, text, strlen(text));
}

static void
format_put(const char *text, char topic[200])
{
    struct digest d = digest_of(text);
    char ref[BLOBREF_MAX];

    snprintf(topic, 200, "content.put.%s", strchr(blobref_format(ALG, &d, ref), '-') + 1);
}

/* The next message is a call of the parent with that topic and payload. */
static struct msg
take_call(struct rig *r, const char *topic, const void *data, size_t size)
{
    struct msg m = station_take(&r->station, TO_PARENT, 0);

    assert_int_equal(m.type, MSG_REQUEST);
    assert_string_equal(m.topic, topic);
    assert_int_equal(msg_size(&m), size);
    assert_memory_equal(msg_data(&m), data, size);
    return m;
}

static struct msg
take_load_call(struct rig *r, const char *text)
{
    struct digest d = digest_of(text);

    return take_call(r, "content.load", d.bytes, digest_size(ALG));
}

static struct msg
take_put_call(struct rig *r, const char *text)
{
    char topic[200];

    format_put(text, topic);
    return take_call(r, topic, text, strlen(text));
}

/* The parent's answer to a call, with bytes unless text is NULL. */
static void
answer(struct rig *r, struct msg *call, int errnum, const char *text)
{
    struct overlay_from from = {.kind = OVERLAY_PARENT};
    struct blob *payload = text ? blob_new(text, strlen(text)) : NULL;
    AUTO(msg) struct msg m;

    msg_init_response(&m, call, errnum);
    msg_set_payload(&m, &payload);
    msg_fini(call);
    router_from_overlay(r->station.router, &from, &m);
}

/* The next message is the answer to request `tag`; text: its bytes, NULL: none. */
static void
take_answer(struct rig *r, uint32_t child, uint32_t tag, int errnum, const char *text)
{
    AUTO(msg)
    struct msg m = station_take(&r->station, child ? TO_CHILD : TO_CONN, child ? child : CONN);

    assert_int_equal(m.type, MSG_RESPONSE);
    assert_int_equal(m.matchtag, tag);
    assert_int_equal(m.errnum, errnum);
    assert_int_equal(msg_size(&m), text ? strlen(text) : 0);
    if (text)
        assert_memory_equal(msg_data(&m), text, strlen(text));
}

static void
take_digest(struct rig *r, uint32_t tag, const char *text)
{
    AUTO(msg) struct msg m = station_take(&r->station, TO_CONN, CONN);
    struct digest d = digest_of(text);

    assert_int_equal(m.matchtag, tag);
    assert_int_equal(m.errnum, 0);
    assert_int_equal(msg_size(&m), digest_size(ALG));
    assert_memory_equal(msg_data(&m), d.bytes, digest_size(ALG));
}

/* Finish the only error message, whatever its text. */
static void
take_error(struct rig *r, uint32_t tag, int errnum, const char *words)
{
    AUTO(msg) struct msg m = station_take(&r->station, TO_CONN, CONN);

    assert_int_equal(m.matchtag, tag);
    assert_int_equal(m.errnum, errnum);
    assert_non_null(strstr(msg_text(&m), words));
}

static void
take_error_at(struct rig *r, uint32_t child, uint32_t tag, int errnum)
{
    AUTO(msg) struct msg m = station_take(&r->station, TO_CHILD, child);

    assert_int_equal(m.matchtag, tag);
    assert_int_equal(m.errnum, errnum);
}

/* The parent is asked to look at its own bytes. */
static void
take_doubt(struct rig *r, const char *text)
{
    struct digest d = digest_of(text);
    AUTO(msg) struct msg m = take_call(r, "content.verify", d.bytes, digest_size(ALG));

    assert_true(m.flags & MSG_NORESPONSE);
}

/* --- loads --- */

static void
missing_blob_is_fetched_once_and_kept(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_load(r, 0, 1, "bytes");
    ask_load(r, 0, 2, "bytes");
    ask_load(r, 3, 3, "bytes");
    call = take_load_call(r, "bytes");
    station_assert_quiet(&r->station); // I6
    answer(r, &call, 0, "bytes");
    take_answer(r, 0, 1, 0, "bytes");
    take_answer(r, 0, 2, 0, "bytes");
    take_answer(r, 3, 3, 0, "bytes");
    ask_load(r, 0, 4, "bytes");
    take_answer(r, 0, 4, 0, "bytes");
    stop(r);
}

static void
absence_is_answered_and_not_remembered(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_load(r, 0, 1, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, ENOENT, NULL);
    take_answer(r, 0, 1, ENOENT, NULL);
    ask_load(r, 0, 2, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "bytes");
    take_answer(r, 0, 2, 0, "bytes");
    stop(r);
}

static void
wrong_bytes_of_the_parent_reach_no_client(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_load(r, 0, 1, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "wrong");
    take_doubt(r, "bytes");
    take_answer(r, 0, 1, EIO, NULL);
    ask_load(r, 0, 2, "bytes"); // they are not kept either
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "bytes");
    take_answer(r, 0, 2, 0, "bytes");
    stop(r);
}

static void
bytes_passed_on_unhashed_are_hashed_for_a_client(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_load(r, 3, 1, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "wrong");
    take_answer(r, 3, 1, 0, "wrong"); // the child will hash them
    ask_load(r, 0, 2, "bytes");
    take_doubt(r, "bytes");
    call = take_load_call(r, "bytes"); // what was kept is dropped, and asked for again
    answer(r, &call, 0, "bytes");
    take_answer(r, 0, 2, 0, "bytes");
    stop(r);
}

static void
ask_to_verify(struct rig *r, uint32_t tag, const char *text)
{
    struct digest d = digest_of(text);

    ask(r, 3, "content.verify", tag, d.bytes, digest_size(ALG));
}

static void
child_that_got_wrong_bytes_gets_others_the_next_time(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_load(r, 3, 1, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "wrong");
    take_answer(r, 3, 1, 0, "wrong");
    ask_to_verify(r, 2, "bytes");
    take_doubt(r, "bytes"); // they may be wrong there too
    take_answer(r, 3, 2, EIO, NULL);
    ask_load(r, 3, 3, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "bytes");
    take_answer(r, 3, 3, 0, "bytes");
    ask_to_verify(r, 4, "bytes"); // these are right, and stay
    take_answer(r, 3, 4, 0, NULL);
    ask_load(r, 3, 5, "bytes");
    take_answer(r, 3, 5, 0, "bytes");
    stop(r);
}

static void
doubt_about_what_is_not_here_is_passed_up(void **state UNUSED)
{
    struct rig *r = start_at_leaf();

    ask_to_verify(r, 1, "bytes");
    take_doubt(r, "bytes");
    take_answer(r, 3, 1, 0, NULL);
    stop(r);
    r = start(0, true);
    ask(r, 1, "content.verify", 2, "x", 1);
    take_error_at(r, 1, 2, EPROTO);
    stop(r);
}

static void
doubt_about_what_is_on_its_way_has_it_hashed(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_load(r, 3, 1, "bytes");
    call = take_load_call(r, "bytes");
    ask_to_verify(r, 2, "bytes");
    answer(r, &call, 0, "wrong");
    take_doubt(r, "bytes");
    take_answer(r, 3, 1, EIO, NULL);
    take_answer(r, 3, 2, EIO, NULL);
    stop(r);
}

static void
empty_blob_is_a_blob(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_store(r, 1, "");
    call = take_put_call(r, "");
    answer(r, &call, 0, NULL);
    take_digest(r, 1, "");
    ask(r, 0, "content.dropcache", 2, "", 0);
    take_answer(r, 0, 2, 0, NULL);
    ask_load(r, 0, 3, "");
    call = take_load_call(r, "");
    answer(r, &call, 0, NULL);
    take_answer(r, 0, 3, 0, NULL);
    stop(r);
}

static void
digest_of_a_wrong_size_is_refused(void **state UNUSED)
{
    static const char *const topics[] = {"content.load", "content-backing.load",
                                         "content-backing.validate"};
    struct rig *r = start_with_store();
    char digest[64] = {0};

    for (uint32_t i = 0; i < ARRAY_SIZE(topics); i++) {
        ask(r, 0, topics[i], 1, digest, 20);
        take_error(r, 1, EPROTO, "a blake2b digest has 32 bytes, not 20");
        ask(r, 0, topics[i], 2, digest, 0);
        take_error(r, 2, EPROTO, "not 0");
        ask(r, 0, topics[i], 3, digest, 64);
        take_error(r, 3, EPROTO, "not 64");
    }
    stop(r);
}

/* --- stores --- */

static void
store_is_answered_when_the_parent_has_it(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_store(r, 1, "bytes");
    call = take_put_call(r, "bytes");
    ask_store(r, 2, "bytes"); // I6
    station_assert_quiet(&r->station);
    answer(r, &call, 0, NULL);
    take_digest(r, 1, "bytes");
    take_digest(r, 2, "bytes");
    ask_store(r, 3, "bytes"); // it is clean
    take_digest(r, 3, "bytes");
    ask_load(r, 0, 4, "bytes");
    take_answer(r, 0, 4, 0, "bytes");
    stop(r);
}

static void
failure_of_the_parent_is_the_stores_answer(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_store(r, 1, "bytes");
    call = take_put_call(r, "bytes");
    answer(r, &call, ENOSPC, NULL);
    take_answer(r, 0, 1, ENOSPC, NULL);
    stop(r);
}

static void
store_outlives_its_parent(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg lost;
    struct msg call;

    ask_store(r, 1, "bytes");
    lost = take_put_call(r, "bytes");
    msg_fini(&lost);
    r->station.overlay.parent_online = false;
    router_parent_gone(r->station.router, 0);
    station_assert_quiet(&r->station);
    r->station.overlay.parent_online = true;
    router_parent_online(r->station.router);
    call = take_put_call(r, "bytes");
    answer(r, &call, 0, NULL);
    take_digest(r, 1, "bytes");
    stop(r);
}

static void
blob_above_the_limit_is_efbig(void **state UNUSED)
{
    char bytes[LIMIT + 1] = {0};
    struct rig *r = start_at_leaf();
    char topic[200];
    struct msg m;

    ask(r, 0, "content.store", 1, bytes, LIMIT + 1);
    take_answer(r, 0, 1, EFBIG, NULL);
    format_put("x", topic);
    ask(r, 3, topic, 2, bytes, LIMIT + 1);
    take_answer(r, 3, 2, EFBIG, NULL);
    m = make_request("content.store", MSG_NODEID_ANY, 3, NULL);
    m.oversized = true;
    router_from_conn(r->station.router, CONN, &m, &(struct credit_charge){0});
    take_answer(r, 0, 3, EFBIG, NULL);
    ask(r, 0, "content.store", 4, bytes, LIMIT);
    m = station_take(&r->station, TO_PARENT, 0);
    assert_int_equal(msg_size(&m), LIMIT);
    answer(r, &m, 0, NULL);
    m = station_take(&r->station, TO_CONN, CONN);
    assert_int_equal(m.errnum, 0);
    msg_fini(&m);
    stop(r);
}

static void
put_of_a_child_is_passed_on_under_its_digest(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    char topic[200];
    struct msg call;

    format_put("bytes", topic);
    ask(r, 4, topic, 1, "bytes", 5);
    call = take_put_call(r, "bytes");
    answer(r, &call, 0, NULL);
    take_answer(r, 4, 1, 0, NULL);
    stop(r);
}

static void
put_under_a_malformed_digest_is_refused(void **state UNUSED)
{
    static const char *const topics[] = {
        "content.put.",
        "content.put.00",
        "content.put.zz",
        "content.put.000000000000000000000000000000000000000000000000000000000000000g",
        "content.put.00000000000000000000000000000000000000000000000000000000000000000",
        "content.put.0000000000000000000000000000000000000000000000000000000000000000.0",
    };
    struct rig *r = start_at_leaf();

    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        ask(r, 0, topics[i], 1, "x", 1);
        take_error(r, 1, EPROTO, "malformed digest");
    }
    stop(r);
}

static void
root_hashes_what_children_put(void **state UNUSED)
{
    struct rig *r = start_with_store();
    char topic[200];

    format_put("bytes", topic);
    ask(r, 1, topic, 1, "wrong", 5);
    take_answer(r, 1, 1, EIO, NULL);
    assert_int_equal(r->store.put_tag, 0);
    ask(r, 1, topic, 2, "bytes", 5);
    assert_int_equal(blob_size(r->store.put), 5);
    content_store_stored(r->content, r->store.put_tag, 0);
    take_answer(r, 1, 2, 0, NULL);
    stop(r);
}

/* --- rank 0 --- */

static void
store_of_rank_0_is_answered_when_it_is_durable(void **state UNUSED)
{
    struct rig *r = start_with_store();

    ask_store(r, 1, "bytes");
    station_assert_quiet(&r->station);
    content_store_stored(r->content, r->store.put_tag, 0);
    take_digest(r, 1, "bytes");
    ask_store(r, 2, "more");
    content_store_stored(r->content, r->store.put_tag, -ENOSPC);
    take_answer(r, 0, 2, ENOSPC, NULL);
    stop(r);
}

static void
load_of_rank_0_comes_from_the_disk(void **state UNUSED)
{
    struct rig *r = start_with_store();
    struct blob *b = blob_new("bytes", 5);

    ask_load(r, 0, 1, "bytes");
    content_store_loaded(r->content, r->store.load_tag, 0, b);
    take_answer(r, 0, 1, 0, "bytes");
    ask_load(r, 0, 2, "other");
    content_store_loaded(r->content, r->store.load_tag, -ENOENT, NULL);
    take_answer(r, 0, 2, ENOENT, NULL);
    blob_unref(&b);
    stop(r);
}

static void
without_a_store_memory_is_all_there_is(void **state UNUSED)
{
    struct rig *r = start(0, true);

    ask_load(r, 0, 1, "bytes");
    take_answer(r, 0, 1, ENOENT, NULL);
    ask_store(r, 2, "bytes");
    take_digest(r, 2, "bytes");
    ask(r, 0, "content.dropcache", 3, "", 0);
    take_answer(r, 0, 3, 0, NULL);
    ask_load(r, 0, 4, "bytes");
    take_answer(r, 0, 4, 0, "bytes");
    ask(r, 0, "content.flush", 5, "", 0);
    take_answer(r, 0, 5, ENOSYS, NULL);
    stop(r);
}

static void
backing_is_at_rank_0_only(void **state UNUSED)
{
    static const char *const topics[] = {"content-backing.load", "content-backing.store",
                                         "content-backing.validate"};

    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        struct rig *r = start_at_leaf();

        ask(r, 0, topics[i], 1, "x", 1);
        take_error(r, 1, ENOSYS, "the backing store is at rank 0");
        stop(r);
        r = start(0, true);
        ask(r, 0, topics[i], 1, "x", 1);
        take_error(r, 1, ENOSYS, "there is no backing store");
        stop(r);
    }
}

static void
validation_is_the_stores_business(void **state UNUSED)
{
    static const int results[] = {0, -ENOENT, -EIO};
    struct digest d = digest_of("bytes");

    for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
        struct rig *r = start_with_store();
        struct validate_waiter *w;

        ask(r, 0, "content-backing.validate", 1, d.bytes, digest_size(ALG));
        w = r->store.validate_waiter;
        w->fn(w, results[i]);
        take_answer(r, 0, 1, -results[i], NULL);
        stop(r);
    }
}

static void
flush_waits_for_what_is_dirty(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask(r, 0, "content.flush", 1, "", 0);
    take_answer(r, 0, 1, 0, NULL);
    ask_store(r, 2, "bytes");
    call = take_put_call(r, "bytes");
    ask(r, 0, "content.flush", 3, "", 0);
    station_assert_quiet(&r->station);
    answer(r, &call, 0, NULL);
    take_digest(r, 2, "bytes");
    take_answer(r, 0, 3, 0, NULL);
    stop(r);
}

static void
dropped_cache_is_fetched_again(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_load(r, 0, 1, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "bytes");
    take_answer(r, 0, 1, 0, "bytes");
    ask(r, 0, "content.dropcache", 2, "", 0);
    take_answer(r, 0, 2, 0, NULL);
    ask_load(r, 0, 3, "bytes");
    call = take_load_call(r, "bytes");
    answer(r, &call, 0, "bytes");
    take_answer(r, 0, 3, 0, "bytes");
    stop(r);
}

/* --- inside the rank --- */

struct party {
    struct content_waiter waiter;
    int calls;
    int rc;
    size_t size;
};

static void
note(struct content_waiter *w, int rc, const struct blob *b)
{
    struct party *p = container_of(w, struct party, waiter);

    p->calls++;
    p->rc = rc;
    p->size = blob_size(b);
}

static void
parts_of_the_rank_load_and_store_too(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct party p = {.waiter.fn = note};
    struct digest d = digest_of("bytes");
    AUTO(blob) struct blob *b = blob_new("bytes", 5);
    struct msg call;

    assert_null(content_peek(r->content, &d));
    content_load(r->content, &d, &p.waiter);
    call = take_load_call(r, "bytes");
    answer(r, &call, ENOENT, NULL);
    assert_int_equal(p.rc, -ENOENT);
    content_store(r->content, &d, b, &p.waiter);
    call = take_put_call(r, "bytes");
    answer(r, &call, 0, NULL);
    assert_int_equal(p.rc, 0);
    content_load(r->content, &d, &p.waiter);
    assert_int_equal(p.size, 5);
    assert_int_equal(p.calls, 3);
    assert_int_equal(blob_size(content_peek(r->content, &d)), 5);
    stop(r);
}

static void
blob_that_is_durable_already_is_taken_in_clean(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct digest d = digest_of("bytes");
    AUTO(blob) struct blob *b = blob_new("bytes", 5);

    content_insert(r->content, &d, b);
    ask_load(r, 0, 1, "bytes");
    take_answer(r, 0, 1, 0, "bytes");
    assert_int_equal(content_cache_stats(r->content)->dirty_entries, 0);
    stop(r);
}

static void
who_waits_at_the_end_is_answered(void **state UNUSED)
{
    struct rig *r = start_with_store();

    ask_store(r, 1, "bytes");
    ask_load(r, 0, 2, "other");
    content_free(&r->content);
    loop_free(&r->loop);
    for (int i = 0; i < 2; i++) {
        AUTO(msg) struct msg m = station_take(&r->station, TO_CONN, CONN);

        assert_int_equal(m.errnum, ECANCELED);
    }
    stop(r);
}

/* --- damage, trust, flush --- */

static void
answer_child(struct rig *r, uint32_t child, int errnum, const char *text)
{
    struct msg call = station_take(&r->station, TO_CHILD, child);
    struct overlay_from from = {.kind = OVERLAY_CHILD, .rank = child, .peer = {1, {'x'}}};
    struct blob *payload = text ? blob_new(text, strlen(text)) : NULL;
    AUTO(msg) struct msg m;

    assert_string_equal(call.topic, "content.salvage");
    msg_init_response(&m, &call, errnum);
    msg_set_payload(&m, &payload);
    msg_fini(&call);
    router_from_overlay(r->station.router, &from, &m);
}

static void
damaged_row_is_healed_from_the_cache_of_another_rank(void **state UNUSED)
{
    struct rig *r = start_with_store();

    ask_load(r, 0, 1, "bytes");
    content_store_loaded(r->content, r->store.load_tag, -EIO, NULL);
    assert_null(r->store.put);
    /* Both are asked before one answers; the first sends rubbish. */
    answer_child(r, 1, 0, "wrong");
    answer_child(r, 2, 0, "bytes");
    take_answer(r, 0, 1, 0, "bytes");
    assert_non_null(r->store.put);
    assert_memory_equal(blob_data(r->store.put), "bytes", 5);
    content_store_stored(r->content, r->store.put_tag, 0); // means nothing to the cache
    assert_int_equal(content_stats(r->content)->healed, 1);
    stop(r);
}

static void
damage_that_nobody_can_heal_is_eio(void **state UNUSED)
{
    struct rig *r = start_with_store();

    ask_load(r, 0, 1, "bytes");
    content_store_loaded(r->content, r->store.load_tag, -EIO, NULL);
    answer_child(r, 1, ENOENT, NULL);
    answer_child(r, 2, EHOSTUNREACH, NULL);
    take_answer(r, 0, 1, EIO, NULL);
    assert_null(r->store.put);
    stop(r);
}

static void
salvage_is_answered_from_the_cache_or_passed_down(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct overlay_from parent = {.kind = OVERLAY_PARENT};
    struct digest d = digest_of("bytes");
    struct blob *payload;
    struct msg m;

    for (uint32_t tag = 7; tag <= 8; tag++) {
        payload = blob_new(d.bytes, digest_size(ALG));
        m = make_request("content.salvage", 1, tag, NULL);
        msg_set_payload(&m, &payload);
        router_from_overlay(r->station.router, &parent, &m);
        msg_fini(&m);
        if (tag == 7) {
            answer_child(r, 3, 0, "bytes");
            answer_child(r, 4, ENOENT, NULL);
        }
        m = station_take(&r->station, TO_PARENT, 0);
        assert_int_equal(m.matchtag, tag);
        assert_int_equal(m.errnum, 0);
        assert_memory_equal(msg_data(&m), "bytes", 5);
        msg_fini(&m);
        if (tag == 7) { // now it is in the cache here
            ask_load(r, 0, 1, "bytes");
            m = take_load_call(r, "bytes");
            answer(r, &m, 0, "bytes");
            take_answer(r, 0, 1, 0, "bytes");
        }
    }
    stop(r);
}

static void
what_was_acknowledged_before_a_collection_is_put_again(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;
    struct msg event;

    ask_store(r, 1, "bytes");
    call = take_put_call(r, "bytes");
    answer(r, &call, 0, NULL);
    take_digest(r, 1, "bytes");
    ask_store(r, 2, "bytes");
    take_digest(r, 2, "bytes"); // on trust
    msg_init(&event, MSG_EVENT);
    msg_set_topic(&event, "content.distrust");
    assert_true(content_on_event(r->content, &event));
    msg_set_topic(&event, "content.other");
    assert_false(content_on_event(r->content, &event));
    msg_fini(&event);
    ask_store(r, 3, "bytes");
    call = take_put_call(r, "bytes");
    ask_load(r, 0, 4, "bytes"); // is here all the same
    take_answer(r, 0, 4, 0, "bytes");
    answer(r, &call, 0, NULL);
    take_digest(r, 3, "bytes");
    stop(r);
}

static void
store_after_a_flush_waits_for_its_end(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_store(r, 1, "first");
    call = take_put_call(r, "first");
    ask(r, 0, "content.flush", 2, "", 0);
    ask_store(r, 3, "second");
    assert_int_equal(content_stats(r->content)->held, 1);
    station_assert_quiet(&r->station);
    answer(r, &call, 0, NULL);
    take_digest(r, 1, "first");
    take_answer(r, 0, 2, 0, NULL);
    call = take_put_call(r, "second");
    answer(r, &call, 0, NULL);
    take_digest(r, 3, "second");
    stop(r);
}

static void
store_that_waits_for_a_flush_is_answered_when_the_rank_stops(void **state UNUSED)
{
    struct rig *r = start_at_leaf();
    struct msg call;

    ask_store(r, 1, "first");
    call = take_put_call(r, "first");
    msg_fini(&call);
    ask(r, 0, "content.flush", 2, "", 0);
    ask_store(r, 3, "second");
    router_cancel_calls(r->station.router);
    take_answer(r, 0, 1, ECANCELED, NULL);
    take_answer(r, 0, 2, ECANCELED, NULL);
    call = take_put_call(r, "second");
    msg_fini(&call);
    router_cancel_calls(r->station.router);
    take_answer(r, 0, 3, ECANCELED, NULL);
    stop(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_row_is_healed_from_the_cache_of_another_rank),
        cmocka_unit_test(damage_that_nobody_can_heal_is_eio),
        cmocka_unit_test(salvage_is_answered_from_the_cache_or_passed_down),
        cmocka_unit_test(what_was_acknowledged_before_a_collection_is_put_again),
        cmocka_unit_test(store_after_a_flush_waits_for_its_end),
        cmocka_unit_test(store_that_waits_for_a_flush_is_answered_when_the_rank_stops),
        cmocka_unit_test(missing_blob_is_fetched_once_and_kept),
        cmocka_unit_test(absence_is_answered_and_not_remembered),
        cmocka_unit_test(wrong_bytes_of_the_parent_reach_no_client),
        cmocka_unit_test(bytes_passed_on_unhashed_are_hashed_for_a_client),
        cmocka_unit_test(child_that_got_wrong_bytes_gets_others_the_next_time),
        cmocka_unit_test(doubt_about_what_is_not_here_is_passed_up),
        cmocka_unit_test(doubt_about_what_is_on_its_way_has_it_hashed),
        cmocka_unit_test(empty_blob_is_a_blob),
        cmocka_unit_test(digest_of_a_wrong_size_is_refused),
        cmocka_unit_test(store_is_answered_when_the_parent_has_it),
        cmocka_unit_test(failure_of_the_parent_is_the_stores_answer),
        cmocka_unit_test(store_outlives_its_parent),
        cmocka_unit_test(blob_above_the_limit_is_efbig),
        cmocka_unit_test(put_of_a_child_is_passed_on_under_its_digest),
        cmocka_unit_test(put_under_a_malformed_digest_is_refused),
        cmocka_unit_test(root_hashes_what_children_put),
        cmocka_unit_test(store_of_rank_0_is_answered_when_it_is_durable),
        cmocka_unit_test(load_of_rank_0_comes_from_the_disk),
        cmocka_unit_test(without_a_store_memory_is_all_there_is),
        cmocka_unit_test(backing_is_at_rank_0_only),
        cmocka_unit_test(validation_is_the_stores_business),
        cmocka_unit_test(flush_waits_for_what_is_dirty),
        cmocka_unit_test(dropped_cache_is_fetched_again),
        cmocka_unit_test(parts_of_the_rank_load_and_store_too),
        cmocka_unit_test(blob_that_is_durable_already_is_taken_in_clean),
        cmocka_unit_test(who_waits_at_the_end_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
