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

/* Value of a lower-case hex digit, -1 for anything else. */
static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int
parse_hex(const char *hex, size_t nbytes, struct digest *ret)
{
    struct digest d = {{0}};

    for (size_t i = 0; i < nbytes; i++) {
        int high = hex_value(hex[2 * i]);
        int low = hex_value(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        d.bytes[i] = (uint8_t)(high << 4 | low);
    }
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
