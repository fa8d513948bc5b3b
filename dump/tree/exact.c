/* SPDX-License-Identifier: MPL-2.0 */
/* exact.c - see exact.h.
 *
 * blobs      "SIZE" or "SIZE*COUNT", joined by ','; numbers of digits without leading zeros
 * removed    paths joined by NULs; that of an empty directory ends with '/'
 *
 * A short text must not make anybody allocate much: blobs with bytes are bounded by the size of the value,
 * those without by EMPTY_MAX.
 */
#include "exact.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define EMPTY_MAX 65536                // blobs without a byte in one value
#define RUNS_MAX (EXACT_BLOBS_MAX / 2) // a run is a digit and a comma at least

/* ---- blobs ---- */

void
exact_sizes_fini(struct exact_sizes *s)
{
    free(s->runs);
    *s = (struct exact_sizes){.runs = NULL};
}

void
exact_sizes_reset(struct exact_sizes *s)
{
    s->count = s->next = 0;
    s->empty = s->taken = 0;
    s->is_too_long = false;
}

static void
add_run(struct exact_sizes *s, uint64_t size, uint64_t count)
{
    if (size == 0)
        s->empty += count;
    if (s->count > 0 && s->runs[s->count - 1].size == size) {
        s->runs[s->count - 1].count += count;
        return;
    }
    if (s->count == RUNS_MAX) {
        s->is_too_long = true;
        return;
    }
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 16;
        s->runs = xrealloc(s->runs, s->capacity * sizeof(*s->runs));
    }
    s->runs[s->count++] = (struct exact_run){size, count};
}

void
exact_sizes_add(struct exact_sizes *s, uint64_t size)
{
    if (!s->is_too_long)
        add_run(s, size, 1);
}

bool
exact_sizes_format(const struct exact_sizes *s, struct buf *out)
{
    AUTO(buf) struct buf text = BUF_INIT;

    if (s->is_too_long || s->empty > EMPTY_MAX)
        return false;
    for (size_t i = 0; i < s->count && text.size <= EXACT_BLOBS_MAX; i++) {
        buf_printf(&text, "%s%" PRIu64, i > 0 ? "," : "", s->runs[i].size);
        if (s->runs[i].count > 1)
            buf_printf(&text, "*%" PRIu64, s->runs[i].count);
    }
    if (text.size > EXACT_BLOBS_MAX)
        return false;
    buf_add(out, text.data, text.size);
    return true;
}

/* Digits only, at most INT64_MAX; false: none there. */
static bool
read_number(const char **at, const char *end, uint64_t *ret)
{
    const char *s = *at;
    uint64_t n = 0;

    if (s == end || *s < '0' || *s > '9' ||
        (*s == '0' && s + 1 < end && s[1] >= '0' && s[1] <= '9'))
        return false;
    for (; s < end && *s >= '0' && *s <= '9'; s++) {
        if (n > (INT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(*s - '0');
    }
    *at = s;
    *ret = n;
    return true;
}

/* "SIZE" or "SIZE*COUNT", and the ',' behind it. */
static bool
read_run(const char **at, const char *end, struct exact_run *ret)
{
    ret->count = 1;
    if (!read_number(at, end, &ret->size))
        return false;
    if (*at < end && **at == '*') {
        ++*at;
        if (!read_number(at, end, &ret->count) || ret->count == 0)
            return false;
    }
    if (*at == end)
        return true;
    return *(*at)++ == ',' && *at < end;
}

static int
parse_runs(const char *text, size_t len, uint64_t total, uint64_t max, struct exact_sizes *s,
           struct err *err)
{
    const char *at = text;
    struct exact_run run;

    do {
        if (!read_run(&at, text + len, &run))
            return err_set(err, -EINVAL, "no sizes of blobs");
        if (run.size > max)
            return err_set(err, -EINVAL, "a blob of %" PRIu64 " bytes is too large", run.size);
        if (run.size > 0 ? run.count > total / run.size : run.count > EMPTY_MAX - s->empty)
            return err_set(err, -EINVAL, "the sizes of blobs are not those of the value");
        total -= run.size * run.count;
        add_run(s, run.size, run.count);
    } while (at < text + len);
    if (total > 0)
        return err_set(err, -EINVAL, "the sizes of blobs are not those of the value");
    return 0;
}

int
exact_sizes_parse(const char *text, size_t len, uint64_t total, uint64_t max,
                  struct exact_sizes *ret, struct err *err)
{
    struct exact_sizes s = {.runs = NULL};
    int rc;

    if (len > EXACT_BLOBS_MAX)
        return err_set(err, -EINVAL, "too many sizes of blobs");
    rc = parse_runs(text, len, total, max, &s, err);
    if (rc < 0)
        exact_sizes_fini(&s);
    else
        *ret = s;
    return rc;
}

bool
exact_sizes_next(struct exact_sizes *s, uint64_t *ret)
{
    if (s->next == s->count)
        return false;
    *ret = s->runs[s->next].size;
    if (++s->taken == s->runs[s->next].count) {
        s->next++;
        s->taken = 0;
    }
    return true;
}

/* ---- forms ---- */

static const char *const forms[] = {
    [EXACT_AS_LAID_OUT] = "laid-out",
    [EXACT_DIR] = "dir",
    [EXACT_HDIR] = "hdir",
    [EXACT_INLINE] = "inline",
};

enum exact_form
exact_form_of(bool is_inline, bool is_wide, uint64_t entries, uint64_t max)
{
    if (is_inline)
        return EXACT_INLINE;
    if (is_wide == (entries > max))
        return EXACT_AS_LAID_OUT;
    return is_wide ? EXACT_HDIR : EXACT_DIR;
}

const char *
exact_form_name(enum exact_form form)
{
    return forms[form];
}

int
exact_form_parse(const char *text, size_t len, enum exact_form *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (len == strlen(forms[i]) && memcmp(text, forms[i], len) == 0) {
            *ret = (enum exact_form)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* ---- removed keys ---- */

bool
exact_removed_add(struct buf *list, const char *path, bool is_dir)
{
    if (list->size + 1 + strlen(path) + is_dir > EXACT_REMOVED_MAX)
        return false;
    if (list->size > 0)
        buf_add_char(list, '\0');
    buf_add_str(list, path);
    if (is_dir)
        buf_add_char(list, '/');
    return true;
}

bool
exact_removed_next(const char *list, size_t len, size_t *at, struct buf *path, bool *ret_is_dir)
{
    const char *start = list + *at;
    size_t n = *at < len ? strnlen(start, len - *at) : 0;

    if (*at >= len)
        return false;
    *at += n + 1;
    *ret_is_dir = n > 0 && start[n - 1] == '/';
    buf_add(path, start, n - *ret_is_dir);
    return true;
}
