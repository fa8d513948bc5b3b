/* SPDX-License-Identifier: MPL-2.0 */
/* Wide directories: the form follows from the entries alone; nothing wrong in one gets through.
 *
 * A form with tiny limits makes tries of several levels out of few names; a hash of few bits makes
 * names collide to the last level. */
#include "kvstest.h"
#include "gather.h"

#define NAMES 60

static uint64_t
poor_hash(enum digest_alg alg, const char *name)
{
    uint64_t hash = hdir_hash(alg, name);

    return hash % 5 ? hash & 0xfff0000000000003 : 0; // a fifth of all names cannot be told apart
}

static const struct hdir_form forms[] = {
    {ALG, 10, 4, hdir_hash}, {ALG, 10, 4, poor_hash}, {ALG, 1, 1, hdir_hash},
    {ALG, 3, 20, hdir_hash}, {ALG, 20, 1, poor_hash}, {ALG, UINT64_MAX, 4, hdir_hash},
    {ALG, 5, 1, hdir_hash},
};

/* --- the directory as it should be --- */

static int
emit_to_store(void *arg, const void *data, size_t size)
{
    struct blob *b = blob_new(data, size);
    struct digest d;

    digest_compute(ALG, data, size, &d);
    store_put(arg, &d, b);
    blob_unref(&b);
    return 0;
}

/* Write a dir object in its form. */
static void
write_dir(struct store *s, const struct hdir_form *form, const struct treeobj *dir,
          struct digest *ret)
{
    size_t count = treeobj_dir_count(dir);
    struct hdir_entry *entries = xcalloc(count + 1, sizeof(*entries));
    struct buf *texts = xcalloc(count + 1, sizeof(*texts));

    for (size_t i = 0; i < count; i++) {
        const char *name = treeobj_dir_name(dir, i);

        treeobj_encode_dir_entry(ALG, name, treeobj_dir_entry(dir, i), true, &texts[i]);
        entries[i] = (struct hdir_entry){name, texts[i].data, texts[i].size};
    }
    assert_int_equal(hdir_write(form, entries, count, emit_to_store, s, ret), 0);
    for (size_t i = 0; i < count; i++)
        buf_fini(&texts[i]);
    free(texts);
    free(entries);
}

static struct treeobj *
load(const struct store *s, const struct digest *d)
{
    const struct blob *b = store_get(s, d);
    struct treeobj *obj = NULL;

    if (b)
        assert_int_equal(treeobj_decode(ALG, blob_data(b), blob_size(b), &obj, NULL), 0);
    return obj;
}

/* store_apply() with a tree that forgets between the rounds what it may. */
static int
apply_trimming(struct store *s, struct tree *t, const struct txn *txn)
{
    int rc;

    while ((rc = tree_apply(t, txn, NULL)) == 1) {
        size_t count;
        const struct digest *needs = tree_needs(t, &count);

        for (size_t i = 0; i < count; i++)
            assert_int_equal(tree_provide(t, &needs[i], store_get(s, &needs[i]), NULL), 0);
        tree_trim(t, 0);
    }
    return rc;
}

/* --- random histories --- */

struct history {
    uint64_t seed;
    const struct hdir_form *form;
    struct store store;
    struct tree *tree;
    struct treeobj *model; // a dir of what is below "d"
    struct treeobj *saved; // the same when the tree was accepted last
};

static struct treeobj *
copy_dir(const struct treeobj *dir)
{
    struct treeobj *copy = treeobj_new_dir();

    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        struct treeobj *entry = treeobj_ref(treeobj_dir_entry(dir, i));

        treeobj_dir_put(copy, treeobj_dir_name(dir, i), &entry);
    }
    return copy;
}

static void
set_model(struct treeobj **to, const struct treeobj *from)
{
    struct treeobj *copy = copy_dir(from);

    treeobj_unref(to);
    *to = copy;
}

/* The digest that the root must have: {"d": model}. */
static void
expect_root(struct history *h, const struct treeobj *model, struct digest *ret)
{
    struct treeobj *root = treeobj_new_dir();
    struct treeobj *ref;
    struct digest d;

    write_dir(&h->store, h->form, model, &d);
    ref = treeobj_new_dirref(&d);
    treeobj_dir_put(root, "d", &ref);
    write_dir(&h->store, h->form, root, ret);
    treeobj_unref(&root);
}

static void
check(struct history *h)
{
    struct digest got, want;

    tree_write(h->tree, store_put, &h->store, &got);
    expect_root(h, h->model, &want);
    assert_true(digest_equal(&got, &want));
}

