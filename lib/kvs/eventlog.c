/* SPDX-License-Identifier: MPL-2.0 */
/* eventlog.c - see eventlog.h.
 *
 * I1 next <= scanned <= text.size, between the calls of one entry and the next
 */
#include "eventlog.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* --- writing --- */

static int
parse_context(const char *text, json_t **ret, struct err *err)
{
    json_error_t why;

    *ret = NULL;
    if (!text)
        return 0;
    *ret = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(*ret))
        return 0;
    json_decref(TAKE(*ret));
    return err_set(err, -EINVAL, "the context of an event is a JSON object");
}

int
eventlog_encode(double timestamp, const char *name, const char *context, struct buf *out,
                struct err *err)
{
    json_t *object;
    json_t *json;
    char *text;
    int rc = parse_context(context, &object, err);

    if (rc < 0)
        return rc;
    if (!isfinite(timestamp) || timestamp < 0 || !name[0]) {
        json_decref(object);
        return err_set(err, -EINVAL, "an event has a name, and a time after 1970");
    }
    json = json_pack("{s:f,s:s,s:o*}", "timestamp", timestamp, "name", name, "context", object);
    if (!json)
        return err_set(err, -EINVAL, "the name of an event is UTF-8");
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    buf_add_str(out, text);
    buf_add_char(out, '\n');
    free(text);
    return 0;
}

/* --- reading --- */

void
eventlog_fini(struct eventlog *l)
{
    buf_fini(&l->text);
    json_decref(TAKE(l->json));
}

void
eventlog_feed(struct eventlog *l, const void *data, size_t size)
{
    json_decref(TAKE(l->json));
    if (l->next > 0) {
        l->text.size -= l->next;
        memmove(l->text.data, l->text.data + l->next, l->text.size);
        l->scanned -= l->next;
        l->next = 0;
    }
    buf_add(&l->text, data, size);
}

static bool
is_event(const json_t *json)
{
    const json_t *timestamp = json_object_get(json, "timestamp");
    const json_t *name = json_object_get(json, "name");
    const json_t *context = json_object_get(json, "context");

    return json_is_number(timestamp) && json_number_value(timestamp) >= 0 && json_is_string(name) &&
           json_string_length(name) > 0 && (!context || json_is_object(context));
}

static int
parse_line(struct eventlog *l, const char *line, size_t size, struct eventlog_entry *ret,
           struct err *err)
{
    json_error_t why;

    l->json = json_loadb(line, size, JSON_REJECT_DUPLICATES, &why);
    if (!is_event(l->json))
        return err_set(err, -EPROTO, "cannot decode line %llu: it is no event",
                       (unsigned long long)l->lines);
    ret->timestamp = json_number_value(json_object_get(l->json, "timestamp"));
    ret->name = json_string_value(json_object_get(l->json, "name"));
    ret->context = json_object_get(l->json, "context");
    ret->line = line;
    ret->size = size;
    return 1;
}

int
eventlog_next(struct eventlog *l, struct eventlog_entry *ret, struct err *err)
{
    const char *line = l->text.data + l->next;
    const char *end;

    json_decref(TAKE(l->json));
    end = l->text.size > l->scanned
              ? memchr(l->text.data + l->scanned, '\n', l->text.size - l->scanned)
              : NULL;
    l->scanned = end ? (size_t)(end + 1 - l->text.data) : l->text.size;
    if (l->scanned - l->next > EVENTLOG_LINE_MAX)
        return err_set(err, -EPROTO, "cannot decode line %llu: it is longer than %zu bytes",
                       (unsigned long long)l->lines + 1, EVENTLOG_LINE_MAX);
    if (!end)
        return 0;
    l->next = l->scanned;
    l->lines++;
    return parse_line(l, line, (size_t)(end - line), ret, err);
}

int
eventlog_finish(const struct eventlog *l, struct err *err)
{
    if (l->next == l->text.size)
        return 0;
    return err_set(err, -EPROTO, "cannot decode line %llu: it has no end",
                   (unsigned long long)l->lines + 1);
}
