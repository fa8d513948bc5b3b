/* SPDX-License-Identifier: MPL-2.0 */
/* launch_hosts.c - see launch_hosts.h. */
#include "launch_hosts.h"

#include "xmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define HOST_CHARS LETTERS DIGITS "._-:@%" // user@host, addresses of both kinds
#define SAFE_CHARS LETTERS DIGITS "._-:@%+=,/"
#define NUMBER_DIGITS_MAX 9
#define BLANKS " \t"

/* ---- names ---- */

/* One that begins with a dash would be an option of rsh. */
static int
add_name(struct launch_hosts *h, const char *name, struct err *err)
{
    if (*name == '\0' || *name == '-' || name[strspn(name, HOST_CHARS)] != '\0')
        return err_set(err, -EINVAL, "'%s' is not the name of a host", name);
    if (h->count == LAUNCH_HOSTS_MAX)
        return err_set(err, -E2BIG, "more than %d hosts", LAUNCH_HOSTS_MAX);
    h->names = xrealloc(h->names, (h->count + 1) * sizeof(*h->names));
    h->names[h->count++] = xstrdup(name);
    return 0;
}

/* A number of few digits at *p, which is moved behind it. */
static int
take_number(const char **p, unsigned *ret, int *ret_width)
{
    size_t width = strspn(*p, DIGITS);

    if (width == 0 || width > NUMBER_DIGITS_MAX)
        return -EINVAL;
    *ret = (unsigned)strtoul(*p, NULL, 10);
    *ret_width = (int)width;
    *p += width;
    return 0;
}

/* "7" or "01-12" at *p: how wide the first is written, all are. */
static int
add_range(struct launch_hosts *h, const char *head, int head_size, const char **p, const char *tail,
          struct err *err)
{
    unsigned first;
    unsigned last;
    int width;
    int other;
    int rc = take_number(p, &first, &width);

    last = first;
    if (rc == 0 && **p == '-') {
        ++*p;
        rc = take_number(p, &last, &other);
    }
    if (rc < 0 || last < first)
        return err_set(err, -EINVAL, "not a list of numbers in [ ]");
    for (unsigned number = first; number <= last && rc == 0; number++) {
        AUTO(free) char *name = xasprintf("%.*s%0*u%s", head_size, head, width, number, tail);

        rc = add_name(h, name, err);
    }
    return rc;
}

/* A name with at most one list of numbers in it. */
static int
add_pattern(struct launch_hosts *h, const char *pattern, struct err *err)
{
    const char *open = strchr(pattern, '[');
    const char *close = open ? strchr(open, ']') : NULL;
    const char *p = open;
    int rc = 0;

    if (!open || !close)
        return add_name(h, pattern, err); // which refuses a bracket that stands alone
    while (rc == 0 && p < close) {
        p++; // the bracket, or a comma
        rc = add_range(h, pattern, (int)(open - pattern), &p, close + 1, err);
        if (rc == 0 && p != close && *p != ',')
            rc = err_set(err, -EINVAL, "'%s': not a list of numbers in [ ]", pattern);
    }
    return rc;
}

/* End of the pattern at p: a comma outside of brackets, or the end. */
static const char *
end_of_pattern(const char *p)
{
    bool inside = false;

    for (; *p && (inside || *p != ','); p++)
        inside = (inside || *p == '[') && *p != ']';
    return p;
}

int
launch_hosts_parse(struct launch_hosts *h, const char *text, struct err *err)
{
    int rc = 0;

    *h = (struct launch_hosts){0};
    for (const char *p = text; rc == 0; p++) {
        const char *end = end_of_pattern(p);
        AUTO(free) char *pattern = xstrndup(p, (size_t)(end - p));

        rc = add_pattern(h, pattern, err);
        p = end;
        if (*p == '\0')
            break;
    }
    if (rc < 0)
        launch_hosts_fini(h);
    return rc;
}

void
launch_hosts_fini(struct launch_hosts *h)
{
    for (unsigned i = 0; i < h->count; i++)
        free(h->names[i]);
    free(h->names);
    *h = (struct launch_hosts){0};
}

/* ---- places ---- */

const char *
launch_hosts_of(const struct launch_hosts *h, unsigned size, unsigned rank)
{
    unsigned least = size / h->count;
    unsigned rest = size % h->count; // so many hosts have one more
    unsigned in_larger = rest * (least + 1);

    assert(rank < size);
    if (rank < in_larger)
        return h->names[rank / (least + 1)];
    return h->names[rest + (rank - in_larger) / least];
}

void
launch_hosts_format_mapping(const struct launch_hosts *h, unsigned size, struct buf *out)
{
    unsigned least = size / h->count;
    unsigned rest = size % h->count;

    buf_add_str(out, "(vector");
    if (rest > 0)
        buf_printf(out, ",(0,%u,%u)", rest, least + 1);
    if (least > 0)
        buf_printf(out, ",(%u,%u,%u)", rest, h->count - rest, least);
    buf_add_str(out, ")");
}

/* ---- command lines ---- */

/* Names such as /usr/bin/ssh, autossh, rsh. */
static bool
has_shell(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;

    return strstr(name, "ssh") || strcmp(name, "rsh") == 0 || strcmp(name, "remsh") == 0;
}

static bool
is_safe(const char *word)
{
    return *word && word[strspn(word, SAFE_CHARS)] == '\0';
}

static void
add_quoted(struct buf *out, const char *word)
{
    buf_add_char(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buf_add_str(out, "'\\''");
        else
            buf_add_char(out, *word);
    }
    buf_add(out, "'", 2); // with the NUL
}

static int
add_word(struct buf *out, const char *word, const char *program, struct err *err)
{
    if (is_safe(word))
        buf_add(out, word, strlen(word) + 1);
    else if (has_shell(program))
        add_quoted(out, word);
    else
        return err_set(
            err, -EINVAL,
            "'%s' cannot be handed to '%s': who knows whether a shell is behind it; give "
            "it a name with 'ssh' in it if there is one, or use plain words",
            word, program);
    return 0;
}

int
launch_hosts_wrap(const char *rsh, const char *host, const struct buf *cmd, struct buf *out,
                  struct err *err)
{
    size_t begin = out->size;
    size_t program; // where its name is
    int rc = 0;

    for (const char *p = rsh + strspn(rsh, BLANKS); *p; p += strspn(p, BLANKS)) {
        size_t len = strcspn(p, BLANKS);

        buf_add(out, p, len);
        buf_add_char(out, '\0');
        p += len;
    }
    if (out->size == begin)
        return err_set(err, -EINVAL, "--rsh is empty");
    program = begin;
    buf_add(out, host, strlen(host) + 1);
    for (size_t at = 0; at < cmd->size && rc == 0; at += strlen(cmd->data + at) + 1) {
        AUTO(free) char *name = xstrdup(out->data + program); // out may move

        rc = add_word(out, cmd->data + at, name, err);
    }
    return rc;
}
