/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_report.c - see fsck_report.h.  Names come from data that may be damaged or hostile: what could
 * play tricks on a terminal is printed as \xHH. */
#include "fsck_report.h"
#include "buf.h"
#include "fsck_json.h"
#include "utf8.h"
#include "xmem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* C1 controls are two bytes in UTF-8. */
static bool
is_c1(const char *text)
{
    return (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] < 0xa0;
}

static void
print_safely(FILE *out, const char *text)
{
    bool is_utf8 = utf8_is_valid(text, strlen(text));

    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;

        if (is_c1(c))
            fprintf(out, "\\xc2");
        else if (byte < ' ' || byte == 0x7f || (byte >= 0x80 && !is_utf8) ||
                 (c > text && is_c1(c - 1)))
            fprintf(out, "\\x%02x", byte);
        else
            fputc(byte, out);
    }
}

static const char *
text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "?";
}

static void
print_json_item(struct fsck_report *r, const json_t *json)
{
    fputs(r->has_items ? ",\n" : "{\"findings\":[\n", stdout);
    json_dumpf(json, stdout, JSON_COMPACT);
    r->has_items = true;
}

void
fsck_report_finding(struct fsck_report *r, const json_t *finding)
{
    if (r->as_json) {
        print_json_item(r, finding);
        return;
    }
    if (strcmp(text_of(finding, "type"), "none") == 0) {
        fputs("no key", stdout);
    } else {
        print_safely(stdout, text_of(finding, "root"));
        fputs(": ", stdout);
        print_safely(stdout, text_of(finding, "key"));
        printf(": %s", text_of(finding, "object"));
        if (json_object_get(finding, "entries"))
            printf(" of the directory, %" JSON_INTEGER_FORMAT " keys",
                   json_integer_value(json_object_get(finding, "entries")));
    }
    fputs(": blob ", stdout);
    print_safely(stdout, text_of(finding, "blobref"));
    printf(" is %s\n", text_of(finding, "problem"));
}

void
fsck_report_repair(struct fsck_report *r, const char *root, const char *text, json_t **json)
{
    json_array_append_new(r->repairs, TAKE(*json));
    if (r->as_json || r->quiet)
        return;
    print_safely(stdout, root);
    fputs(": ", stdout);
    print_safely(stdout, text);
    fputc('\n', stdout);
}

void
fsck_report_warn(struct fsck_report *r, const char *fmt, ...)
{
    va_list args;
    char *text;
    int rc;

    va_start(args, fmt);
    rc = vasprintf(&text, fmt, args);
    va_end(args);
    assert(rc >= 0);
    fflush(stdout);
    fprintf(stderr, "%s: ", r->program);
    print_safely(stderr, text);
    fputc('\n', stderr);
    free(text);
}

void
fsck_report_progress(struct fsck_report *r, const char *state, uint64_t blobs, uint64_t keys)
{
    if (r->verbose)
        fsck_report_warn(r, "%s: %" PRIu64 " blobs, %" PRIu64 " keys so far", state, blobs, keys);
}

/* The members behind the findings; *rest is consumed. */
static void
finish_json(struct fsck_report *r, json_t **rest)
{
    AUTO(free) char *text = NULL;

    json_object_del(*rest, "findings");
    if (r->repairs)
        json_object_set(*rest, "repairs", r->repairs);
    text = json_dumps(*rest, JSON_COMPACT);
    json_decref(TAKE(*rest));
    fputs(r->has_items ? "\n]," : "{\"findings\":[],", stdout);
    puts(text + 1); // its brace is open already
}

void
fsck_report_fail(struct fsck_report *r, const char *text)
{
    json_t *json = json_object();

    json_object_set_new(json, "error", json_string(text));
    if (r->as_json)
        finish_json(r, &json);
    json_decref(json);
    fsck_report_warn(r, "%s", text);
}

void
fsck_report_finish(struct fsck_report *r, const struct fsck_stats *s)
{
    json_t *json = fsck_stats_to_json(s);

    if (s->is_truncated || s->is_unreadable)
        fsck_report_warn(r, "%s",
                         s->is_unreadable ? "a part of the database cannot be read"
                                          : "not everything that is lost was told");
    if (s->unindexed > 0)
        fsck_report_warn(
            r, "the index of the database is damaged: %" PRIu64 " blobs are not found through it",
            s->unindexed);
    if (r->as_json)
        finish_json(r, &json);
    json_decref(json);
    fflush(stdout);
    if (r->quiet)
        return;
    fprintf(stderr,
            "%s: %" PRIu64 " blobs, %" PRIu64 " keys checked: %" PRIu64 " damaged blobs, %" PRIu64
            " keys lost",
            r->program, s->blobs, s->keys, s->damaged, s->lost);
    if (s->lost_older > 0)
        fprintf(stderr, ", %" PRIu64 " in checkpoints", s->lost_older);
    fputc('\n', stderr);
}

void
fsck_report_fini(struct fsck_report *r)
{
    json_decref(TAKE(r->repairs));
}