/* Mostly filling or mostly emptying, for a while. */
static void
draw_op(struct history *h, struct txn *txn, struct treeobj *model, bool is_filling)
{
    char name[16];
    char key[32];
    struct treeobj *val;

    snprintf(name, sizeof(name), "n%zu", draw_below(&h->seed, NAMES));
    snprintf(key, sizeof(key), "d.%s", name);
    if (draw_below(&h->seed, 8) == (is_filling ? 0 : 1)) {
        val = new_val(draw_below(&h->seed, 2) ? "1" : "2");
        add_op(txn, key, 0, treeobj_ref(val));
        treeobj_dir_put(model, name, &val);
    } else if (!is_filling || draw_below(&h->seed, 8) == 0) {
        add_op(txn, key, 0, NULL);
        val = treeobj_dir_take(model, name);
        treeobj_unref(&val);
    } else {
        val = new_val("3");
        add_op(txn, key, 0, treeobj_ref(val));
        treeobj_dir_put(model, name, &val);
    }
}

static void
apply_some(struct history *h, bool is_filling)
{
    struct treeobj *model = copy_dir(h->model);
    struct txn txn = TXN_INIT;
    bool is_failing = draw_below(&h->seed, 6) == 0;

    for (size_t n = 1 + draw_below(&h->seed, 12); n > 0; n--)
        draw_op(h, &txn, model, is_filling);
    if (is_failing) // an append to a directory is refused
        add_op(&txn, "d", TXN_APPEND, new_val("x"));
    assert_int_equal(apply_trimming(&h->store, h->tree, &txn), is_failing ? -EISDIR : 0);
    if (!is_failing)
        set_model(&h->model, model);
    if (draw_below(&h->seed, 4) == 0)
        tree_trim(h->tree, 0); // what the next tree_write() needs must stay
    treeobj_unref(&model);
    txn_fini(&txn);
}

static void
accept_or_discard(struct history *h)
{
    check(h);
    if (draw_below(&h->seed, 4) > 0) {
        tree_accept(h->tree);
        set_model(&h->saved, h->model);
    } else {
        tree_discard(h->tree);
        set_model(&h->model, h->saved);
    }
    tree_trim(h->tree, draw_below(&h->seed, tree_memory(h->tree) + 1));
    check(h);
}

static void
run_history(uint64_t seed, const struct hdir_form *form)
{
    struct history h = {.seed = seed, .form = form};

    store_init(&h.store);
    h.tree = store_new_tree(&h.store);
    tree_set_form(h.tree, form);
    h.model = treeobj_new_dir();
    h.saved = treeobj_new_dir();
    assert_int_equal(apply_one(&h.store, h.tree, "d", 0, treeobj_new_dir()), 0);
    check(&h);
    tree_accept(h.tree);
    for (int i = 0; i < 60; i++) {
        apply_some(&h, i / 10 % 2 == 0);
        if (draw_below(&h.seed, 3) == 0)
            accept_or_discard(&h);
    }
    check(&h);
    tree_free(&h.tree);
    treeobj_unref(&h.model);
    treeobj_unref(&h.saved);
    store_fini(&h.store);
}

static void
the_root_follows_from_the_entries_alone(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        for (uint64_t seed = 1; seed <= 40; seed++)
            run_history(seed, &forms[i]);
    }
}

/* --- a tree of one wide directory --- */

struct rig {
    struct store store;
    struct hdir_form form;
    struct treeobj *dir; // what the root is made of
    struct digest root;
    struct tree *tree;
};

static void
name_of(size_t i, char out[16])
{
    snprintf(out, 16, "n%zu", i);
}

/* `count` entries in the root. */
static void
fill(struct rig *r, size_t count)
{
    char name[16];

    treeobj_unref(&r->dir);
    r->dir = treeobj_new_dir();
    for (size_t i = 0; i < count; i++) {
        struct treeobj *val = new_val("1");

        name_of(i, name);
        treeobj_dir_put(r->dir, name, &val);
    }
    write_dir(&r->store, &r->form, r->dir, &r->root);
    tree_free(&r->tree);
    r->tree = tree_new(ALG, &r->root);
    tree_set_form(r->tree, &r->form);
}

static int
set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    store_init(&r->store);
    r->form = (struct hdir_form){ALG, 10, 4, hdir_hash};
    fill(r, 100);
    *state = r;
    return 0;
}

static int
tear_down(void **state)
{
    struct rig *r = *state;

    tree_free(&r->tree);
    treeobj_unref(&r->dir);
    store_fini(&r->store);
    free(r);
    return 0;
}

