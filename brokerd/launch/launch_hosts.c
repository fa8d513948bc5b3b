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
#define BLANKS " \t"

/* ---- names ---- */

/* One that begins with a dash would be an option of rsh. */
static bool
is_host(const char *name)
{
    return *name != '-' && name[strspn(name, HOST_CHARS)] == '\0';
}

static int
check_names(const struct hostlist *h, struct err *err)
{
    if (h->count == 0)
        return err_set(err, -EINVAL, "no host is named");
    for (size_t i = 0; i < h->count; i++) {
        if (!is_host(h->names[i]))
            return err_set(err, -EINVAL, "'%s' is not the name of a host", h->names[i]);
    }
    return 0;
}

int
launch_hosts_parse(struct hostlist *h, const char *text, struct err *err)
{
    int rc;

    *h = (struct hostlist)HOSTLIST_INIT;
    rc = hostlist_add(h, text, LAUNCH_HOSTS_MAX, err);
    if (rc == 0)
        rc = check_names(h, err);
    if (rc < 0)
        hostlist_fini(h);
    return rc;
}

/* ---- places ---- */

const char *
launch_hosts_of(const struct hostlist *h, unsigned size, unsigned rank)
{
    unsigned least = size / (unsigned)h->count;
    unsigned rest = size % (unsigned)h->count; // so many hosts have one more
    unsigned in_larger = rest * (least + 1);

    assert(rank < size);
    if (rank < in_larger)
        return h->names[rank / (least + 1)];
    return h->names[rest + (rank - in_larger) / least];
}

void
launch_hosts_format_mapping(const struct hostlist *h, unsigned size, struct buf *out)
{
    unsigned count = (unsigned)h->count;
    unsigned least = size / count;
    unsigned rest = size % count;

    buf_add_str(out, "(vector");
    if (rest > 0)
        buf_printf(out, ",(0,%u,%u)", rest, least + 1);
    if (least > 0)
        buf_printf(out, ",(%u,%u,%u)", rest, count - rest, least);
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
