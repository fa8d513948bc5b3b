/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"
#include "lookup.h"

#define LONG "0123456789012345678901234567890123456789012345678901234" // 55 bytes: a blob

struct rig {
    struct store store;  // of all blobs
    struct digest root;  // of the namespace "primary"
    struct digest other; // of the namespace "other"
    size_t roots;        // roots asked for
    size_t dirs;         // directories asked for
    size_t rounds;       // of parts of wide directories
};

static struct treeobj *
link_to(const char *ns, const char *target)
{
    return treeobj_new_symlink(ns, target);
}

static void
fill(struct store *s, struct tree *t)
{
    struct digest e;

    digest_compute(ALG, LONG, strlen(LONG), &e);
    put_text(s, t, "a.b.val", "1");
    put_text(s, t, "a.b.empty", "");
    put_text(s, t, "a.b.long", LONG);
    for (int i = 0; i < 3; i++)
        assert_int_equal(apply_one(s, t, "log", TXN_APPEND, new_val(i == 1 ? "y" : "x")), 0);
    assert_int_equal(apply_one(s, t, "tova", 0, link_to(NULL, "a.b.val")), 0);
    assert_int_equal(apply_one(s, t, "toa", 0, link_to(NULL, "a")), 0);
    assert_int_equal(apply_one(s, t, "toroot", 0, link_to(NULL, ".")), 0);
    assert_int_equal(apply_one(s, t, "dangling", 0, link_to(NULL, "no.such")), 0);
    assert_int_equal(apply_one(s, t, "loop", 0, link_to(NULL, "loop")), 0);
    assert_int_equal(apply_one(s, t, "badlink", 0, link_to(NULL, "a/b")), 0);
    assert_int_equal(apply_one(s, t, "toother", 0, link_to("other", "o")), 0);
    assert_int_equal(apply_one(s, t, "tosame", 0, link_to("primary", "a")), 0);
    assert_int_equal(apply_one(s, t, "broken", 0, treeobj_new_dirref(&e)), 0);
}

static int
set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));
    struct tree *t;

    store_init(&r->store);
    t = store_new_tree(&r->store);
    put_text(&r->store, t, "o.v", "other");
    assert_int_equal(apply_one(&r->store, t, "back", 0, link_to("primary", "a")), 0);
    store_write(&r->store, t, &r->other);
    tree_free(&t);
    t = store_new_tree(&r->store);
    fill(&r->store, t);
    store_write(&r->store, t, &r->root);
    tree_free(&t);
    *state = r;
    return 0;
}

static int
tear_down(void **state)
{
    struct rig *r = *state;

    store_fini(&r->store);
    free(r);
    return 0;
}

static void
give_dir(struct rig *r, struct lookup *l)
{
    size_t count;
    const struct blob *b = store_get(&r->store, lookup_wanted(l, &count));
    struct treeobj *dir;

    assert_int_equal(count, 1);
    r->dirs++;
    if (b && treeobj_decode(ALG, blob_data(b), blob_size(b), &dir, NULL) == 0) {
        lookup_give_dir(l, dir);
        treeobj_unref(&dir);
    } else {
        lookup_fail(l, EPROTO, "damaged");
    }
}

/* Last one first. */
static void
give_blobs(struct rig *r, struct lookup *l)
{
    size_t count;
    const struct digest *wanted = lookup_wanted(l, &count);

    for (size_t i = count; i-- > 0;) {
        struct digest d = wanted[i];

        assert_int_equal(lookup_step(l), LOOKUP_WANT_BLOBS);
        lookup_give_blob(l, &d, store_get(&r->store, &d));
    }
}

/* The directory in the store, or NULL. */
static struct treeobj *
load_dir(const struct rig *r, const struct digest *d)
{
    const struct blob *b = store_get(&r->store, d);
    struct treeobj *dir = NULL;

    if (b)
        treeobj_decode(ALG, blob_data(b), blob_size(b), &dir, NULL);
    return dir;
}

/* Last one first. */
static void
give_buckets(struct rig *r, struct lookup *l)
{
    size_t count;
    const struct digest *wanted = lookup_wanted(l, &count);
    struct digest *copy = xcalloc(count, sizeof(*copy));

    memcpy(copy, wanted, count * sizeof(*copy));
    r->rounds++;
    for (size_t i = count; i-- > 0;) {
        struct treeobj *dir = load_dir(r, &copy[i]);

        if (dir)
            lookup_give_bucket(l, &copy[i], dir);
        else
            lookup_fail(l, ENOENT, "missing");
        treeobj_unref(&dir);
    }
    free(copy);
}

