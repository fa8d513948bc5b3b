/* SPDX-License-Identifier: MPL-2.0 */
/* base64.c - RFC 4648 base64, strict and padded.
 *
 * Model: text is groups of four digits, each digit six bits, most significant first.  Only the last
 * group may be short: "xx==" is one byte, "xxx=" two.  The bits a short group does not use are zero
 * in canonical text; anything else is refused.
 */
#include "base64.h"

#include <errno.h>

#define NO_DIGIT 255

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* From a character to its six bits.  Of the ASCII range; all other characters are no digits. */
static const uint8_t values[128] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 62,  255, 255, 255, 63,  52,  53,  54,  55,  56,  57,  58,  59,  60,
    61,  255, 255, 255, 255, 255, 255, 255, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,
    11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  255, 255, 255, 255,
    255, 255, 26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,  41,  42,
    43,  44,  45,  46,  47,  48,  49,  50,  51,  255, 255, 255, 255, 255,
};

static inline uint8_t
digit_value(char c)
{
    unsigned char u = (unsigned char)c;

    return u < sizeof(values) ? values[u] : NO_DIGIT;
}

size_t
base64_encoded_size(size_t size)
{
    return (size / 3 + (size % 3 != 0)) * 4;
}

static void
encode_tail(const uint8_t *in, size_t size, char *out)
{
    uint32_t bits = (uint32_t)in[0] << 16 | (size == 2 ? (uint32_t)in[1] << 8 : 0);

    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 63];
    out[2] = size == 2 ? digits[bits >> 6 & 63] : '=';
    out[3] = '=';
}

void
base64_encode(const void *data, size_t size, char *out)
{
    const uint8_t *in = data;

    for (; size >= 3; size -= 3, in += 3, out += 4) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

        out[0] = digits[bits >> 18];
        out[1] = digits[bits >> 12 & 63];
        out[2] = digits[bits >> 6 & 63];
        out[3] = digits[bits & 63];
    }
    if (size > 0)
        encode_tail(in, size, out);
}

/* Digits in the text; the rest of the last group is padding. */
static size_t
count_digits(const char *text, size_t len)
{
    size_t padding = 0;

    while (padding < 2 && padding < len && text[len - padding - 1] == '=')
        padding++;
    return len - padding;
}

int
base64_check(const char *text, size_t len, size_t *ret_size)
{
    size_t count = count_digits(text, len);
    uint8_t seen = 0;

    if (len % 4 != 0)
        return -EPROTO;
    for (size_t i = 0; i < count; i++)
        seen |= digit_value(text[i]);
    if (seen & 0xc0)
        return -EPROTO;
    if (count % 4 == 2 && (digit_value(text[count - 1]) & 0x0f))
        return -EPROTO;
    if (count % 4 == 3 && (digit_value(text[count - 1]) & 0x03))
        return -EPROTO;
    *ret_size = len / 4 * 3 - (len - count);
    return 0;
}

static uint32_t
group_bits(const char *text, size_t count)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++)
        bits = bits << 6 | (i < count ? digit_value(text[i]) : 0);
    return bits;
}

void
base64_decode(const char *text, size_t len, uint8_t *out)
{
    size_t count = count_digits(text, len);

    for (; count >= 4; count -= 4, text += 4, out += 3) {
        uint32_t bits = group_bits(text, 4);

        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    if (count >= 2)
        out[0] = (uint8_t)(group_bits(text, count) >> 16);
    if (count == 3)
        out[1] = (uint8_t)(group_bits(text, count) >> 8);
}
