/* SPDX-License-Identifier: MPL-2.0 */
/* A greeting that is understood encodes to one that is, too; it is let in or refused with text. */
#include "fuzz.h"
#include "greeting.h"

#include <string.h>

static void
assert_encodes_back(const struct greeting *g)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct greeting again = {0};

    greeting_encode(g, &text);
    assert(greeting_decode(text.data, text.size, &again, NULL) == 0);
    assert(again.rank == g->rank && again.size == g->size && again.fanout == g->fanout);
    assert(again.protocol == g->protocol && strcmp(again.version, g->version) == 0);
    assert(strcmp(again.instance, g->instance) == 0 && strcmp(again.hash, g->hash) == 0);
    assert(strcmp(again.uuid, g->uuid) == 0 && strcmp(again.hostname, g->hostname) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct greeting parent = {.rank = 1,
                                           .size = 10,
                                           .fanout = 2,
                                           .protocol = GREETING_PROTOCOL,
                                           .instance = "oak",
                                           .hash = "sha1"};
    struct greeting g = {0};
    struct err err = {0};

    if (greeting_decode((const char *)data, size, &g, &err) < 0) {
        assert(err.text[0]);
        return 0;
    }
    assert_encodes_back(&g);
    if (greeting_check(&parent, &g, &err) == 0)
        assert(g.rank > parent.rank && g.rank < parent.size);
    else
        assert(err.text[0]);
    return 0;
}