static void
give_root(struct rig *r, struct lookup *l)
{
    const char *ns = lookup_namespace(l);

    r->roots++;
    if (strcmp(ns, "primary") == 0)
        lookup_give_root(l, &r->root);
    else if (strcmp(ns, "other") == 0)
        lookup_give_root(l, &r->other);
    else
        lookup_fail(l, ENOTSUP, NULL);
}

static void
run(struct rig *r, struct lookup *l)
{
    for (;;) {
        switch (lookup_step(l)) {
        case LOOKUP_WANT_ROOT:
            give_root(r, l);
            break;
        case LOOKUP_WANT_DIR:
            give_dir(r, l);
            break;
        case LOOKUP_WANT_BUCKETS:
            give_buckets(r, l);
            break;
        case LOOKUP_WANT_BLOBS:
            give_blobs(r, l);
            break;
        case LOOKUP_DONE:
            return;
        }
    }
}

static int
look_up_in(struct rig *r, const char *ns, const char *key, int flags, struct treeobj **ret)
{
    struct lookup *l = lookup_new(ALG, ns, NULL, key, flags);
    struct err err = {0, ""};
    int rc;

    run(r, l);
    *ret = NULL;
    rc = lookup_result(l, ret, &err);
    assert_int_equal(rc == 0, *ret != NULL);
    assert_int_equal(rc, err.code);
    lookup_free(&l);
    assert_null(l);
    return rc;
}

static void
assert_found(struct rig *r, const char *key, int flags, const char *json)
{
    struct treeobj *obj;

    assert_int_equal(look_up_in(r, "primary", key, flags, &obj), 0);
    assert_json(obj, json);
    treeobj_unref(&obj);
}

static void
assert_fails(struct rig *r, const char *key, int flags, int rc)
{
    struct treeobj *obj;

    assert_int_equal(look_up_in(r, "primary", key, flags, &obj), rc);
}

#define VAL(base64) "{\"data\":\"" base64 "\",\"type\":\"val\",\"ver\":1}"

static void
values_are_found(void **state)
{
    struct rig *r = *state;

    assert_found(r, "a.b.val", 0, VAL("MQ=="));
    assert_found(r, "..a..b.val.", 0, VAL("MQ=="));
    assert_found(r, "a.b.empty", 0, VAL(""));
    assert_found(r, "log", 0, VAL("eHl4"));
    assert_found(
        r, "a.b.long", 0,
        VAL("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNA=="));
}

static void
every_flag_has_its_answer_for_every_type(void **state)
{
    static const struct {
        const char *key; // what to look up
        int plain;       // expected result without flags
        int readdir;     // expected result with READDIR
        int readlink;    // expected result with READLINK
        int treeobj;     // expected result with TREEOBJ
    } table[] = {
        {"a.b.val", 0, -ENOTDIR, -EINVAL, 0},
        {"log", 0, -ENOTDIR, -EINVAL, 0},
        {"a", -EISDIR, 0, -EINVAL, 0},
        {".", -EISDIR, 0, -EINVAL, 0},
        {"tova", 0, -ENOTDIR, 0, 0},
        {"toa", -EISDIR, 0, 0, 0},
        {"toroot", -EISDIR, 0, 0, 0},
        {"toroot.a", -EISDIR, 0, -EINVAL, 0},
        {"tosame.b.val", 0, -ENOTDIR, -EINVAL, 0},
        {"toother.v", 0, -ENOTDIR, -EINVAL, 0},
        {"dangling", -ENOENT, -ENOENT, 0, 0},
        {"no", -ENOENT, -ENOENT, -ENOENT, -ENOENT},
        {"no.such", -ENOENT, -ENOENT, -ENOENT, -ENOENT},
        {"log.x", -ENOENT, -ENOENT, -ENOENT, -ENOENT},
        {"a.b.val.x", -ENOENT, -ENOENT, -ENOENT, -ENOENT},
        {"loop", -ELOOP, -ELOOP, 0, 0},
        {"loop.x", -ELOOP, -ELOOP, -ELOOP, -ELOOP},
        {"badlink.x", -EINVAL, -EINVAL, -EINVAL, -EINVAL},
        {"", -EINVAL, -EINVAL, -EINVAL, -EINVAL},
        {"a/b", -EINVAL, -EINVAL, -EINVAL, -EINVAL},
        {"broken", -EISDIR, -EPROTO, -EINVAL, 0},
        {"broken.x", -EPROTO, -EPROTO, -EPROTO, -EPROTO},
    };
    static const int flags[] = {0, LOOKUP_READDIR, LOOKUP_READLINK, LOOKUP_TREEOBJ};

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const int want[] = {table[i].plain, table[i].readdir, table[i].readlink, table[i].treeobj};

        for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
            struct treeobj *obj;
            int rc = look_up_in(*state, "primary", table[i].key, flags[f], &obj);

            if (rc != want[f])
                print_message("key '%s' flags %d\n", table[i].key, flags[f]);
            assert_int_equal(rc, want[f]);
            treeobj_unref(&obj);
        }
    }
}

