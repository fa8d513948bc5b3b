/* SPDX-License-Identifier: MPL-2.0 */
/* A log that comes in two pieces is read as the one that comes at once; an event that is read can be
 * printed, and one that is printed raw is read again. */
#include "fuzz.h"
#include "eventlog_text.h"

#include <string.h>

/* The events in the raw form, and how it ended. */
static int
read_log(const uint8_t *data, size_t size, size_t cut, struct buf *out)
{
    struct eventlog_style raw = {.form = EVENTLOG_RAW};
    struct eventlog_style human = {.form = EVENTLOG_HUMAN, .color = true};
    AUTO(eventlog) struct eventlog l = EVENTLOG_INIT;
    struct eventlog_entry e;
    struct err err = {0};
    int rc = 0;

    for (int part = 0; part < 2 && rc >= 0; part++) {
        eventlog_feed(&l, data + (part ? cut : 0), part ? size - cut : cut);
        while ((rc = eventlog_next(&l, &e, &err)) == 1) {
            AUTO(buf) struct buf text = BUF_INIT;

            assert(e.timestamp >= 0 && e.name[0]);
            eventlog_format(&raw, &e, out);
            eventlog_format(&human, &e, &text);
            assert(strchr(buf_str(&text), '\n') == text.data + text.size - 1);
        }
    }
    if (rc == 0)
        rc = eventlog_finish(&l, &err);
    assert(rc == 0 || err.text[0]);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf whole = BUF_INIT;
    AUTO(buf) struct buf parts = BUF_INIT;
    AUTO(buf) struct buf again = BUF_INIT;
    int rc = read_log(data, size, size, &whole);

    assert(read_log(data, size, size / 3, &parts) == rc);
    assert(parts.size == whole.size && memcmp(buf_str(&parts), buf_str(&whole), whole.size) == 0);
    assert(read_log((const uint8_t *)buf_str(&whole), whole.size, 0, &again) == 0);
    assert(again.size == whole.size && memcmp(buf_str(&again), buf_str(&whole), whole.size) == 0);
    return 0;
}
