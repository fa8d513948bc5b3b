/* SPDX-License-Identifier: MPL-2.0 */
/* pmi.c - see pmi.h. */
#include "pmi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t\r"
#define NUMBER_MAX 1000000u // nodes, ranks of a node: beyond any machine, and sums cannot overflow

/* --- lines --- */

static bool
is_visible(char c)
{
    return c > ' ' && c < 0x7f;
}

static int
check_bytes(const char *line, struct err *err)
{
    for (const char *p = line; *p; p++) {
        if ((unsigned char)*p < ' ' && !strchr(BLANKS, *p))
            return err_set(err, -EPROTO, "a control character in a line of PMI");
    }
    return 0;
}

static void
trim_end(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && strchr(BLANKS, text[len - 1]))
        text[--len] = '\0';
}

/* Takes one word off *p. */
static void
take_word(char **p, struct pmi_words *w)
{
    char *word = *p;
    char *equals = word + strcspn(word, BLANKS "=");

    if (*equals == '=' && equals - word == 5 && memcmp(word, "value", 5) == 0)
        *p = word + strlen(word);
    else
        *p = word + strcspn(word, BLANKS);
    if (**p)
        *(*p)++ = '\0';
    if (*equals != '=' || equals == word || w->count == PMI_WORDS_MAX)
        return;
    *equals = '\0';
    w->word[w->count].key = word;
    w->word[w->count++].value = equals + 1;
}

int
pmi_parse(char *line, struct pmi_words *ret, struct err *err)
{
    int rc = check_bytes(line, err);

    ret->count = 0;
    if (rc < 0)
        return rc;
    trim_end(line);
    while (*(line += strspn(line, BLANKS)))
        take_word(&line, ret);
    return pmi_word(ret, "cmd") ? 0 : err_set(err, -EPROTO, "a line of PMI without a command");
}

const char *
pmi_word(const struct pmi_words *w, const char *key)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->word[i].key, key) == 0)
            return w->word[i].value;
    }
    return NULL;
}

bool
pmi_is_word(const char *text)
{
    const char *p = text;

    while (is_visible(*p) && *p != '=')
        p++;
    return p > text && *p == '\0';
}

bool
pmi_is_text(const char *text)
{
    const char *p = text;

    while (is_visible(*p) || *p == ' ' || *p == '\t')
        p++;
    return *p == '\0';
}

/* --- who shares a node --- */

/* Of "(first,nodes,ranks)": how long it is; 0: it is something else. */
static int
parse_block(const char *text, unsigned number[3])
{
    int len = 0;

    if (sscanf(text, " (%7u ,%7u ,%7u )%n", &number[0], &number[1], &number[2], &len) != 3)
        return 0;
    for (int i = 0; i < 3; i++) {
        if (number[i] > NUMBER_MAX || (i > 0 && number[i] == 0))
            return 0;
    }
    return len;
}

void
pmi_mapping_parse(struct pmi_mapping *ret, const char *text)
{
    size_t count = 0;
    int len = 0;

    ret->count = 0;
    if (sscanf(text, " (vector%n", &len) != 0 || len == 0)
        return;
    text += len;
    while (*(text += strspn(text, BLANKS)) == ',' && count < PMI_BLOCKS_MAX) {
        unsigned number[3];

        len = parse_block(++text, number);
        if (len == 0)
            return;
        text += len;
        ret->block[count].first = number[0];
        ret->block[count].nodes = number[1];
        ret->block[count++].ranks = number[2];
    }
    if (*text == ')')
        ret->count = count;
}

uint64_t
pmi_mapping_node(const struct pmi_mapping *m, uint32_t rank)
{
    uint64_t all = 0;
    uint64_t left;
    size_t i = 0;

    for (size_t j = 0; j < m->count; j++)
        all += (uint64_t)m->block[j].nodes * m->block[j].ranks;
    if (all == 0)
        return 0;
    left = rank % all;
    while (left >= (uint64_t)m->block[i].nodes * m->block[i].ranks) {
        left -= (uint64_t)m->block[i].nodes * m->block[i].ranks;
        i++;
    }
    return m->block[i].first + left / m->block[i].ranks;
}

bool
pmi_mapping_is_one_node(const struct pmi_mapping *m, uint32_t size)
{
    if (m->count == 0)
        return size == 1;
    for (uint32_t r = 1; r < size; r++) {
        if (pmi_mapping_node(m, r) != pmi_mapping_node(m, 0))
            return false;
    }
    return true;
}
