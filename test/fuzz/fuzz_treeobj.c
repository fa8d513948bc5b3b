/* SPDX-License-Identifier: MPL-2.0 */
/* What decodes has one canonical encoding, which decodes to the same object. */
#include "fuzz.h"
#include "treeobj.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(treeobj) struct treeobj *again = NULL;
    AUTO(buf) struct buf first = BUF_INIT;
    AUTO(buf) struct buf second = BUF_INIT;
    struct err err = {0};

    if (treeobj_decode(DIGEST_SHA1, data, size, &obj, &err) < 0) {
        assert(!obj && err.code < 0 && err.text[0]);
        return 0;
    }
    assert(treeobj_memory(obj) > 0);
    treeobj_encode(DIGEST_SHA1, obj, &first);
    assert(treeobj_decode(DIGEST_SHA1, first.data, first.size, &again, NULL) == 0);
    treeobj_encode(DIGEST_SHA1, again, &second);
    assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    return 0;
}