static void
objects_come_as_stored(void **state)
{
    struct rig *r = *state;
    char ref[BLOBREF_MAX];
    AUTO(free)
    char *root = xasprintf("{\"data\":[\"%s\"],\"type\":\"dirref\",\"ver\":1}",
                           blobref_format(ALG, &r->root, ref));

    assert_found(r, ".", LOOKUP_TREEOBJ, root);
    assert_found(r, "tova", LOOKUP_TREEOBJ,
                 "{\"data\":{\"target\":\"a.b.val\"},\"type\":\"symlink\",\"ver\":1}");
    assert_found(
        r, "toother", LOOKUP_READLINK,
        "{\"data\":{\"namespace\":\"other\",\"target\":\"o\"},\"type\":\"symlink\",\"ver\":1}");
    assert_found(r, "a.b.val", LOOKUP_TREEOBJ, VAL("MQ=="));
}

static void
directory_is_listed_one_level(void **state)
{
    struct rig *r = *state;
    struct treeobj *dir;

    assert_int_equal(look_up_in(r, "primary", "toa", LOOKUP_READDIR, &dir), 0);
    assert_int_equal(treeobj_dir_count(dir), 1);
    assert_string_equal(treeobj_dir_name(dir, 0), "b");
    assert_int_equal(treeobj_type(treeobj_dir_entry(dir, 0)), TREEOBJ_DIRREF);
    treeobj_unref(&dir);
}

static void
link_into_a_namespace_asks_for_its_root(void **state)
{
    struct rig *r = *state;

    assert_found(r, "toother.v", 0, VAL("b3RoZXI="));
    assert_int_equal(r->roots, 2);
    r->roots = 0;
    assert_found(r, "tosame.b.val", 0, VAL("MQ=="));
    assert_int_equal(r->roots, 1);
}

static void
link_may_lead_back(void **state)
{
    struct rig *r = *state;
    struct treeobj *obj;

    assert_int_equal(look_up_in(r, "other", "back.b.val", 0, &obj), 0);
    assert_json(obj, VAL("MQ=="));
    treeobj_unref(&obj);
}

static void
given_root_is_not_asked_for(void **state)
{
    struct rig *r = *state;
    struct lookup *l = lookup_new(ALG, "none", &r->root, "toa.b.val", 0);
    struct treeobj *obj;

    run(r, l);
    assert_int_equal(r->roots, 0);
    assert_int_equal(lookup_result(l, &obj, NULL), 0);
    treeobj_unref(&obj);
    lookup_free(&l);
}

static void
repeated_blob_is_wanted_once(void **state)
{
    struct rig *r = *state;
    struct lookup *l = lookup_new(ALG, "primary", &r->root, "log", 0);
    size_t count;

    give_dir(r, l);
    assert_int_equal(lookup_step(l), LOOKUP_WANT_BLOBS);
    lookup_wanted(l, &count);
    assert_int_equal(count, 2);
    lookup_free(&l);
}

static void
what_is_not_wanted_is_ignored(void **state)
{
    struct rig *r = *state;
    struct lookup *l = lookup_new(ALG, "primary", &r->root, "log", 0);
    struct blob *junk = blob_new("junk", 4);
    struct digest none = {{9}};
    struct treeobj *obj;

    lookup_give_blob(l, &none, junk);
    lookup_give_root(l, &none);
    give_dir(r, l);
    lookup_give_blob(l, &none, junk);
    assert_int_equal(lookup_step(l), LOOKUP_WANT_BLOBS);
    run(r, l);
    lookup_fail(l, EIO, "too late");
    assert_int_equal(lookup_result(l, &obj, NULL), 0);
    assert_json(obj, VAL("eHl4"));
    treeobj_unref(&obj);
    blob_unref(&junk);
    lookup_free(&l);
}

