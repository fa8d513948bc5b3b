/* SPDX-License-Identifier: MPL-2.0 */
/* utf8.c - UTF-8 validation.
 *
 * Model: the first byte tells the length of a sequence and, for four of its values, a narrower
 * range of the second byte; that range is what excludes overlong forms (e0, f0), surrogates (ed)
 * and code points above U+10FFFF (f4).  All further bytes are 80..bf.
 */
#include "utf8.h"

/* Bytes in the sequence that starts with `lead`; 0 if none does. */
static size_t
sequence_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static bool
is_second_valid(uint8_t lead, uint8_t second)
{
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

    return second >= low && second <= high;
}

bool
utf8_is_valid(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    const uint8_t *end = p + len;

    while (p < end) {
        size_t n = sequence_length(*p);

        if (n == 0 || n > (size_t)(end - p) || (n > 1 && !is_second_valid(p[0], p[1])))
            return false;
        for (size_t i = 2; i < n; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
        }
        p += n;
    }
    return true;
}