static void
put(struct rig *r, const char *key, const char *text)
{
    put_text(&r->store, r->tree, key, text);
}

static void
assert_type(struct rig *r, enum treeobj_type type)
{
    struct treeobj *obj = load(&r->store, tree_root(r->tree));

    assert_int_equal(treeobj_type(obj), type);
    treeobj_unref(&obj);
}

static void
write_out(struct rig *r)
{
    struct digest d;

    store_write(&r->store, r->tree, &d);
}

/* One more than the limit and back. */
static void
form_changes_at_the_limit_and_back(void **state)
{
    struct rig *r = *state;
    struct digest before;

    fill(r, 10);
    before = r->root;
    assert_type(r, TREEOBJ_DIR);
    put(r, "more", "1");
    write_out(r);
    assert_type(r, TREEOBJ_HDIR);
    tree_trim(r->tree, 0);
    assert_int_equal(apply_one(&r->store, r->tree, "more", 0, NULL), 0);
    write_out(r);
    assert_type(r, TREEOBJ_DIR);
    assert_true(digest_equal(tree_root(r->tree), &before));
}

/* A put on the way through a wide directory, below a directory in it, and a link in it. */
static void
keys_lead_through_wide_directories(void **state)
{
    struct rig *r = *state;

    put(r, "sub.a.b", "1");
    assert_int_equal(apply_one(&r->store, r->tree, "link", 0, treeobj_new_symlink(NULL, "sub.a")),
                     0);
    write_out(r);
    tree_trim(r->tree, 0);
    put(r, "link.c", "2");
    put(r, "n5.x", "3"); // a value becomes a directory
    assert_int_equal(apply_one(&r->store, r->tree, "sub.a.b", 0, NULL), 0);
    assert_int_equal(apply_one(&r->store, r->tree, "no.such", 0, NULL), 0);
    write_out(r);
    assert_type(r, TREEOBJ_HDIR);
}

static void
changed_limit_changes_what_changes(void **state)
{
    struct rig *r = *state;

    r->form.max = UINT64_MAX;
    tree_set_form(r->tree, &r->form);
    put(r, "n1", "1");
    write_out(r);
    assert_type(r, TREEOBJ_DIR);
    r->form.max = 10;
    tree_set_form(r->tree, &r->form);
    tree_trim(r->tree, 0);
    put(r, "n1", "1");
    write_out(r);
    assert_type(r, TREEOBJ_HDIR);
    assert_true(digest_equal(tree_root(r->tree), &r->root));
}

static void
without_a_form_each_keeps_its_own(void **state)
{
    struct rig *r = *state;
    char name[16];

    r->form.max = HDIR_AS_FOUND;
    tree_set_form(r->tree, &r->form);
    for (size_t i = 1; i < 100; i++) {
        name_of(i, name);
        assert_int_equal(apply_one(&r->store, r->tree, name, 0, NULL), 0);
        if (i == 50)
            write_out(r);
    }
    write_out(r);
    assert_type(r, TREEOBJ_HDIR);
    assert_int_equal(apply_one(&r->store, r->tree, "n0", 0, NULL), 0);
    write_out(r);
    assert_type(r, TREEOBJ_DIR);
}

/* --- damage --- */

/* The root hdir with its first slot that is a dir changed by fn, and what tree_apply() says to a put
 * into that slot; the text in *err. */
struct damage {
    struct treeobj_slot slots[TREEOBJ_SLOTS];
    size_t first; // a slot with a dir in it
    size_t other; // another slot
};

static bool
is_dir_slot(struct rig *r, const struct treeobj_slot *slot)
{
    struct treeobj *obj = slot->count ? load(&r->store, &slot->ref) : NULL;
    bool is_dir = obj && treeobj_type(obj) == TREEOBJ_DIR;

    treeobj_unref(&obj);
    return is_dir;
}

static void
begin_damage(struct rig *r, struct damage *dmg)
{
    struct treeobj *root = load(&r->store, &r->root);

    memcpy(dmg->slots, treeobj_hdir_slots(root), sizeof(dmg->slots));
    treeobj_unref(&root);
    dmg->first = 0;
    while (!is_dir_slot(r, &dmg->slots[dmg->first]))
        dmg->first++;
    dmg->other = dmg->first + 1;
    while (!is_dir_slot(r, &dmg->slots[dmg->other]))
        dmg->other++;
}

static void
put_object(struct rig *r, const struct treeobj *obj, struct digest *ret)
{
    struct buf text = BUF_INIT;

    treeobj_encode(ALG, obj, &text);
    store_put_text(&r->store, buf_str(&text), ret);
    buf_fini(&text);
}

