/* SPDX-License-Identifier: MPL-2.0 */
/* A transaction that is accepted encodes to one that is, too, and it can be applied to the empty
 * tree or is refused with text.  The same texts are read as lists of what is expected. */
#include "fuzz.h"
#include "tree.h"
#include "txn.h"

#include <jansson.h>

static bool
parse(const void *text, size_t size, struct txn *ret)
{
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    struct err err = {0};
    int rc = json ? txn_from_json(DIGEST_SHA1, (const struct json_t *)json, ret, &err) : -1;

    assert(!json || rc == 0 || err.text[0]);
    json_decref(json);
    return rc == 0;
}

static bool
parse_expects(const void *text, size_t size, struct txn *t)
{
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    struct err err = {0};
    int rc = json ? txn_expects_from_json(DIGEST_SHA1, (const struct json_t *)json, t, &err) : -1;

    assert(!json || rc == 0 || err.text[0]);
    json_decref(json);
    return rc == 0;
}

/* What encodes to the same again. */
static void
check_expects(const void *data, size_t size)
{
    AUTO(buf) struct buf first = BUF_INIT;
    AUTO(buf) struct buf second = BUF_INIT;
    AUTO(txn) struct txn txn = TXN_INIT;
    AUTO(txn) struct txn again = TXN_INIT;

    if (!parse_expects(data, size, &txn))
        return;
    txn_encode_expects(DIGEST_SHA1, &txn, &first);
    assert(parse_expects(first.data, first.size, &again));
    txn_encode_expects(DIGEST_SHA1, &again, &second);
    assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
}

static void
emit(void *arg, const struct digest *d, const struct blob *b)
{
    struct digest expected;

    (void)arg;
    digest_compute(DIGEST_SHA1, blob_data(b), blob_size(b), &expected);
    assert(digest_equal(d, &expected));
}

/* Of a tree whose root is in memory, and may have changes. */
static void
expect(struct tree *t, const struct txn *txn)
{
    struct err err = {0};
    int rc = tree_expect(t, txn, &err);

    assert(rc >= 0 || err.text[0]);
}

static void
apply(const struct txn *txn)
{
    struct digest root;
    struct blob *empty = tree_empty_dir(DIGEST_SHA1, &root);
    struct tree *t = tree_new(DIGEST_SHA1, &root);
    struct hdir_form form = {DIGEST_SHA1, 2, 1, hdir_hash};
    struct err err = {0};
    int rc;

    tree_set_form(t, &form);
    rc = tree_apply(t, txn, &err);

    if (rc == 1) {
        assert(tree_provide(t, &root, empty, &err) == 0);
        rc = tree_apply(t, txn, &err);
    }
    assert(rc >= 0 || err.text[0]);
    expect(t, txn);
    if (rc == 0)
        tree_write(t, emit, NULL, &root);
    expect(t, txn);
    tree_free(&t);
    blob_unref(&empty);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf first = BUF_INIT;
    AUTO(buf) struct buf second = BUF_INIT;
    AUTO(txn) struct txn txn = TXN_INIT;
    AUTO(txn) struct txn again = TXN_INIT;

    check_expects(data, size);
    if (!parse(data, size, &txn)) {
        txn = (struct txn)TXN_INIT;
        return 0;
    }
    txn_encode(DIGEST_SHA1, &txn, &first);
    assert(parse(first.data, first.size, &again));
    txn_encode(DIGEST_SHA1, &again, &second);
    assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    assert(parse_expects(data, size, &txn)); // less is asked of what is expected
    apply(&txn);
    return 0;
}
