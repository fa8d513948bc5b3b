/* SPDX-License-Identifier: MPL-2.0 */
/* cert.c - see cert.h.
 *
 *     metadata
 *         name = "build-7"
 *         server-key = "..."
 *     curve
 *         public-key = "..."
 *         secret-key = "..."
 *
 * A file may be anything, also somebody else's: it is opened without waiting, looked at by its descriptor
 * and read up to a limit.  Its text is read here, because zcert_load() takes whatever there is, and zconfig
 * writes what it does not like to standard output, which is not a library's.
 *
 * Who may read a secret key can be the rank, and who may write a public one can let others in.  So a file
 * that others than its owner, or than root, have access to is refused.  (Root's may have a group: that is how
 * Kubernetes hands secrets to a user.)
 */
#include "cert.h"
#include "buf.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define FILE_MAX 65536 // bytes: far beyond any certificate

#define BLANKS " \t"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN // libzmq 4.3 has it, its header with drafts only
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

/* --- keys and names --- */

void
cert_generate(struct cert *ret)
{
    int rc;

    *ret = (struct cert){0};
    rc = zmq_curve_keypair(ret->public_key, ret->secret_key);
    assert(rc == 0); // libzmq has CURVE
}

void
cert_wipe(struct cert *c)
{
    explicit_bzero(c, sizeof(*c));
}

bool
cert_is_key(const char *text)
{
    uint8_t key[CERT_KEY_BYTES];
    bool is_key = strlen(text) == CERT_KEY_SIZE - 1 && zmq_z85_decode(key, text);

    explicit_bzero(key, sizeof(key));
    return is_key;
}

bool
cert_is_name(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~' || strchr("\"'\\", text[i]))
            return false;
    }
    return len > 0 && len < CERT_NAME_SIZE;
}

/* --- files --- */

/* The mode bits that a file must not have. */
static mode_t
forbidden_mode(const struct stat *st, enum cert_part part)
{
    if (part == CERT_PUBLIC)
        return 022;
    return st->st_uid == geteuid() ? 077 : 027;
}

static int
check_access(const struct stat *st, enum cert_part part, const char *path, struct err *err)
{
    unsigned mode = st->st_mode & 07777;

    if (st->st_uid != geteuid() && st->st_uid != 0)
        return err_set(err, -EPERM, "%s: the file belongs to another user (uid %u)", path,
                       (unsigned)st->st_uid);
    if (mode & forbidden_mode(st, part))
        return err_set(err, -EPERM, "%s: its mode is %04o: others may %s (chmod %s)", path, mode,
                       part == CERT_WHOLE ? "have the secret key" : "change it",
                       part == CERT_WHOLE ? "600" : "go-w");
    return 0;
}

static int
read_regular(int fd, struct stat *ret_st, struct buf *text)
{
    if (fstat(fd, ret_st) < 0)
        return -errno;
    return S_ISREG(ret_st->st_mode) ? buf_read_fd(text, fd, FILE_MAX) : 0;
}

static int
read_file(const char *path, struct stat *ret_st, struct buf *text, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int rc;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    rc = read_regular(fd, ret_st, text);
    close(fd);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, err_name(rc));
    if (!S_ISREG(ret_st->st_mode))
        return err_set(err, -EINVAL, "%s: not a regular file", path);
    if (strlen(buf_str(text)) != text->size)
        return err_set(err, -EINVAL, "%s: not a certificate (no text)", path);
    return 0;
}

/* Where a member goes, and what it must be. */
struct member {
    const char *section;
    const char *name;
    char *out;
    size_t size; // of out
    bool (*is_valid)(const char *text);
    const char *what; // it is not, if it is not valid
};

static int
take_member(const struct member *m, const char *value, const char *path, struct err *err)
{
    if (!value[0])
        return 0;
    if (!m->is_valid(value))
        return err_set(err, -EINVAL, "%s: %s is no %s", path, m->name, m->what);
    assert(strlen(value) < m->size);
    strcpy(m->out, value);
    return 0;
}