static void
put_slots(struct rig *r, const struct treeobj_slot *slots, struct digest *ret)
{
    struct treeobj *obj = treeobj_new_hdir(slots);

    put_object(r, obj, ret);
    treeobj_unref(&obj);
}

/* Unlink every name, so that every slot is looked into. */
static int
apply_to_all(struct rig *r, const struct damage *dmg, struct err *err)
{
    struct txn txn = TXN_INIT;
    struct digest root;
    char name[16];
    int rc;

    put_slots(r, dmg->slots, &root);
    tree_free(&r->tree);
    r->tree = tree_new(ALG, &root);
    tree_set_form(r->tree, &r->form);
    for (size_t i = 0; i < 100; i++) {
        name_of(i, name);
        add_op(&txn, name, 0, NULL);
    }
    rc = store_apply(&r->store, r->tree, &txn, err);
    txn_fini(&txn);
    return rc;
}

static void
assert_refused(struct rig *r, const struct damage *dmg, const char *why)
{
    struct err err = {0};
    char ref[BLOBREF_MAX];

    assert_int_equal(apply_to_all(r, dmg, &err), -EPROTO);
    assert_non_null(strstr(err.text, why));
    assert_non_null(strstr(err.text, "key 'n"));
    assert_non_null(strstr(err.text, blobref_format(ALG, &dmg->slots[dmg->first].ref, ref)));
}

static void
damage_is_refused(void **state)
{
    struct rig *r = *state;
    struct damage dmg, d;
    struct err err = {0};
    struct treeobj_slot deep[TREEOBJ_SLOTS] = {{.count = 0}};

    begin_damage(r, &dmg);
    assert_int_equal(apply_to_all(r, &dmg, &err), 0);

    d = dmg; // a wrong count
    d.slots[d.first].count++;
    assert_refused(r, &d, "entries below an hdir, not");

    d = dmg; // what belongs to another slot
    d.slots[d.first] = d.slots[d.other];
    assert_refused(r, &d, "is in a wrong slot");

    d = dmg; // an hdir where a dir should be
    deep[3] = d.slots[d.first];
    put_slots(r, deep, &d.slots[d.first].ref);
    assert_refused(r, &d, "and an hdir");
}

/* --- reading all of it --- */

/* Give a gather everything; *ret_lost counts what is lost on the way. */
static int
gather_all(struct rig *r, const struct digest *root, struct treeobj **ret, uint64_t *ret_lost,
           struct err *err)
{
    struct treeobj *obj = load(&r->store, root);
    const struct digest *wanted;
    struct gather *g = NULL;
    int rc = gather_new(obj, &g, err);

    treeobj_unref(&obj);
    *ret_lost = 0;
    while (rc == 0 && (wanted = gather_next(g))) {
        struct digest d = *wanted;

        obj = load(&r->store, &d);
        if (obj)
            rc = gather_give(g, &d, obj, err);
        else
            *ret_lost += gather_skip(g, &d);
        treeobj_unref(&obj);
    }
    if (rc == 0) {
        assert_true(gather_is_complete(g));
        rc = gather_finish(g, ret, err);
    }
    gather_free(&g);
    return rc;
}

static void
gather_is_the_same_dir(void **state)
{
    struct rig *r = *state;
    struct treeobj *dir;
    struct buf a = BUF_INIT, b = BUF_INIT;
    uint64_t lost;

    assert_int_equal(gather_all(r, &r->root, &dir, &lost, NULL), 0);
    assert_int_equal(lost, 0);
    treeobj_encode(ALG, dir, &a);
    treeobj_encode(ALG, r->dir, &b);
    assert_string_equal(buf_str(&a), buf_str(&b));
    buf_fini(&a);
    buf_fini(&b);
    treeobj_unref(&dir);
}

static void
gather_counts_what_is_lost(void **state)
{
    struct rig *r = *state;
    struct damage dmg;
    struct treeobj *dir;
    struct digest root;
    uint64_t lost;

    begin_damage(r, &dmg);
    memset(&dmg.slots[dmg.first].ref, 7, 20);
    put_slots(r, dmg.slots, &root);
    assert_int_equal(gather_all(r, &root, &dir, &lost, NULL), 0);
    assert_int_equal(lost, dmg.slots[dmg.first].count);
    assert_int_equal(treeobj_dir_count(dir), 100 - lost);
    treeobj_unref(&dir);
}

