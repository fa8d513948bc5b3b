/* SPDX-License-Identifier: MPL-2.0 */
/* A frame: what is no bundle is one message; bundled anew, what was read reads the same. */
#include "bundle.h"
#include "fuzz.h"

#include <stdlib.h>

#define LIMIT 4096

static void
assert_reads_back(const struct msg *m)
{
    struct bundle b = {0};
    AUTO(msg) struct msg again;
    const uint8_t *bytes;
    size_t size;
    void *memory;

    bundle_add(&b, m);
    bytes = bundle_take(&b, &size, &memory);
    assert(!bundle_is(bytes, size));
    assert(msg_decode(bytes, size, NULL, LIMIT, &again) == 0);
    assert(again.type == m->type && again.nroutes == m->nroutes);
    assert(msg_size(&again) == msg_size(m));
    assert(memcmp(msg_data(&again), msg_data(m), msg_size(m)) == 0);
    free(memory);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle_cursor c;
    struct msg m;

    if (!bundle_is(data, size))
        return 0;
    c = bundle_begin(data, size);
    while (bundle_next(&c, LIMIT, &m) == 1) {
        assert_reads_back(&m);
        msg_fini(&m);
    }
    return 0;
}
