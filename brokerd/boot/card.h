/* SPDX-License-Identifier: MPL-2.0 */
/* card.h - what a rank publishes about itself where ranks find each other through a launcher: its card.
 * Text without blanks, '=' or control characters, for the values of PMI.  Pure.
 *
 *   URI,KEY,HOST,INSTANCE,SIZE,FANOUT,PROTOCOL     each with %XX for what is not a plain character
 */
#ifndef XYLEM_CARD_H
#define XYLEM_CARD_H

#include "base.h"
#include "buf.h"
#include "xerr.h"

#define CARD_URI_SIZE 256
#define CARD_KEY_SIZE 41
#define CARD_WORD_SIZE 64

struct card {
    char uri[CARD_URI_SIZE];       // where the rank listens
    char key[CARD_KEY_SIZE];       // Z85 public key; "": its links are not secured
    char host[CARD_WORD_SIZE];     // what it calls itself
    char instance[CARD_WORD_SIZE]; // as the rank sees the cluster, like all that follow
    uint32_t size;
    uint32_t fanout;
    uint32_t protocol; // GREETING_PROTOCOL
};

void card_encode(const struct card *c, struct buf *out);

/* -EPROTO with text: not a card, or a field is too long.  Further fields are passed over. */
int card_decode(const char *text, struct card *ret, struct err *err);

/* Do they belong to one tree?  0, or -EPERM with text that names both ranks. */
int card_check(const struct card *root, uint32_t rank, const struct card *card, struct err *err);

#endif
