/* SPDX-License-Identifier: MPL-2.0 */
/* Damaged text: whatever is accepted is a valid object, which is read back from its own text. */
#include "kvstest.h"
#include "checkpoint.h"

#include <jansson.h>

#define REF "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"
#define VAL "{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}"

static const char *const valid[] = {
    VAL,
    "{\"data\":{\"a\":" VAL ",\"b\":{\"data\":[\"" REF "\",\"" REF "\"],\"type\":\"valref\","
    "\"ver\":1},\"c\":{\"data\":{\"d\":" VAL "},\"type\":\"dir\",\"ver\":1}},\"type\":\"dir\","
    "\"ver\":1}",
    "{\"data\":[\"" REF "\"],\"type\":\"dirref\",\"ver\":1}",
    "{\"data\":{\"namespace\":\"n\",\"target\":\"a.\xc3\xa4\"},\"type\":\"symlink\",\"ver\":1}",
    "[{\"key\":\"a.b\",\"flags\":0,\"dirent\":" VAL "},{\"key\":\"c\",\"flags\":32,\"dirent\":" VAL
    "},{\"key\":\"d\",\"flags\":0,\"dirent\":null}]",
    "{\"version\":1,\"rootref\":\"" REF "\",\"sequence\":7,\"timestamp\":1.5}",
};

/* Overwrites, removes or doubles a few pieces of the text; returns the new length. */
static size_t
mutate(uint64_t *seed, char *text, size_t len, size_t room)
{
    static const char likely[] = "{}[]\",:\\/.%0129-eE=AZ\x80\xc3\xff\n";

    for (size_t n = 1 + draw_below(seed, 3); n > 0 && len > 0; n--) {
        size_t at = draw_below(seed, len);
        size_t size = 1 + draw_below(seed, 20);

        size = MIN(size, len - at);
        switch (draw_below(seed, 4)) {
        case 0:
            text[at] = (char)draw(seed);
            break;
        case 1:
            memmove(text + at, text + at + size, len - at - size);
            len -= size;
            break;
        case 2:
            if (len + size <= room) {
                memmove(text + at + size, text + at, len - at);
                len += size;
            }
            break;
        default:
            text[at] = likely[draw_below(seed, sizeof(likely) - 1)];
        }
    }
    return len;
}

static size_t
check_object(const char *text, size_t len)
{
    struct treeobj *obj;
    struct treeobj *again;
    struct buf out = BUF_INIT;

    if (treeobj_decode(ALG, text, len, &obj, NULL) < 0)
        return 0;
    treeobj_encode(ALG, obj, &out);
    assert_int_equal(treeobj_decode(ALG, out.data, out.size, &again, NULL), 0);
    assert_json(again, buf_str(&out));
    buf_fini(&out);
    treeobj_unref(&obj);
    treeobj_unref(&again);
    return 1;
}

static size_t
check_txn(const json_t *json)
{
    struct txn txn;
    struct txn again;
    struct buf out = BUF_INIT;
    json_t *parsed;

    if (txn_from_json(ALG, json, &txn, NULL) < 0)
        return 0;
    txn_encode(ALG, &txn, &out);
    parsed = json_loads(buf_str(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(txn_from_json(ALG, parsed, &again, NULL), 0);
    assert_int_equal(again.count, txn.count);
    json_decref(parsed);
    buf_fini(&out);
    txn_fini(&txn);
    txn_fini(&again);
    return 1;
}

static void
damaged_text_never_gets_through(void **state UNUSED)
{
    uint64_t seed = 4;
    size_t accepted = 0;

    for (size_t i = 0; i < 100000; i++) {
        const char *from = valid[i % ARRAY_SIZE(valid)];
        char text[1024];
        size_t len = strlen(from);
        struct checkpoint c;
        json_t *json;

        memcpy(text, from, len);
        len = mutate(&seed, text, len, sizeof(text));
        accepted += check_object(text, len);
        json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        if (!json)
            continue;
        accepted += check_txn(json);
        accepted += checkpoint_from_json(ALG, json, &c, NULL) == 0;
        json_decref(json);
    }
    assert_true(accepted > 1000);
}

static void
valid_text_is_accepted(void **state UNUSED)
{
    struct checkpoint c;
    json_t *json;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(check_object(valid[i], strlen(valid[i])), 1);
    json = json_loads(valid[4], 0, NULL);
    assert_int_equal(check_txn(json), 1);
    json_decref(json);
    json = json_loads(valid[5], 0, NULL);
    assert_int_equal(checkpoint_from_json(ALG, json, &c, NULL), 0);
    json_decref(json);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_text_never_gets_through),
        cmocka_unit_test(valid_text_is_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
