/* SPDX-License-Identifier: MPL-2.0 */
/* blobref.c - digests as text: NAME "-" HEX.
 *
 * One digest has exactly one text: upper-case hex and missing or extra digits are refused, so that
 * blobrefs can be compared as strings.
 *
 * Thread: any; pure.  See xylem-message(7).
 */
#include "blobref.h"

#include <errno.h>

/* Longest name in front of the '-'. */
#define NAME_MAX_LEN 15

char *
blobref_format(enum digest_alg alg, const struct digest *d, char out[BLOBREF_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t name_len = strlen(digest_name(alg));
    char *p = out;

    memcpy(p, digest_name(alg), name_len);
    p += name_len;
    *p++ = '-';
    for (size_t i = 0; i < digest_size(alg); i++) {
        *p++ = digits[d->bytes[i] >> 4];
        *p++ = digits[d->bytes[i] & 15];
    }
    *p = '\0';
    return out;
}

/* The lower-case hex digits by their values and one more; 0: no digit.  With comparisons instead, the
 * processor would guess wrong at half of the digits. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* More than 15 for what is none. */
static unsigned
hex_value(char c)
{
    return hex_digits[(uint8_t)c] - 1u;
}

static int
parse_hex(const char *hex, size_t nbytes, struct digest *ret)
{
    struct digest d = {{0}};
    unsigned seen = 0;

    for (size_t i = 0; i < nbytes; i++) {
        unsigned high = hex_value(hex[2 * i]);
        unsigned low = hex_value(hex[2 * i + 1]);

        seen |= high | low;
        d.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (seen > 15)
        return -EINVAL;
    *ret = d;
    return 0;
}

static int
parse_name(const char *text, size_t len, enum digest_alg *ret_alg)
{
    char name[NAME_MAX_LEN + 1];

    if (len > NAME_MAX_LEN || memchr(text, '\0', len))
        return -EINVAL;
    memcpy(name, text, len);
    name[len] = '\0';
    return digest_alg_parse(name, ret_alg);
}

int
blobref_parse_n(const char *text, size_t len, enum digest_alg *ret_alg, struct digest *ret)
{
    const char *dash = memchr(text, '-', len);
    enum digest_alg alg;
    size_t name_len;
    int rc;

    if (!dash)
        return -EINVAL;
    name_len = (size_t)(dash - text);
    rc = parse_name(text, name_len, &alg);
    if (rc < 0)
        return rc;
    if (len - name_len - 1 != 2 * digest_size(alg))
        return -EINVAL;
    rc = parse_hex(dash + 1, digest_size(alg), ret);
    if (rc == 0)
        *ret_alg = alg;
    return rc;
}

int
blobref_parse(const char *text, enum digest_alg *ret_alg, struct digest *ret)
{
    return blobref_parse_n(text, strlen(text), ret_alg, ret);
}
