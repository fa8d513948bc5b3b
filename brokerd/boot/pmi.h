/* SPDX-License-Identifier: MPL-2.0 */
/* pmi.h - lines of PMI-1, the protocol of process managers such as MPICH's hydra: words "key=value" with
 * blanks between them.  Pure, for both sides.  xylem-bootstrap(7), "PMI". */
#ifndef XYLEM_PMI_H
#define XYLEM_PMI_H

#include "base.h"
#include "xerr.h"

#define PMI_LINE_MAX 8192 // bytes of a line that is taken, with its LF
#define PMI_WORDS_MAX 32  // more are ignored

struct pmi_words {
    size_t count;
    struct {
        const char *key;   // borrowed from the line
        const char *value; // likewise
    } word[PMI_WORDS_MAX];
};

/* Cut a line, without its LF, into words, in place.  What has no '=' is passed over; "value=" takes the
 * rest of the line, blanks and all.  -EPROTO with text: control characters, or no "cmd=". */
int pmi_parse(char *line, struct pmi_words *ret, struct err *err);

/* The first word with that key; NULL: there is none. */
const char *pmi_word(const struct pmi_words *w, const char *key);

/* May that be sent as a key or a name, and as a value? */
bool pmi_is_word(const char *text);
bool pmi_is_text(const char *text);

/* Which ranks share a node: "(vector,(first node,nodes,ranks per node),...)".  Ranks are dealt to the
 * blocks in turn, and again from the first when they are used up. */
#define PMI_BLOCKS_MAX 256
struct pmi_mapping {
    size_t count; // 0: not known
    struct {
        uint32_t first;
        uint32_t nodes;
        uint32_t ranks;
    } block[PMI_BLOCKS_MAX];
};

/* Not known is no error: it is what is left when the text says nothing that can be used. */
void pmi_mapping_parse(struct pmi_mapping *ret, const char *text);

/* The node of that rank; 0 when it is not known. */
uint64_t pmi_mapping_node(const struct pmi_mapping *m, uint32_t rank);

/* Are all ranks on one node, as far as is known? */
bool pmi_mapping_is_one_node(const struct pmi_mapping *m, uint32_t size);

#endif
