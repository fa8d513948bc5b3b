/* SPDX-License-Identifier: MPL-2.0 */
/* summary.c - see summary.h. */
#include "summary.h"
#include "clock.h"

#include <errno.h>
#include <jansson.h>

static void
set(json_t *json, const char *name, json_t *value)
{
    int rc = json_object_set_new(json, name, value);

    assert(rc == 0);
}

static json_t *
text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

int
summary_print(const struct summary *s, FILE *to)
{
    json_t *json = json_object();
    double seconds = (double)(clock_ms() - s->started_ms) / 1000.0;
    int rc;

    set(json, "keys", json_integer((json_int_t)s->keys));
    set(json, "bytes", json_integer((json_int_t)s->bytes));
    set(json, "root", json_string(s->root));
    set(json, "namespace", text_or_null(s->ns));
    set(json, "sequence", s->has_sequence ? json_integer(s->sequence) : json_null());
    set(json, "kind", text_or_null(s->kind));
    set(json, "failed", json_integer((json_int_t)s->failed));
    if (s->has_removed)
        set(json, "removed", json_integer((json_int_t)s->removed));
    if (s->has_sections) {
        set(json, "namespaces", json_integer((json_int_t)s->namespaces));
        set(json, "checkpoints", json_integer((json_int_t)s->checkpoints));
    }
    if (s->verified)
        set(json, "verified", json_boolean(s->verified == SUMMARY_YES));
    set(json, "seconds", json_real(seconds));
    rc = json_dumpf(json, to, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    if (rc < 0 || fputc('\n', to) == EOF || fflush(to) == EOF)
        return -EIO;
    return 0;
}
