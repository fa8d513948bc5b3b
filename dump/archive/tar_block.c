/* SPDX-License-Identifier: MPL-2.0 */
/* tar_block.c - ustar headers, with pax records for what they have no room for.
 *
 * field      ustar holds                                  else the pax record
 * path       ASCII, 100 bytes, or 155 '/' 100             path
 * target     ASCII, 100 bytes                             linkpath
 * size       8 GiB - 1                                    size
 * uid, gid   2^21 - 1                                     uid, gid
 * mtime      0 .. 8^11 - 1                                mtime
 * attribute  none                                         SCHILY.xattr.NAME, its value as it is
 * The fields of a header whose pax header says better hold what fits of them.
 */
#include "tar_block.h"
#include "xmem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RECORD_MAX (64 * 1024) // bytes of a global header that is looked at
#define OCTAL_MAX_7 ((uint64_t)07777777)
#define OCTAL_MAX_11 ((uint64_t)077777777777)

/* As it is on the disk. */
struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char linkname[100];
    char magic[8]; // "ustar\0" "00"
    char uname[32];
    char gname[32];
    char devmajor[8];
    char devminor[8];
    char prefix[155];
    char unused[12];
};
static_assert(sizeof(struct header) == TAR_BLOCK, "a header is one block");

static bool
is_ascii(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

/* Digits, a space if there is room, a NUL if there is still room. */
static void
set_octal(char *field, size_t size, uint64_t value)
{
    size_t digits = size == 8 && value <= 0777777 ? 6 : size - 1;

    memset(field, 0, size);
    field[digits] = ' ';
    while (digits-- > 0) {
        field[digits] = (char)('0' + (value & 7));
        value >>= 3;
    }
}

static void
set_text(char *field, size_t size, const char *text)
{
    memcpy(field, text, MIN(size, strlen(text)));
}

/* Where to cut a path that is longer than a name: at a '/', so that both sides fit; NULL: nowhere. */
static const char *
find_cut(const char *path, size_t len)
{
    const struct header *h = NULL;
    size_t first = len - sizeof(h->name) - 1; // the name behind it has to fit

    if (len > sizeof(h->prefix) + 1 + sizeof(h->name))
        return NULL;
    for (size_t i = MAX(first, (size_t)1); i <= sizeof(h->prefix) && i + 1 < len; i++) {
        if (path[i] == '/')
            return path + i;
    }
    return NULL;
}

/* Does the path fit? */
static bool
set_path(struct header *h, const char *path)
{
    size_t len = strlen(path);
    const char *cut = NULL;

    if (len > sizeof(h->name))
        cut = find_cut(path, len);
    if (cut) {
        memcpy(h->prefix, path, (size_t)(cut - path));
        set_text(h->name, sizeof(h->name), cut + 1);
    } else {
        set_text(h->name, sizeof(h->name), path);
    }
    return is_ascii(path) && (cut || len <= sizeof(h->name));
}

static size_t
count_digits(size_t n)
{
    size_t digits = 1;

    while (n >= 10) {
        n /= 10;
        digits++;
    }
    return digits;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts its own digits too. */
static void
add_record_bytes(struct buf *out, const char *key, const void *value, size_t size)
{
    size_t rest = 1 + strlen(key) + 1 + size + 1;
    size_t len = rest + count_digits(rest);

    len = rest + count_digits(len);
    buf_printf(out, "%zu %s=", len, key);
    buf_add(out, value, size);
    buf_add_char(out, '\n');
}

static void
add_record(struct buf *out, const char *key, const char *value)
{
    add_record_bytes(out, key, value, strlen(value));
}

static void
add_number(struct buf *out, const char *key, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, value);
    add_record(out, key, text);
}

/* min(value, max), with a record when it is more. */
static uint64_t
limit(struct buf *records, const char *key, uint64_t value, uint64_t max)
{
    if (value <= max)
        return value;
    add_number(records, key, (int64_t)value);
    return max;
}

static void
finish_header(struct header *h, char type)
{
    unsigned sum = 0;

    h->type = type;
    memcpy(h->magic, "ustar\00000", sizeof(h->magic));
    set_octal(h->devmajor, sizeof(h->devmajor), 0);
    set_octal(h->devminor, sizeof(h->devminor), 0);
    memset(h->checksum, ' ', sizeof(h->checksum));
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((const unsigned char *)h)[i];
    set_octal(h->checksum, sizeof(h->checksum), sum);
    h->checksum[6] = '\0';
    h->checksum[7] = ' ';
}

static void
add_padding(struct buf *out, uint64_t size)
{
    static const char zeros[TAR_BLOCK];

    buf_add(out, zeros, tar_padding(size));
}

static void
add_records(struct buf *out, char type, const char *name, const struct buf *records)
{
    struct header h = {.type = 0};

    set_text(h.name, sizeof(h.name), name);
    set_octal(h.mode, sizeof(h.mode), 0644);
    set_octal(h.uid, sizeof(h.uid), 0);
    set_octal(h.gid, sizeof(h.gid), 0);
    set_octal(h.size, sizeof(h.size), records->size);
    set_octal(h.mtime, sizeof(h.mtime), 0);
    finish_header(&h, type);
    buf_add(out, &h, sizeof(h));
    buf_add(out, records->data, records->size);
    add_padding(out, records->size);
}

void
tar_add_entry(const struct tar_entry *e, struct buf *out)
{
    AUTO(buf) struct buf records = BUF_INIT;
    struct header h = {.type = 0};
    const char *target = e->target ? e->target : "";
    uint64_t mtime = e->mtime < 0 ? 0 : (uint64_t)e->mtime;

    if (!set_path(&h, e->path))
        add_record(&records, "path", e->path);
    if (e->records)
        buf_add(&records, e->records->data, e->records->size);
    set_octal(h.mode, sizeof(h.mode), e->type == TAR_DIR ? 0755 : 0644);
    set_octal(h.uid, sizeof(h.uid), limit(&records, "uid", e->uid, OCTAL_MAX_7));
    set_octal(h.gid, sizeof(h.gid), limit(&records, "gid", e->gid, OCTAL_MAX_7));
    set_octal(h.size, sizeof(h.size), limit(&records, "size", e->size, OCTAL_MAX_11));
    set_octal(h.mtime, sizeof(h.mtime), limit(&records, "mtime", mtime, OCTAL_MAX_11));
    if (e->mtime < 0)
        add_number(&records, "mtime", e->mtime);
    set_text(h.linkname, sizeof(h.linkname), target);
    if (!is_ascii(target) || strlen(target) > sizeof(h.linkname))
        add_record(&records, "linkpath", target);
    finish_header(&h, (char)e->type);
    if (records.size > 0)
        add_records(out, 'x', "PaxHeader", &records);
    buf_add(out, &h, sizeof(h));
}

void
tar_add_attribute(const char *name, const void *value, size_t size, struct buf *records)
{
    AUTO(free) char *key = xasprintf("SCHILY.xattr.%s", name);

    add_record_bytes(records, key, value, size);
}

size_t
tar_padding(uint64_t size)
{
    return (size_t)(-size % TAR_BLOCK);
}

void
tar_add_comment(const char *text, struct buf *out)
{
    AUTO(buf) struct buf records = BUF_INIT;

    add_record(&records, "comment", text);
    add_records(out, 'g', "pax_global_header", &records);
}

/* An octal number of digits only, ended by a space or a NUL; 0 for anything else. */
static size_t
read_size(const char field[12])
{
    size_t value = 0;

    for (size_t i = 0; i < 11; i++) {
        if (field[i] < '0' || field[i] > '7')
            return field[i] == ' ' || field[i] == '\0' ? value : 0;
        value = value * 8 + (size_t)(field[i] - '0');
        if (value > RECORD_MAX)
            return 0;
    }
    return value;
}

char *
tar_find_comment(const void *data, size_t size)
{
    static const char start[] = " comment=";
    struct header h;
    const char *records, *text;
    size_t len;

    if (size < sizeof(h))
        return NULL;
    memcpy(&h, data, sizeof(h));
    len = read_size(h.size);
    if (h.type != 'g' || memcmp(h.magic, "ustar", 5) != 0 || len == 0 || len > size - sizeof(h))
        return NULL;
    records = (const char *)data + sizeof(h);
    text = records + strspn(records, "0123456789"); // ends: the size is followed by no digit
    if (records[len - 1] != '\n' || (size_t)(text - records) + sizeof(start) > len ||
        memcmp(text, start, sizeof(start) - 1) != 0)
        return NULL;
    text += sizeof(start) - 1;
    return xstrndup(text, (size_t)(records + len - 1 - text));
}
