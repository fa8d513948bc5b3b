/* SPDX-License-Identifier: MPL-2.0 */
/* Lines of PMI-1, and what is in their values: mappings of nodes and cards of ranks.  The words lie inside
 * the line, every rank has a node, and a card that is understood comes back the same.  Lists of hosts are
 * taken from the same bytes. */
#include "card.h"
#include "fuzz.h"
#include "hostlist.h"
#include "pmi.h"
#include "xmem.h"

#include <string.h>

static void
try_line(char *line, size_t len)
{
    struct pmi_words w;
    struct err err = {.text = ""};
    int rc = pmi_parse(line, &w, &err);

    assert((rc == 0) == (err.text[0] == '\0'));
    for (size_t i = 0; rc == 0 && i < w.count; i++) {
        const char *value = w.word[i].value;

        assert(w.word[i].key >= line && value > w.word[i].key);
        assert(value + strlen(value) <= line + len);
    }
}

static void
try_mapping(const char *text)
{
    struct pmi_mapping m;

    pmi_mapping_parse(&m, text);
    assert(m.count <= PMI_BLOCKS_MAX);
    for (uint32_t r = 0; r < 100; r++) {
        uint64_t node = pmi_mapping_node(&m, r * 12345);
        bool is_there = m.count == 0 && node == 0;

        for (size_t i = 0; i < m.count; i++)
            is_there |= node >= m.block[i].first && node < m.block[i].first + m.block[i].nodes;
        assert(is_there);
    }
}

static void
try_card(const char *text)
{
    AUTO(buf) struct buf again = BUF_INIT;
    struct card card;
    struct card same;

    if (card_decode(text, &card, NULL) < 0)
        return;
    card_encode(&card, &again);
    assert(pmi_is_word(buf_str(&again)) && again.size < PMI_LINE_MAX);
    assert(card_decode(buf_str(&again), &same, NULL) == 0);
    assert(strcmp(same.uri, card.uri) == 0 && strcmp(same.key, card.key) == 0);
    assert(card_check(&card, 1, &same, NULL) == 0);
}

static void
try_hosts(const char *text)
{
    struct hostlist l = HOSTLIST_INIT;
    size_t index;

    hostlist_add(&l, text, 1000, NULL);
    assert(l.count <= 1000);
    for (size_t i = 0; i < l.count; i++)
        assert(*l.names[i] && strlen(l.names[i]) <= HOSTLIST_NAME_MAX);
    if (hostlist_find(&l, "node7", &index) == 0)
        assert(index < l.count);
    hostlist_fini(&l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free) char *text = xstrndup((const char *)data, size);

    try_mapping(text);
    try_card(text);
    try_hosts(text);
    try_line(text, strlen(text));
    return 0;
}
