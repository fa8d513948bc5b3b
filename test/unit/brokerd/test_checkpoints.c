/* SPDX-License-Identifier: MPL-2.0 */
/* test_checkpoints.c - checkpoints between their askers, a cache and a store that do what the test says,
 * when it says so. */
#include "fakes.h"

#include "blobref.h"
#include "checkpoints.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALG DIGEST_SHA1
#define CONN 5
#define EMPTY_DIR "{\"data\":{},\"type\":\"dir\",\"ver\":1}"
#define EMPTY_REF "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"
#define PUT \
    "{\"value\":{\"version\":1,\"rootref\":\"" EMPTY_REF "\",\"sequence\":7,\"timestamp\":1.5}}"

/* --- the cache --- */

struct content {
    struct content_waiter *flush; // borrowed; NULL: nothing was asked
    struct content_waiter *load;  // the same
    struct digest wanted;
};

void
content_flush(struct content *c, struct content_waiter *w)
{
    assert_null(c->flush);
    c->flush = w;
}

void
content_load(struct content *c, const struct digest *d, struct content_waiter *w)
{
    assert_null(c->load);
    c->load = w;
    c->wanted = *d;
}

/* --- the store --- */

struct store {
    struct checkpoints_waiter *list; // borrowed; NULL: nothing was asked
    struct change_waiter *apply;     // the same
    struct store_change *change;     // owned, with apply
};

void
store_list_checkpoints(struct store *s, void *cookie)
{
    s->list = cookie;
}

void
store_apply(struct store *s, struct store_change **change, void *cookie)
{
    assert_null(s->apply);
    s->apply = cookie;
    s->change = TAKE(*change);
}

/* --- the rig --- */

static struct station station;
static struct content content;
static struct store store;
static struct checkpoints *checkpoints; // owned

static void
start(uint32_t rank)
{
    station_init(&station, rank);
    content = (struct content){0};
    store = (struct store){0};
    checkpoints = checkpoints_new(rank, ALG, station.router, &content, station.services);
    if (rank == 0)
        checkpoints_set_store(checkpoints, &store);
}

static int
set_up(void **state UNUSED)
{
    start(0);
    return 0;
}

static int
set_up_below(void **state UNUSED)
{
    start(1);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    assert_null(content.flush);
    assert_null(content.load);
    assert_null(store.list);
    assert_null(store.apply);
    checkpoints_free(&checkpoints);
    assert_null(checkpoints);
    station_fini(&station);
    return 0;
}

static void
ask(const char *topic, uint32_t tag, const char *payload)
{
    struct msg m = make_request(topic, MSG_NODEID_ANY, tag, payload);

    router_from_conn(station.router, CONN, &m, &(struct credit_charge){0});
    msg_fini(&m);
}

static void
take(uint32_t tag, int errnum, const char *text)
{
    station_take_response(&station, TO_CONN, CONN, tag, errnum, text);
}

static void
end_flush(int rc)
{
    struct content_waiter *w = TAKE(content.flush);

    assert_non_null(w);
    w->fn(w, rc, NULL);
}

/* text NULL: -errno is the answer. */
static void
end_load(int rc, const char *text)
{
    struct content_waiter *w = TAKE(content.load);
    AUTO(blob) struct blob *b = text ? blob_new(text, strlen(text)) : NULL;

    assert_non_null(w);
    w->fn(w, rc, b);
}

static void
end_apply(int rc)
{
    struct change_waiter *w = TAKE(store.apply);
    struct store_change *change = TAKE(store.change);

    assert_non_null(w);
    w->fn(w, rc, &change);
    assert_null(change);
}

static void
end_list(int rc, const struct checkpoint *list, size_t count)
{
    struct checkpoints_waiter *w = TAKE(store.list);

    assert_non_null(w);
    w->fn(w, rc, list, count);
}

static struct digest
empty_root(void)
{
    enum digest_alg alg;
    struct digest d;

    assert_int_equal(blobref_parse(EMPTY_REF, &alg, &d), 0);
    return d;
}

/* --- get --- */

static void
test_get(void **state UNUSED)
{
    static const char *const topics[] = {"content.checkpoint-get",
                                         "content-backing.checkpoint-get"};
    struct checkpoint list[] = {{empty_root(), 8, 2.5}, {empty_root(), 7, 1.5}};

    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        ask(topics[i], 1, NULL);
        station_assert_quiet(&station);
        end_list(0, list, 2);
        take(1, 0,
             "{\"value\":[{\"version\":1,\"rootref\":\"" EMPTY_REF
             "\",\"sequence\":8,\"timestamp\":2.5},{\"version\":1,\"rootref\":\"" EMPTY_REF
             "\",\"sequence\":7,\"timestamp\":1.5}]}");
    }
}

static void
test_get_without_any(void **state UNUSED)
{
    ask("content.checkpoint-get", 1, NULL);
    end_list(0, NULL, 0);
    take(1, ENOENT, NULL);
    ask("content.checkpoint-get", 2, NULL);
    end_list(-EIO, NULL, 0);
    take(2, EIO, NULL);
}

/* --- put --- */

