/* SPDX-License-Identifier: MPL-2.0 */
/* The texts of attributes in archives: sizes of blobs that are understood are those of the value and say the same
 * again; a list of removed keys ends; a section that is understood encodes to one that is, too. */
#include "fuzz.h"
#include "exact.h"
#include "section.h"
#include "xmem.h"

#include <string.h>

#define BLOB_MAX 1000000

/* What a file would have to have as its size for the text to be understood, about. */
static uint64_t
guess_total(const char *text, size_t size)
{
    uint64_t total = 0;

    for (const char *at = text; at && at < text + size;
         at = memchr(at, ',', size - (size_t)(at - text))) {
        uint64_t number = 0, count = 0;

        at += *at == ',';
        for (; at < text + size && *at >= '0' && *at <= '9' && number < BLOB_MAX; at++)
            number = number * 10 + (uint64_t)(*at - '0');
        if (at < text + size && *at == '*') {
            for (at++; at < text + size && *at >= '0' && *at <= '9' && count < BLOB_MAX; at++)
                count = count * 10 + (uint64_t)(*at - '0');
        } else {
            count = 1;
        }
        total += number * count;
    }
    return total;
}

static void
try_sizes(const char *text, size_t size)
{
    AUTO(exact_sizes) struct exact_sizes s = {.runs = NULL};
    AUTO(exact_sizes) struct exact_sizes again = {.runs = NULL};
    AUTO(buf) struct buf out = BUF_INIT;
    uint64_t total = guess_total(text, size);
    uint64_t sum = 0, n;
    struct err err = {0};
    size_t blobs = 0;

    if (exact_sizes_parse(text, size, total, BLOB_MAX, &s, &err) < 0) {
        assert(err.text[0]);
        return;
    }
    assert(exact_sizes_format(&s, &out));
    assert(exact_sizes_parse(out.data, out.size, total, BLOB_MAX, &again, NULL) == 0);
    while (blobs++ < 100000 && exact_sizes_next(&s, &n)) {
        assert(n <= BLOB_MAX);
        sum += n;
    }
    assert(blobs > 100000 || sum == total);
}

static void
try_removed(const char *text, size_t size)
{
    size_t at = 0;
    bool more, is_dir;

    do {
        AUTO(buf) struct buf path = BUF_INIT;

        more = exact_removed_next(text, size, &at, &path, &is_dir);
        assert(path.size <= size);
    } while (more);
}

static void
try_section(const char *text, size_t size)
{
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(buf) struct buf path = BUF_INIT;
    struct section s, again;
    struct err err = {0};

    if (section_decode(text, size, &s, &err) < 0) {
        assert(err.text[0]);
        return;
    }
    section_encode(&s, &out);
    assert(section_decode(out.data, out.size, &again, &err) == 0);
    assert(again.kind == s.kind && again.index == s.index && again.sequence == s.sequence);
    assert(strcmp(again.ns, s.ns) == 0 && digest_equal(&again.root, &s.root));
    section_format_path(&s, &path);
    assert(path.data[path.size - 1] == '/' && !strstr(path.data, "//") &&
           !strstr(path.data, "/../"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    enum exact_form form;

    if (size > 0)
        try_sizes(text, size);
    try_removed(text, size);
    try_section(text, size);
    exact_form_parse(text, size, &form);
    return 0;
}
