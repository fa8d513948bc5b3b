/* SPDX-License-Identifier: MPL-2.0 */
/* A key that parses formats to text that parses to the same names; so does a path. */
#include "fuzz.h"
#include "key.h"
#include "xmem.h"

#include <string.h>

static void
assert_same(const struct key *a, const struct key *b)
{
    assert(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        assert(strcmp(a->names[i], b->names[i]) == 0);
}

static void
assert_formats_back(const struct key *k)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct key again;

    assert(k->count <= KEY_DEPTH_MAX);
    for (size_t i = 0; i < k->count; i++)
        assert(key_check_name(k->names[i], NULL) == 0);
    key_format(k, &text);
    if (text.size > KEY_TEXT_MAX) // quoting made it longer
        return;
    assert(key_parse(buf_str(&text), &again, NULL) == 0);
    assert_same(k, &again);
    key_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free) char *text = xstrndup((const char *)data, size);
    struct err err = {0};
    struct key k;

    if (key_parse(text, &k, &err) == 0) {
        assert_formats_back(&k);
        key_fini(&k);
    } else {
        assert(err.text[0]);
    }
    if (key_from_path(text, &k, NULL) == 0) {
        assert_formats_back(&k);
        key_fini(&k);
    }
    return 0;
}