static void
test_put_waits_for_each_step(void **state UNUSED)
{
    struct digest root = empty_root();

    ask("content.checkpoint-put", 1, PUT);
    assert_null(content.load); // first what is dirty has to be on the disk
    end_flush(0);
    assert_null(store.apply); // and the root there, and a directory
    assert_true(digest_equal(&content.wanted, &root));
    end_load(0, EMPTY_DIR);
    station_assert_quiet(&station);
    assert_non_null(store.change->checkpoint);
    assert_true(digest_equal(&store.change->checkpoint->root, &root));
    assert_int_equal(store.change->checkpoint->sequence, 7);
    assert_true(store.change->checkpoint->timestamp > 1.4 &&
                store.change->checkpoint->timestamp < 1.6);
    assert_int_equal(store.change->nroots, 0);
    end_apply(0);
    take(1, 0, NULL);
}

static void
test_a_step_fails(void **state UNUSED)
{
    ask("content.checkpoint-put", 1, PUT);
    end_flush(-ENOSPC);
    take(1, ENOSPC, NULL);
    ask("content.checkpoint-put", 2, PUT);
    end_flush(0);
    end_load(-ENOENT, NULL);
    take(2, ENOENT, NULL);
    ask("content.checkpoint-put", 3, PUT);
    end_flush(0);
    end_load(0, "{\"data\":\"\",\"type\":\"val\",\"ver\":1}");
    take(3, EPROTO, NULL);
    ask("content-backing.checkpoint-put", 4, PUT);
    end_flush(0);
    end_load(0, EMPTY_DIR);
    end_apply(-EROFS);
    take(4, EROFS, NULL);
}

static void
test_malformed_puts(void **state UNUSED)
{
    static const char *const payloads[] = {
        NULL,
        "{",
        "{}",
        "{\"value\":1}",
        "{\"value\":{}}",
        "{\"value\":{\"version\":2,\"rootref\":\"" EMPTY_REF "\"}}",
        "{\"value\":{\"version\":1,\"rootref\":\"sha1-c0\"}}",
        "{\"value\":{\"version\":1,\"rootref\":\"" EMPTY_REF "\",\"timestamp\":\"x\"}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
        struct msg m;

        ask("content.checkpoint-put", 1, payloads[i]);
        m = station_take(&station, TO_CONN, CONN);
        assert_int_equal(m.errnum, EPROTO);
        assert_non_null(msg_text(&m));
        msg_fini(&m);
    }
}

static void
test_without_a_kvs_it_is_the_root_as_well(void **state UNUSED)
{
    struct store_root recorded[] = {{.name = "other", .sequence = 100},
                                    {.name = "primary", .sequence = 40}};
    struct digest root = empty_root();

    checkpoints_move_root(checkpoints, recorded, 2);
    for (int64_t sequence = 41; sequence < 43; sequence++) { // they go on, and never back
        ask("content.checkpoint-put", 1, PUT);
        end_flush(0);
        end_load(0, EMPTY_DIR);
        assert_int_equal(store.change->nroots, 1);
        assert_string_equal(store.change->roots[0].name, "primary");
        assert_int_equal(store.change->roots[0].sequence, sequence);
        assert_int_equal(store.change->roots[0].owner, geteuid());
        assert_true(digest_equal(&store.change->roots[0].root, &root));
        assert_int_equal(store.change->checkpoint->sequence, 7);
        end_apply(0);
        take(1, 0, NULL);
    }
}

static void
test_record(void **state UNUSED)
{
    struct checkpoint checkpoint = {empty_root(), 3, 1.5};

    checkpoints_record(checkpoints, &checkpoint); // nobody is answered
    end_flush(0);
    end_load(0, EMPTY_DIR);
    assert_int_equal(store.change->checkpoint->sequence, 3);
    end_apply(0);
    checkpoints_record(checkpoints, &checkpoint);
    end_flush(-EIO);
    station_assert_quiet(&station);
}

/* --- where there is no store --- */

static void
test_no_store_at_the_root(void **state UNUSED)
{
    static const char text[] = "there is no backing store for checkpoints";

    checkpoints_set_store(checkpoints, NULL);
    ask("content.checkpoint-get", 1, NULL);
    take(1, ENOSYS, text);
    ask("content.checkpoint-put", 2, PUT);
    take(2, ENOSYS, text);
}

static void
test_other_ranks_pass_it_up(void **state UNUSED)
{
    struct msg call;

    ask("content.checkpoint-put", 1, PUT);
    call = station_take(&station, TO_PARENT, 0);
    assert_string_equal(call.topic, "content.checkpoint-put");
    assert_string_equal(msg_text(&call), PUT);
    router_parent_gone(station.router, 0); // lost, and there again: it is asked once more
    router_parent_online(station.router);
    msg_fini(&call);
    call = station_take(&station, TO_PARENT, 0);
    assert_string_equal(call.topic, "content.checkpoint-put");
    station_answer(&station, OVERLAY_PARENT, 0, &call, 0, NULL);
    take(1, 0, NULL);
    ask("content.checkpoint-get", 2, NULL);
    call = station_take(&station, TO_PARENT, 0);
    station_answer(&station, OVERLAY_PARENT, 0, &call, ENOENT, NULL);
    take(2, ENOENT, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_get_without_any, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_waits_for_each_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_step_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed_puts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_kvs_it_is_the_root_as_well, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_store_at_the_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_ranks_pass_it_up, set_up_below, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
