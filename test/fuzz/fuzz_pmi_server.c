/* SPDX-License-Identifier: MPL-2.0 */
/* Whatever a rank's client says, in pieces of any size: answers are lines, what is kept has its limits, and
 * a client that was refused is not heard again. */
#include "fuzz.h"
#include "pmi_server.h"

#include <string.h>

#define OTHER "cmd=init pmi_version=1 pmi_subversion=1\ncmd=barrier_in\n"

/* The first byte says how long the pieces are. */
static int
feed(struct pmi_server *s, const uint8_t *data, size_t size)
{
    size_t piece = size > 0 ? (size_t)data[0] + 1 : 1;
    int rc = 0;

    for (size_t at = 1; at < size && rc == 0; at += piece) {
        struct err err = {0};

        rc = pmi_server_feed(s, 0, data + at, MIN(piece, size - at), &err);
        assert((rc < 0) == (err.text[0] != '\0'));
        assert((rc < 0) == (pmi_server_state(s, 0) == PMI_FAILED));
    }
    return rc;
}

static void
check_output(const struct buf *out)
{
    assert(out->size == 0 ||
           (out->data[out->size - 1] == '\n' && memcmp(out->data, "cmd=", 4) == 0));
    assert(!memchr(out->data ? out->data : "", '\0', out->size));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(pmi_server) struct pmi_server *s = pmi_server_new(2, "job");
    size_t before;

    pmi_server_define(s, "xylem.cert", "public secret");
    assert(pmi_server_feed(s, 1, OTHER, sizeof(OTHER) - 1, NULL) == 0);
    feed(s, data, size);
    check_output(pmi_server_output(s, 0));
    check_output(pmi_server_output(s, 1));
    assert(strcmp(pmi_server_get(s, "xylem.cert"), "public secret") == 0);
    if (pmi_server_state(s, 0) == PMI_FAILED) {
        before = pmi_server_output(s, 0)->size;
        assert(pmi_server_feed(s, 0, "cmd=get_maxes\n", 14, NULL) == 0);
        assert(pmi_server_output(s, 0)->size == before);
    }
    pmi_server_restart(s, 0);
    assert(pmi_server_state(s, 0) == PMI_SILENT);
    return 0;
}