/* A few blobs that refer to one another 16 times would be 16^10 entries. */
static void
gather_refuses_repetition(void **state)
{
    struct rig *r = *state;
    struct damage dmg;
    struct treeobj *dir = NULL;
    struct treeobj_slot slots[TREEOBJ_SLOTS];
    struct treeobj_slot below;
    struct digest root;
    struct err err = {0};
    uint64_t lost;

    begin_damage(r, &dmg);
    below = dmg.slots[dmg.first];
    for (int level = 0; level < 10; level++) {
        for (size_t i = 0; i < TREEOBJ_SLOTS; i++)
            slots[i] = below;
        put_slots(r, slots, &below.ref);
        below.count *= TREEOBJ_SLOTS;
    }
    root = below.ref;
    assert_int_equal(gather_all(r, &root, &dir, &lost, &err), -EPROTO);
    assert_non_null(strstr(err.text, "twice"));
    assert_null(dir);
}

static void
gather_refuses_a_wrong_count_and_a_value(void **state)
{
    struct rig *r = *state;
    struct damage dmg, d;
    struct treeobj *dir = NULL;
    struct treeobj *val = new_val("1");
    struct digest root;
    uint64_t lost;

    begin_damage(r, &dmg);
    d = dmg;
    d.slots[d.first].count--;
    if (d.slots[d.first].count == 0)
        d.slots[d.first].count = 2;
    put_slots(r, d.slots, &root);
    assert_int_equal(gather_all(r, &root, &dir, &lost, NULL), -EPROTO);
    d = dmg;
    put_object(r, val, &d.slots[d.first].ref);
    put_slots(r, d.slots, &root);
    assert_int_equal(gather_all(r, &root, &dir, &lost, NULL), -EPROTO);
    treeobj_unref(&val);
}

/* --- size --- */

struct keep {
    struct store *store;
    const char *text; // keep all that contains it, and every hdir
};

static int
emit_some(void *arg, const void *data, size_t size)
{
    struct keep *k = arg;

    if (memmem(data, size, k->text, strlen(k->text)) || memmem(data, size, "hdir", 4))
        emit_to_store(k->store, data, size);
    return 0;
}

static void
count_bytes(void *arg, const struct digest *d UNUSED, const struct blob *b)
{
    *(size_t *)arg += blob_size(b);
}

#define MILLION 1000000

/* Names and values as large as they come without becoming blobs. */
static void
a_put_into_a_million_writes_little(void **state UNUSED)
{
    static const char value[] = "012345678901234567890123456789012345678901234567890123";
    struct hdir_form form = hdir_form(ALG, HDIR_MAXDIRENT);
    struct hdir_entry *entries = xcalloc(MILLION, sizeof(*entries));
    char(*texts)[160] = xcalloc(MILLION, sizeof(*texts));
    struct treeobj *val = new_val(value);
    struct buf json = BUF_INIT;
    struct store s;
    struct keep keep = {&s, "key-0500000"};
    struct digest root;
    struct tree *t;
    size_t bytes = 0;

    store_init(&s);
    treeobj_encode(ALG, val, &json);
    for (size_t i = 0; i < MILLION; i++) {
        entries[i].size =
            (size_t)snprintf(texts[i], sizeof(texts[i]), "\"key-%07zu\":%s", i, buf_str(&json));
        entries[i].text = texts[i];
        entries[i].name = xasprintf("key-%07zu", i);
    }
    assert_int_equal(hdir_write(&form, entries, MILLION, emit_some, &keep, &root), 0);
    t = tree_new(ALG, &root);
    tree_set_form(t, &form);
    put_text(&s, t, "key-0500000", "new");
    tree_write(t, count_bytes, &bytes, &root);
    assert_in_range(bytes, 5 * 400, 64 << 10);
    print_message("%zu bytes written\n", bytes);
    tree_free(&t);
    for (size_t i = 0; i < MILLION; i++)
        free((char *)(uintptr_t)entries[i].name);
    buf_fini(&json);
    treeobj_unref(&val);
    store_fini(&s);
    free(texts);
    free(entries);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_follows_from_the_entries_alone),
        T(form_changes_at_the_limit_and_back),
        T(keys_lead_through_wide_directories),
        T(changed_limit_changes_what_changes),
        T(without_a_form_each_keeps_its_own),
        T(damage_is_refused),
        T(gather_is_the_same_dir),
        T(gather_counts_what_is_lost),
        T(gather_refuses_repetition),
        T(gather_refuses_a_wrong_count_and_a_value),
        cmocka_unit_test(a_put_into_a_million_writes_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
