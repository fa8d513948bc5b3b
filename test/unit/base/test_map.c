/* SPDX-License-Identifier: MPL-2.0 */
/* test_map.c - the hash table against a model: an array indexed by the number in the key. */
#include "cmocka_all.h"

#include "map.h"

#include <stdlib.h>
#include <string.h>

#define UNIVERSE 600 // different keys
#define STEPS 200000

struct item {
    int number;            // which key this is
    unsigned char key[32]; // key_size bytes are used
    bool is_in;            // the model: is it in the table?
    bool is_seen;          // scratch of the walk
};

struct world {
    struct map map;
    struct item items[UNIVERSE];
    size_t count; // items that are in
};

/* Keys that differ in one place only: the worst that a peer can think of without the seed. */
static void
init_world(struct world *w, size_t key_size, size_t place)
{
    memset(w, 0, sizeof(*w));
    map_init(&w->map, offsetof(struct item, key), key_size);
    for (int i = 0; i < UNIVERSE; i++) {
        w->items[i].number = i;
        w->items[i].key[place] = (unsigned char)i;
        w->items[i].key[place + 1] = (unsigned char)(i >> 8);
    }
}

static void
check_invariants(const struct map *m)
{
    size_t count = 0;

    assert_int_equal(m->capacity & (m->capacity - 1), 0);
    assert_true(m->count * 4 <= m->capacity * 3);
    for (size_t i = 0; i < m->capacity; i++) {
        if (!m->items[i])
            continue;
        count++;
        for (size_t j = m->tags[i] & (m->capacity - 1); j != i; j = (j + 1) & (m->capacity - 1))
            assert_non_null(m->items[j]);
    }
    assert_int_equal(count, m->count);
}

static void
check_walk(struct world *w)
{
    size_t pos = 0, seen = 0;
    struct item *it;

    for (int i = 0; i < UNIVERSE; i++)
        w->items[i].is_seen = false;
    while ((it = map_next(&w->map, &pos))) {
        assert_true(it->is_in);
        assert_false(it->is_seen);
        it->is_seen = true;
        seen++;
    }
    assert_int_equal(seen, w->count);
}

static void
take_step(struct world *w, struct item *it)
{
    assert_ptr_equal(map_get(&w->map, it->key), it->is_in ? it : NULL);
    if (it->is_in) {
        assert_ptr_equal(map_remove(&w->map, it->key), it);
        w->count--;
    } else {
        assert_null(map_remove(&w->map, it->key));
        map_put(&w->map, it);
        w->count++;
    }
    it->is_in = !it->is_in;
    assert_int_equal(w->map.count, w->count);
}

static void
compare_with_model(size_t key_size, size_t place, unsigned seed)
{
    static struct world w;

    init_world(&w, key_size, place);
    srandom(seed);
    for (int step = 0; step < STEPS; step++) {
        take_step(&w, &w.items[random() % UNIVERSE]);
        if (step % 1000 == 0) {
            check_invariants(&w.map);
            check_walk(&w);
        }
    }
    map_fini(&w.map);
}

static void
digests_behave_like_the_model(void **state UNUSED)
{
    compare_with_model(32, 0, 1);
}

static void
keys_that_differ_at_the_end_behave_too(void **state UNUSED)
{
    compare_with_model(32, 30, 2);
    compare_with_model(20, 18, 3);
}

static void
shortest_keys_behave_too(void **state UNUSED)
{
    compare_with_model(8, 3, 4);
}

static size_t
longest_probe(const struct map *m)
{
    size_t longest = 0;

    for (size_t i = 0; i < m->capacity; i++) {
        if (m->items[i])
            longest = MAX(longest, (i - m->tags[i]) & (m->capacity - 1));
    }
    return longest;
}

/* Every place of the key must count, or a peer could build one long cluster. */
static void
no_byte_of_the_key_is_ignored(void **state UNUSED)
{
    static struct world w;

    for (size_t place = 0; place + 1 < 32; place++) {
        init_world(&w, 32, place);
        for (int i = 0; i < UNIVERSE; i++)
            map_put(&w.map, &w.items[i]);
        assert_true(longest_probe(&w.map) < 100);
        map_fini(&w.map);
    }
}

static void
empty_table_answers(void **state UNUSED)
{
    static const unsigned char key[32];
    struct map m;
    size_t pos = 0;

    map_init(&m, 0, sizeof(key));
    assert_null(map_get(&m, key));
    assert_null(map_remove(&m, key));
    assert_null(map_next(&m, &pos));
    assert_int_equal(map_memory(&m), 0);
    map_fini(&m);
}

static void
table_can_be_used_after_fini(void **state UNUSED)
{
    static struct world w;

    init_world(&w, 32, 0);
    map_put(&w.map, &w.items[1]);
    assert_true(map_memory(&w.map) > 0);
    map_fini(&w.map);
    assert_null(map_get(&w.map, w.items[1].key));
    map_put(&w.map, &w.items[1]);
    assert_ptr_equal(map_get(&w.map, w.items[1].key), &w.items[1]);
    map_fini(&w.map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_behave_like_the_model),
        cmocka_unit_test(keys_that_differ_at_the_end_behave_too),
        cmocka_unit_test(shortest_keys_behave_too),
        cmocka_unit_test(no_byte_of_the_key_is_ignored),
        cmocka_unit_test(empty_table_answers),
        cmocka_unit_test(table_can_be_used_after_fini),
    };

    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
