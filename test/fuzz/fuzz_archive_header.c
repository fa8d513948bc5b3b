/* SPDX-License-Identifier: MPL-2.0 */
/* The first and the last bytes of an archive: a header or an end that is understood encodes to one that is, too;
 * what is none, or damaged, is told so. */
#include "fuzz.h"
#include "archive_header.h"
#include "tar_block.h"
#include "xmem.h"

#include <string.h>

static void
try_header(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf blocks = BUF_INIT;
    struct archive_header h = {.ns = NULL};
    struct archive_header again = {.ns = NULL};
    struct err err = {0};
    int rc = archive_header_decode(data, size, &h, &err);

    if (rc <= 0) {
        assert(rc == 0 || err.text[0]);
        return;
    }
    archive_header_encode(&h, &blocks, &h.digest);
    assert(blocks.size % TAR_BLOCK == 0);
    assert(archive_header_decode(blocks.data, blocks.size, &again, &err) == 1);
    assert(again.kind == h.kind && again.alg == h.alg && digest_equal(&again.root, &h.root));
    assert(again.maxdirent == h.maxdirent && again.blob_size_limit == h.blob_size_limit);
    assert(again.is_exact == h.is_exact && digest_equal(&again.since, &h.since));
    archive_header_fini(&h);
    archive_header_fini(&again);
}

static void
try_end(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf blocks = BUF_INIT;
    struct archive_end e;
    struct archive_end again;

    if (archive_end_decode(data, size, &e) < 0)
        return;
    archive_end_encode(&e, &blocks);
    assert(blocks.size >= ARCHIVE_END_SIZE);
    assert(archive_end_decode(blocks.data + blocks.size - ARCHIVE_END_SIZE, ARCHIVE_END_SIZE,
                              &again) == 0);
    assert(again.keys == e.keys && again.bytes == e.bytes && again.failed == e.failed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free) char *comment = tar_find_comment(data, size);

    if (comment)
        assert(strlen(comment) < size);
    try_header(data, size);
    try_end(data, size);
    return 0;
}