static void
failure_from_outside_is_the_result(void **state)
{
    struct rig *r = *state;
    struct lookup *l = lookup_new(ALG, "primary", &r->root, "a.b.val", 0);
    struct treeobj *obj;
    struct err err;

    give_dir(r, l);
    lookup_fail(l, EIO, "disk on fire");
    assert_int_equal(lookup_step(l), LOOKUP_DONE);
    assert_int_equal(lookup_result(l, &obj, &err), -EIO);
    assert_string_equal(err.text, "a.b.val: disk on fire");
    lookup_free(&l);
}

static void
damaged_directory_is_a_protocol_error(void **state)
{
    struct rig *r = *state;
    struct lookup *l = lookup_new(ALG, "primary", &r->root, "a.b.val", 0);
    struct treeobj *val = new_val("no dir");
    struct treeobj *obj;

    lookup_give_dir(l, val);
    assert_int_equal(lookup_result(l, &obj, NULL), -EPROTO);
    treeobj_unref(&val);
    lookup_free(&l);
}

static void
inline_dirs_are_walked(void **state)
{
    static const char text[] =
        "{\"data\":{\"i\":{\"data\":{\"j\":" VAL("MQ==") "},\"type\":\"dir\","
                                                         "\"ver\":1}},\"type\":\"dir\",\"ver\":1}";
    struct rig *r = *state;

    store_put_text(&r->store, text, &r->root);
    assert_found(r, "i.j", 0, VAL("MQ=="));
    assert_found(r, "i", LOOKUP_READDIR,
                 "{\"data\":{\"j\":" VAL("MQ==") "},\"type\":\"dir\",\"ver\":1}");
    assert_fails(r, "i", 0, -EISDIR);
    assert_fails(r, "i.k", 0, -ENOENT);
}

static void
ten_links_are_followed_and_not_eleven(void **state)
{
    struct rig *r = *state;
    struct tree *t = tree_new(ALG, &r->root);
    char name[16];
    char target[16];

    for (int i = 0; i < 11; i++) {
        snprintf(name, sizeof(name), "l%d", i);
        snprintf(target, sizeof(target), "l%d", i + 1);
        assert_int_equal(apply_one(&r->store, t, name, 0, link_to(NULL, target)), 0);
    }
    put_text(&r->store, t, "l11", "1");
    store_write(&r->store, t, &r->root);
    tree_free(&t);
    assert_found(r, "l1", 0, VAL("MQ=="));
    assert_fails(r, "l0", 0, -ELOOP);
}

/* --- wide directories --- */

#define WIDE 3000

/* The tree with a wide directory "w" of values, links and a directory with the keys in it. */
static void
fill_wide(struct rig *r)
{
    struct hdir_form form = hdir_form(ALG, 100);
    struct tree *t = tree_new(ALG, &r->root);
    struct txn txn = TXN_INIT;
    char key[32];

    tree_set_form(t, &form);
    for (int i = 0; i < WIDE; i++) {
        snprintf(key, sizeof(key), "w.n%d", i);
        add_op(&txn, key, 0, new_val("1"));
    }
    add_op(&txn, "w.sub.x", 0, new_val("2"));
    add_op(&txn, "w.link", 0, link_to(NULL, "w.sub"));
    assert_int_equal(store_apply(&r->store, t, &txn, NULL), 0);
    store_write(&r->store, t, &r->root);
    txn_fini(&txn);
    tree_free(&t);
}

static void
wide_directories_are_walked(void **state)
{
    struct rig *r = *state;

    fill_wide(r);
    r->dirs = 0;
    assert_found(r, "w.n77", 0, VAL("MQ=="));
    assert_in_range(r->dirs, 3, 5); // the root, hdirs, a dir
    assert_found(r, "w.sub.x", 0, VAL("Mg=="));
    assert_found(r, "w.link.x", 0, VAL("Mg=="));
    assert_fails(r, "w.none", 0, -ENOENT);
    assert_fails(r, "w.none.x", 0, -ENOENT);
    assert_fails(r, "w.n77.x", 0, -ENOENT);
    assert_fails(r, "w", 0, -EISDIR);
}

