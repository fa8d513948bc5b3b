/* SPDX-License-Identifier: MPL-2.0 */
/* card.c - see card.h. */
#include "card.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PLAIN \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" \
    "-_.:/@*+!^&?<>()[]{}$#"

static void
add_field(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr(PLAIN, *text))
            buf_add_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
    }
    buf_add_char(out, ',');
}

void
card_encode(const struct card *c, struct buf *out)
{
    add_field(out, c->uri);
    add_field(out, c->key);
    add_field(out, c->host);
    add_field(out, c->instance);
    buf_printf(out, "%" PRIu32 ",%" PRIu32 ",%" PRIu32, c->size, c->fanout, c->protocol);
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One character off *p; -1: none that may be there. */
static int
take_char(const char **p)
{
    const char *s = *p;
    int high, low;

    if (*s != '%') {
        *p = s + 1;
        return strchr(PLAIN, *s) ? *s : -1;
    }
    high = hex_digit(s[1]);
    low = high < 0 ? -1 : hex_digit(s[2]);
    *p = s + 3;
    return low < 0 || high * 16 + low < ' ' ? -1 : high * 16 + low;
}

/* The next field, and the comma behind it if there is one. */
static int
take_field(const char **p, char *ret, size_t size)
{
    size_t len = 0;

    while (**p && **p != ',') {
        int c = take_char(p);

        if (c < 0 || len + 1 == size)
            return -EPROTO;
        ret[len++] = (char)c;
    }
    ret[len] = '\0';
    if (**p)
        ++*p;
    return 0;
}

static int
take_number(const char **p, uint32_t *ret)
{
    char text[CARD_WORD_SIZE];
    long value;

    if (take_field(p, text, sizeof(text)) < 0 || units_parse_long(text, 0, UINT32_MAX, &value) < 0)
        return -EPROTO;
    *ret = (uint32_t)value;
    return 0;
}

int
card_decode(const char *text, struct card *ret, struct err *err)
{
    const char *p = text;

    if (take_field(&p, ret->uri, sizeof(ret->uri)) < 0 ||
        take_field(&p, ret->key, sizeof(ret->key)) < 0 ||
        take_field(&p, ret->host, sizeof(ret->host)) < 0 ||
        take_field(&p, ret->instance, sizeof(ret->instance)) < 0 ||
        take_number(&p, &ret->size) < 0 || take_number(&p, &ret->fanout) < 0 ||
        take_number(&p, &ret->protocol) < 0 || ret->uri[0] == '\0')
        return err_set(err, -EPROTO, "'%.100s' is not what a rank publishes", text);
    return 0;
}

static int
differ(struct err *err, const struct card *root, uint32_t rank, const struct card *card,
       const char *what, const char *ours, const char *theirs)
{
    return err_set(err, -EPERM, "%s: rank %" PRIu32 " on %s has %s, rank 0 on %s has %s", what,
                   rank, card->host, ours, root->host, theirs);
}

static int
differ_by_number(struct err *err, const struct card *root, uint32_t rank, const struct card *card,
                 const char *what, uint32_t ours, uint32_t theirs)
{
    char us[16], them[16];

    snprintf(us, sizeof(us), "%" PRIu32, ours);
    snprintf(them, sizeof(them), "%" PRIu32, theirs);
    return differ(err, root, rank, card, what, us, them);
}

int
card_check(const struct card *root, uint32_t rank, const struct card *card, struct err *err)
{
    if (card->protocol != root->protocol)
        return differ_by_number(err, root, rank, card, "the versions do not agree on the protocol",
                                card->protocol, root->protocol);
    if (card->size != root->size)
        return differ_by_number(err, root, rank, card, "the ranks do not agree on the size",
                                card->size, root->size);
    if (card->fanout != root->fanout)
        return differ_by_number(err, root, rank, card, "the ranks do not agree on the fanout",
                                card->fanout, root->fanout);
    if (strcmp(card->instance, root->instance) != 0)
        return differ(err, root, rank, card, "the ranks do not agree on the instance",
                      card->instance, root->instance);
    if ((card->key[0] == '\0') != (root->key[0] == '\0'))
        return differ(err, root, rank, card, "the ranks do not agree on security",
                      card->key[0] ? "a key" : "none", root->key[0] ? "a key" : "none");
    return 0;
}
