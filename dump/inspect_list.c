/* SPDX-License-Identifier: MPL-2.0 */
/* inspect_list.c - --list: a line for each key of an archive, and for each that it tells to be no more. */
#include "inspect.h"
#include "archive_file.h"
#include "archive_tree.h"
#include "exact.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* What a line says. */
struct row {
    const char *path;                // names joined by '/'
    const struct archive_item *item; // NULL: removed
    bool is_dir;                     // removed: an empty directory
};

static void
set_target(json_t *json, const struct archive_item *item)
{
    const char *name = item->kind == ARCHIVE_SYMLINK ? "target" : "same_as";

    json_object_set_new(json, name, json_string(item->target ? item->target : ""));
}

static void
print_json(const struct row *row, const char *key)
{
    json_t *json = json_object();
    AUTO(free) char *text = NULL;

    json_object_set_new(json, "key", json_string(key));
    if (!row->item)
        json_object_set_new(json, "removed", json_true());
    if (row->item ? row->item->kind == ARCHIVE_DIR : row->is_dir)
        json_object_set_new(json, "directory", json_true());
    else if (row->item && row->item->kind == ARCHIVE_FILE)
        json_object_set_new(json, "size", json_integer((json_int_t)row->item->size));
    else if (row->item)
        set_target(json, row->item);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text)
        puts(text);
}

static void
print_line(const struct row *row, const char *key)
{
    const struct archive_item *item = row->item;
    const char *target = item && item->target ? item->target : "";

    if (!item)
        printf("%s\tremoved%s\n", key, row->is_dir ? " directory" : "");
    else if (item->kind == ARCHIVE_FILE)
        printf("%s\t%" PRIu64 "\n", key, item->size);
    else if (item->kind == ARCHIVE_DIR)
        printf("%s\tdirectory\n", key);
    else
        printf("%s\t%s %s\n", key, item->kind == ARCHIVE_SYMLINK ? "->" : "=", target);
}

static void
print_row(const struct inspect *in, const struct row *row)
{
    AUTO(key) struct key key = {.count = 0};
    AUTO(buf) struct buf text = BUF_INIT;

    if (!filter_wants_key(in->filter, row->path) || key_from_path(row->path, &key, NULL) < 0)
        return;
    key_format(&key, &text);
    if (in->as_json)
        print_json(row, buf_str(&text));
    else
        print_line(row, buf_str(&text));
}

/* dir: path of the entry that has the list; "" = the root. */
static void
list_removed(const struct inspect *in, const char *dir, const char *list, size_t size)
{
    struct row row = {.item = NULL};
    AUTO(buf) struct buf path = BUF_INIT;
    size_t at = 0;

    for (;;) {
        buf_reset(&path);
        if (*dir)
            buf_printf(&path, "%s/", dir);
        if (!exact_removed_next(list, size, &at, &path, &row.is_dir))
            return;
        row.path = buf_str(&path);
        print_row(in, &row);
    }
}

/* A format that does not tell the size before the content makes us read it. */
static int
find_size(struct archive_reader *r, struct archive_item *item, struct err *err)
{
    char data[65536];
    ssize_t n;

    if (item->kind != ARCHIVE_FILE || item->has_size)
        return 0;
    while ((n = archive_reader_data(r, data, sizeof(data), err)) > 0)
        item->size += (uint64_t)n;
    return (int)n;
}

/* Only about a directory: it is not there because of this entry. */
static bool
is_note(struct archive_reader *r, const struct archive_item *item)
{
    size_t size;

    return item->kind == ARCHIVE_DIR && (archive_reader_attribute(r, EXACT_FORM, &size) ||
                                         archive_reader_attribute(r, EXACT_REMOVED, &size) ||
                                         archive_reader_attribute(r, EXACT_SECTION, &size));
}

static int
list_item(struct inspect *in, struct archive_reader *r, struct archive_item *item, struct err *err)
{
    AUTO(key) struct key key = {.count = 0};
    AUTO(buf) struct buf path = BUF_INIT;
    const char *removed;
    size_t size;
    int rc;

    if (!item->path || item->kind == ARCHIVE_OTHER || key_from_path(item->path, &key, NULL) < 0) {
        progress_warn(&in->progress, "%s: no key", item->path ? item->path : "(unreadable name)");
        return 0;
    }
    for (size_t i = 0; i < key.count; i++)
        buf_printf(&path, "%s%s", i > 0 ? "/" : "", key.names[i]);
    removed = archive_reader_attribute(r, EXACT_REMOVED, &size);
    if (removed)
        list_removed(in, buf_str(&path), removed, size);
    if (key.count == 0 || is_note(r, item))
        return 0;
    if ((rc = find_size(r, item, err)) < 0)
        return rc;
    print_row(in, &(struct row){.path = buf_str(&path), .item = item});
    return 0;
}
static int
list_items(struct inspect *in, struct archive_reader *r, struct err *err)
{
    struct archive_item item;
    int rc, more;

    while ((more = archive_reader_next(r, &item, err)) > 0) {
        if ((rc = list_item(in, r, &item, err)) < 0)
            return rc;
    }
    if (more == 0 && fflush(stdout) == EOF)
        return err_set(err, -errno, "write: %s", err_name(errno));
    return more;
}

int
inspect_list(struct inspect *in, const char *path)
{
    struct archive_tree t;
    struct err err = {0};
    int rc = archive_tree_open(&t, path, &in->progress, &err);

    if (rc == 0 && (rc = list_items(in, t.reader, &err)) < 0)
        err_prefix(&err, rc, "%s", archive_file_name(path));
    archive_tree_close(&t);
    fflush(stdout);
    if (rc < 0)
        progress_warn(&in->progress, "%s", err.text);
    return rc < 0 ? 1 : 0;
}
