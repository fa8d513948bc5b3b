/* SPDX-License-Identifier: MPL-2.0 */
/* keyset.c - see keyset.h.
 *
 * Invariant: texts are in the form of key_format(), so that equal keys are equal texts. */
#include "keyset.h"
#include "buf.h"
#include "json_text.h"
#include "key.h"
#include "xmem.h"

#include <jansson.h>
#include <string.h>

struct keyset {
    char *text;  // owned; NULL: parsed
    char **keys; // owned array of owned texts, sorted bytewise
    size_t count;
    size_t memory; // bytes of all, about; does not change
    bool is_damaged;
};

static int
compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
add(struct keyset *s, const char *text)
{
    AUTO(key) struct key key = {0, NULL, NULL};
    struct buf normal = BUF_INIT;

    if (key_parse(text, &key, NULL) < 0)
        return false;
    key_format(&key, &normal);
    s->keys[s->count++] = buf_detach(&normal, NULL);
    return true;
}

static void
sort(struct keyset *s)
{
    size_t kept = 0;

    if (s->count > 1)
        qsort(s->keys, s->count, sizeof(*s->keys), compare);
    for (size_t i = 0; i < s->count; i++) {
        if (kept > 0 && strcmp(s->keys[kept - 1], s->keys[i]) == 0)
            free(s->keys[i]);
        else
            s->keys[kept++] = s->keys[i];
    }
    s->count = kept;
}

static void
free_keys(struct keyset *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->keys[i]);
    free(TAKE(s->keys));
    s->count = 0;
}

static bool
read_json(struct keyset *s, json_t *object)
{
    const char *text;
    json_t *ignored;

    if (!json_is_object(object))
        return false;
    s->keys = xcalloc(json_object_size(object) + 1, sizeof(*s->keys));
    json_object_foreach(object, text, ignored)
    {
        if (!add(s, text))
            return false;
    }
    sort(s);
    return true;
}

struct keyset *
keyset_from_json(const struct json_t *json)
{
    struct keyset *s = xcalloc(1, sizeof(*s));

    if (!read_json(s, (json_t *)(uintptr_t)json)) { // jansson knows no const here
        keyset_free(&s);
        return NULL;
    }
    s->memory = sizeof(*s);
    for (size_t i = 0; i < s->count; i++)
        s->memory += sizeof(char *) + strlen(s->keys[i]) + 1;
    return s;
}

struct keyset *
keyset_from_text(char **text)
{
    struct keyset *s = xcalloc(1, sizeof(*s));

    s->text = TAKE(*text);
    s->memory = sizeof(*s) + 2 * strlen(s->text); // about what it will be
    return s;
}

static void
parse(struct keyset *s)
{
    json_t *json;

    if (!s->text)
        return;
    json = json_loads(s->text, 0, NULL);
    if (!read_json(s, json)) {
        s->is_damaged = true;
        free_keys(s);
    }
    json_decref(json);
    free(TAKE(s->text));
}

void
keyset_free(struct keyset **set)
{
    struct keyset *s = TAKE(*set);

    if (!s)
        return;
    free_keys(s);
    free(s->text);
    free(s);
}

size_t
keyset_count(struct keyset *s)
{
    parse(s);
    return s->count;
}

size_t
keyset_memory(const struct keyset *s)
{
    return s->memory;
}

const char *
keyset_at(struct keyset *s, size_t i)
{
    parse(s);
    assert(i < s->count);
    return s->keys[i];
}

bool
keyset_is_damaged(struct keyset *s)
{
    parse(s);
    return s->is_damaged;
}

bool
keyset_has(struct keyset *s, const char *key)
{
    parse(s);
    return s->count > 0 && bsearch(&key, s->keys, s->count, sizeof(*s->keys), compare) != NULL;
}

void
keyset_encode(const struct keyset *s, struct buf *out)
{
    if (s->text) {
        buf_add_str(out, s->text);
        return;
    }
    buf_add_char(out, '{');
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        json_text_quote(s->keys[i], out);
        buf_add_str(out, ":null");
    }
    buf_add_char(out, '}');
}