/* Others may have members of their own. */
static int
take_value(struct cert *c, const char *section, const char *name, const char *value,
           const char *path, struct err *err)
{
    static const char key[] = "key (40 characters of Z85)";
    const struct member members[] = {
        {"curve", "public-key", c->public_key, CERT_KEY_SIZE, cert_is_key, key},
        {"curve", "secret-key", c->secret_key, CERT_KEY_SIZE, cert_is_key, key},
        {"metadata", "server-key", c->server_key, CERT_KEY_SIZE, cert_is_key, key},
        {"metadata", "name", c->name, CERT_NAME_SIZE, cert_is_name, "name (63 plain characters)"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        if (strcmp(members[i].section, section) == 0 && strcmp(members[i].name, name) == 0)
            return take_member(&members[i], value, path, err);
    }
    return 0;
}

/* "NAME", or "NAME = VALUE" in quotes or without: cut into two in place.  VALUE is NULL if there is none.
 * false: something else. */
static bool
split_line(char *line, const char **ret_name, char **ret_value)
{
    size_t len = strspn(line, NAME_CHARS);
    char *after = line + len + strspn(line + len, BLANKS);
    char *value = *after == '=' ? after + 1 + strspn(after + 1, BLANKS) : NULL;
    char *end;

    if (len == 0 || (*after && !value))
        return false;
    line[len] = '\0';
    if (value && (*value == '"' || *value == '\'')) {
        end = strchr(value + 1, *value);
        if (!end)
            return false;
        *end = '\0';
        value++;
    }
    *ret_name = line;
    *ret_value = value;
    return true;
}

struct reader {
    const char *section; // borrowed from the text: where the next line belongs to
    unsigned line;       // counted from 1
};

static int
take_line(struct reader *r, char *line, struct cert *ret, const char *path, struct err *err)
{
    size_t indent = strspn(line, BLANKS);
    const char *name;
    char *value;

    r->line++;
    line[strcspn(line, "\r")] = '\0';
    if (!line[indent] || line[indent] == '#')
        return 0;
    if (!split_line(line + indent, &name, &value) || (indent > 0 && !r->section))
        return err_set(err, -EINVAL, "%s: not a certificate (line %u)", path, r->line);
    if (indent == 0)
        r->section = name;
    return indent > 0 && value ? take_value(ret, r->section, name, value, path, err) : 0;
}

static int
check_pair(const struct cert *c, const char *path, struct err *err)
{
    char public_key[CERT_KEY_SIZE];

    if (zmq_curve_public(public_key, c->secret_key) < 0 || strcmp(public_key, c->public_key) != 0)
        return err_set(err, -EINVAL, "%s: public-key and secret-key do not belong together", path);
    return 0;
}

static int
check_members(const struct cert *c, enum cert_part part, const char *path, struct err *err)
{
    if (!c->public_key[0])
        return err_set(err, -EINVAL, "%s: not a certificate: it has no public-key", path);
    if (part == CERT_PUBLIC)
        return 0;
    if (!c->secret_key[0])
        return err_set(err, -EINVAL, "%s: it has no secret-key: it is the public part only", path);
    return check_pair(c, path, err);
}

/* The text is taken apart. */
static int
parse(char *text, enum cert_part part, struct cert *ret, const char *path, struct err *err)
{
    struct reader r = {0};
    int rc = 0;

    for (char *line = text, *next; rc == 0 && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        rc = take_line(&r, line, ret, path, err);
    }
    if (part == CERT_PUBLIC)
        explicit_bzero(ret->secret_key, sizeof(ret->secret_key));
    return rc < 0 ? rc : check_members(ret, part, path, err);
}

static int
load(struct cert *ret, const char *path, enum cert_part part, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct stat st;
    int rc;

    buf_reserve(&text, 4096); // as below
    rc = read_file(path, &st, &text, err);

    *ret = (struct cert){0};
    buf_add_str(&text, "\n"); // at least
    if (rc == 0)
        rc = parse(text.data, part, ret, path, err);
    if (rc == 0)
        rc = check_access(&st, part, path, err);
    assert(text.data);
    explicit_bzero(text.data, text.capacity);
    if (rc < 0)
        cert_wipe(ret);
    return rc;
}

int
cert_load(struct cert *ret, const char *path, struct err *err)
{
    return load(ret, path, CERT_WHOLE, err);
}

int
cert_load_public(struct cert *ret, const char *path, struct err *err)
{
    return load(ret, path, CERT_PUBLIC, err);
}

static void
format(const struct cert *c, enum cert_part part, struct buf *out)
{
    if (part == CERT_WHOLE)
        buf_add_str(out,
                    "#   Xylem certificate.  Keep it secret: who has it can use the instance.\n");
    else
        buf_add_str(out, "#   Xylem certificate, the public part.\n");
    if (c->name[0] || c->server_key[0])
        buf_add_str(out, "metadata\n");
    if (c->name[0])
        buf_printf(out, "    name = \"%s\"\n", c->name);
    if (c->server_key[0])
        buf_printf(out, "    server-key = \"%s\"\n", c->server_key);
    buf_printf(out, "curve\n    public-key = \"%s\"\n", c->public_key);
    if (part == CERT_WHOLE)
        buf_printf(out, "    secret-key = \"%s\"\n", c->secret_key);
}

static int
write_all(int fd, const struct buf *text)
{
    for (size_t done = 0; done < text->size;) {
        ssize_t n = write(fd, text->data + done, text->size - done);

        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* A file of another name beside it, complete and on disk. */
static int
write_beside(const struct buf *text, mode_t mode, char *name)
{
    int fd = mkostemp(name, O_CLOEXEC); // mode 0600
    int rc;

    if (fd < 0)
        return -errno;
    rc = write_all(fd, text);
    if (rc == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        rc = -errno;
    close(fd);
    if (rc < 0)
        unlink(name);
    return rc;
}

/* link(2) does not replace a file, rename(2) does. */
static int
give_name(const char *from, const char *path, bool force)
{
    int rc = (force ? rename(from, path) : link(from, path)) < 0 ? -errno : 0;

    if (!force || rc < 0)
        unlink(from);
    return rc;
}

int
cert_save(const struct cert *c, enum cert_part part, const char *path, bool force, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;
    AUTO(free) char *beside = xasprintf("%s.XXXXXX", path);
    int rc;

    assert(part == CERT_PUBLIC || c->secret_key[0]);
    buf_reserve(&text, 1024); // it must not move: nobody would wipe what it leaves behind
    format(c, part, &text);
    rc = write_beside(&text, part == CERT_WHOLE ? 0600 : 0644, beside);
    explicit_bzero(text.data, text.capacity);
    if (rc == 0)
        rc = give_name(beside, path, force);
    if (rc == -EEXIST)
        return err_set(err, rc, "%s: there is a file: it is not overwritten", path);
    return rc < 0 ? err_set(err, rc, "%s: %s", path, err_name(rc)) : 0;
}

/* --- sockets --- */

static int
set_text(void *zsock, int option, const char *text, size_t size)
{
    return zmq_setsockopt(zsock, option, text, size) < 0 ? -zmq_errno() : 0;
}

static int
set_int(void *zsock, int option, int value)
{
    return zmq_setsockopt(zsock, option, &value, sizeof(value)) < 0 ? -zmq_errno() : 0;
}

static int
set_keys(const struct cert *c, void *zsock)
{
    int rc = set_text(zsock, ZMQ_CURVE_PUBLICKEY, c->public_key, CERT_KEY_SIZE);

    return rc == 0 ? set_text(zsock, ZMQ_CURVE_SECRETKEY, c->secret_key, CERT_KEY_SIZE) : rc;
}

/* Without ZAP_ENFORCE_DOMAIN libzmq lets everybody in while no handler lives. */
int
cert_apply_server(const struct cert *c, void *zsock, const char *zap_domain)
{
    int rc = set_text(zsock, ZMQ_ZAP_DOMAIN, zap_domain, strlen(zap_domain));

    assert(zap_domain[0]);
    if (rc == 0)
        rc = set_int(zsock, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
    if (rc == 0)
        rc = set_int(zsock, ZMQ_CURVE_SERVER, 1);
    return rc == 0 ? set_keys(c, zsock) : rc;
}

int
cert_apply_client(const struct cert *c, void *zsock, const char *server_key)
{
    const char *own = c->server_key[0] ? c->server_key : c->public_key;
    int rc = set_text(zsock, ZMQ_CURVE_SERVERKEY, server_key ? server_key : own, CERT_KEY_SIZE);

    return rc == 0 ? set_keys(c, zsock) : rc;
}
