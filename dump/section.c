/* SPDX-License-Identifier: MPL-2.0 */
/* section.c - see section.h. */
#include "section.h"
#include "blobref.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define KIND_NAMESPACE "namespace"
#define KIND_CHECKPOINT "checkpoint"

/* ---- paths ---- */

/* A name that can be one of a file, too: neither a '/' in it, nor "." or "..". */
static void
format_name(const char *name, struct buf *out)
{
    for (const char *c = name; *c; c++) {
        if (*c == '/' || *c == '%' || (*c == '.' && c == name))
            buf_printf(out, "%%%02X", (unsigned char)*c);
        else
            buf_add_char(out, *c);
    }
}

void
section_format_path(const struct section *s, struct buf *out)
{
    if (s->kind == SECTION_NAMESPACE) {
        buf_add_str(out, "namespaces/");
        format_name(s->ns, out);
        buf_add_char(out, '/');
    } else {
        buf_printf(out, "checkpoints/%" PRIu64 "/", s->index);
    }
}

/* ---- JSON ---- */

static void
set(json_t *json, const char *name, json_t *value)
{
    int rc = json_object_set_new(json, name, value);

    assert(rc == 0);
}

static void
set_ref(json_t *json, const char *name, enum digest_alg alg, const struct digest *d)
{
    char ref[BLOBREF_MAX];

    set(json, name, json_string(blobref_format(alg, d, ref)));
}

static int
add_text(const char *text, size_t size, void *out)
{
    buf_add(out, text, size);
    return 0;
}

void
section_encode(const struct section *s, struct buf *out)
{
    bool is_namespace = s->kind == SECTION_NAMESPACE;
    json_t *json = json_object();
    int rc;

    set(json, "kind", json_string(is_namespace ? KIND_NAMESPACE : KIND_CHECKPOINT));
    if (is_namespace) {
        set(json, "name", json_string(s->ns));
        set(json, "owner", json_integer(s->owner));
    } else {
        set(json, "index", json_integer((json_int_t)s->index));
        set(json, "timestamp", json_real(s->timestamp));
    }
    set(json, "sequence", json_integer(s->sequence));
    set_ref(json, "root", s->alg, &s->root);
    if (s->has_since)
        set_ref(json, "since", s->alg, &s->since);
    rc = json_dump_callback(json, add_text, out, JSON_COMPACT);
    assert(rc == 0);
    json_decref(json);
}

/* It goes into requests as it is. */
static bool
is_plain(const char *name)
{
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '"' || *c == '\\')
            return false;
    }
    return *name != '\0';
}

static int
decode_namespace(json_t *json, struct section *s)
{
    const char *name;
    json_int_t owner;

    if (json_unpack(json, "{s:s,s:I}", "name", &name, "owner", &owner) < 0 || !is_plain(name) ||
        strlen(name) >= sizeof(s->ns) || owner < 0 || owner > UINT32_MAX)
        return -EPROTO;
    strcpy(s->ns, name);
    s->owner = (uint32_t)owner;
    return 0;
}

static int
decode_checkpoint(json_t *json, struct section *s)
{
    const char *since = NULL;
    enum digest_alg alg;
    json_int_t index;

    if (json_unpack(json, "{s:I,s:F,s?s}", "index", &index, "timestamp", &s->timestamp, "since",
                    &since) < 0 ||
        index < 1 || !isfinite(s->timestamp))
        return -EPROTO;
    s->index = (uint64_t)index;
    s->has_since = since != NULL;
    if (since && (blobref_parse(since, &alg, &s->since) < 0 || alg != s->alg))
        return -EPROTO;
    return 0;
}

static int
decode(json_t *json, struct section *s)
{
    const char *kind, *root;
    json_int_t sequence;

    if (json_unpack(json, "{s:s,s:s,s:I}", "kind", &kind, "root", &root, "sequence", &sequence) <
            0 ||
        sequence < 0 || blobref_parse(root, &s->alg, &s->root) < 0)
        return -EPROTO;
    s->sequence = sequence;
    s->kind = strcmp(kind, KIND_NAMESPACE) == 0 ? SECTION_NAMESPACE : SECTION_CHECKPOINT;
    if (s->kind == SECTION_NAMESPACE)
        return decode_namespace(json, s);
    return strcmp(kind, KIND_CHECKPOINT) == 0 ? decode_checkpoint(json, s) : -EPROTO;
}

int
section_decode(const char *text, size_t size, struct section *ret, struct err *err)
{
    json_t *json = json_loadb(text, size, 0, NULL);
    struct section s = {.ns = ""};
    int rc = json ? decode(json, &s) : -EPROTO;

    json_decref(json);
    if (rc < 0)
        return err_set(err, rc, "what is said of the section is damaged");
    *ret = s;
    return 0;
}

/* ---- one namespace of an archive ---- */

static int
on_section(void *arg, const char *json, size_t size, struct err *err)
{
    struct section_pick *p = arg;
    struct section s;
    int rc = section_decode(json, size, &s, err);
    bool is_wanted = rc == 0 && s.kind == SECTION_NAMESPACE && strcmp(s.ns, p->ns) == 0;

    p->intake->skip_section = !is_wanted;
    if (is_wanted && p->is_found)
        return err_set(err, -EPROTO, "the namespace is there twice");
    if (is_wanted)
        p->found = s;
    p->is_found = p->is_found || is_wanted;
    return rc;
}

void
section_pick_init(struct section_pick *p, const char *ns, struct intake *intake)
{
    *p = (struct section_pick){.ns = ns, .intake = intake};
    intake->on_section = on_section;
    intake->section_arg = p;
}

int
section_pick_check(const struct section_pick *p, struct err *err)
{
    if (!p->is_found)
        return err_set(err, -ENOENT, "there is no namespace %s in the archive", p->ns);
    return 0;
}