static void
wide_directory_is_listed_in_name_order(void **state)
{
    struct rig *r = *state;
    struct treeobj *dir;

    fill_wide(r);
    r->rounds = 0;
    assert_int_equal(look_up_in(r, "primary", "w", LOOKUP_READDIR, &dir), 0);
    assert_int_equal(treeobj_dir_count(dir), WIDE + 2);
    for (size_t i = 1; i < WIDE + 2; i++)
        assert_true(strcmp(treeobj_dir_name(dir, i - 1), treeobj_dir_name(dir, i)) < 0);
    assert_in_range(r->rounds, 1, 3);
    treeobj_unref(&dir);
}

/* The hdir of "w" with one slot that leads to `ref` as the root. */
static void
damage_wide(struct rig *r, const struct digest *ref, uint64_t more)
{
    struct treeobj *root = load_dir(r, &r->root);
    size_t count;
    struct treeobj *w = load_dir(r, treeobj_refs(treeobj_dir_get(root, "w"), &count));
    struct treeobj_slot slots[TREEOBJ_SLOTS];
    struct treeobj *bad;
    struct buf text = BUF_INIT;
    unsigned slot = hdir_slot(hdir_hash(ALG, "n77"), 0);

    memcpy(slots, treeobj_hdir_slots(w), sizeof(slots));
    if (ref)
        slots[slot].ref = *ref;
    slots[slot].count += more;
    bad = treeobj_new_hdir(slots);
    treeobj_encode(ALG, bad, &text);
    store_put_text(&r->store, buf_str(&text), &r->root);
    buf_fini(&text);
    treeobj_unref(&bad);
    treeobj_unref(&w);
    treeobj_unref(&root);
}

static void
damaged_wide_directory_is_an_error(void **state)
{
    struct rig *r = *state;
    struct digest good;
    struct digest gone = {{1}};
    struct treeobj *dir;

    fill_wide(r);
    good = r->root;
    damage_wide(r, NULL, 1);
    assert_fails(r, "n77", 0, -EPROTO);
    assert_int_equal(look_up_in(r, "primary", ".", LOOKUP_READDIR, &dir), -EPROTO);
    r->root = good;
    damage_wide(r, &gone, 0);
    assert_int_equal(look_up_in(r, "primary", ".", LOOKUP_READDIR, &dir), -ENOENT);
    r->root = good;
    damage_wide(r, &good, 0); // a dir of another directory
    assert_fails(r, "n77", 0, -EPROTO);
    assert_int_equal(look_up_in(r, "primary", ".", LOOKUP_READDIR, &dir), -EPROTO);
}

/* 1025 references to one blob of 1 MiB: refused before memory is asked for. */
static void
value_beyond_the_limit_overflows(void **state UNUSED)
{
    struct digest refs[1025];
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *entry;
    struct treeobj *obj;
    uint8_t *bytes;
    struct blob *b = blob_alloc((size_t)1 << 20, &bytes);
    struct lookup *l;

    memset(bytes, 0, (size_t)1 << 20);
    memset(refs, 7, sizeof(refs));
    entry = treeobj_new_valref(refs, ARRAY_SIZE(refs));
    treeobj_dir_put(dir, "big", &entry);
    l = lookup_new(ALG, "primary", &refs[0], "big", 0);
    lookup_give_dir(l, dir);
    lookup_give_blob(l, &refs[0], b);
    assert_int_equal(lookup_result(l, &obj, NULL), -EOVERFLOW);
    lookup_free(&l);
    blob_unref(&b);
    treeobj_unref(&dir);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(values_are_found),
        T(every_flag_has_its_answer_for_every_type),
        T(objects_come_as_stored),
        T(directory_is_listed_one_level),
        T(link_into_a_namespace_asks_for_its_root),
        T(link_may_lead_back),
        T(given_root_is_not_asked_for),
        T(repeated_blob_is_wanted_once),
        T(what_is_not_wanted_is_ignored),
        T(failure_from_outside_is_the_result),
        T(damaged_directory_is_a_protocol_error),
        T(inline_dirs_are_walked),
        T(wide_directories_are_walked),
        T(wide_directory_is_listed_in_name_order),
        T(damaged_wide_directory_is_an_error),
        T(ten_links_are_followed_and_not_eleven),
        cmocka_unit_test(value_beyond_the_limit_overflows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
