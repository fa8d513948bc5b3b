/* SPDX-License-Identifier: MPL-2.0 */
/* intake.c - one archive entry after the other.
 *
 * entry               becomes
 * file                a val if its base64 is short, else blobs and a valref
 * symbolic link       a symlink; "NS::KEY" is one into another namespace
 * hard link           the object of its target; if it brings content, that is the content of both
 * directory           a directory that exists; with attributes (exact.h): only what they say
 * anything else       skipped by name, as are names that are no keys
 * absolute, or ".."   an error: whoever made the archive meant another place than below the target
 */
#include "intake_value.h"
#include "exact.h"
#include "link_text.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

void
intake_init(struct intake *in, struct build *b, struct upload *u, struct progress *p)
{
    *in = (struct intake){.build = b, .upload = u, .progress = p, .bytes = BUF_INIT};
}

void
intake_fini(struct intake *in)
{
    buf_fini(&in->bytes);
    free(in->section);
}

void
intake_skip(struct intake *in, const char *path, const char *why)
{
    in->skipped++;
    progress_warn(in->progress, "%s: %s, skipping", path, why);
}

static const char *
attribute(const struct intake *in, const char *name, size_t *ret_size)
{
    return archive_reader_attribute(in->archive, name, ret_size);
}

/* ---- links ---- */

static bool
is_link_to(const struct treeobj *obj, const char *target)
{
    AUTO(buf) struct buf text = BUF_INIT;

    if (treeobj_type(obj) != TREEOBJ_SYMLINK)
        return false;
    link_text_format(obj, &text);
    return strcmp(buf_str(&text), target ? target : "") == 0;
}

/* The tree object that the archive tells.  false: none, or that of another link. */
static bool
find_object(struct intake *in, const struct archive_item *item, struct treeobj **ret)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    size_t size;
    const char *json = attribute(in, EXACT_OBJECT, &size);

    if (!json)
        return false;
    if (treeobj_decode(in->upload->alg, json, size, &obj, NULL) < 0 ||
        !is_link_to(obj, item->target)) {
        progress_warn(in->progress, "%s: its tree object is not that of the link", item->path);
        return false;
    }
    *ret = TAKE(obj);
    return true;
}

/* What was there before would be of another moment. */
static void
skip_key(struct intake *in, const struct archive_item *item, const struct key *key, const char *why)
{
    intake_skip(in, item->path, why);
    build_add_removed(in->build, key, false);
}

static void
take_symlink(struct intake *in, const struct archive_item *item, const struct key *key)
{
    struct treeobj *obj;
    struct err why;

    if (!find_object(in, item, &obj) && link_text_parse(item->target, &obj, &why) < 0) {
        skip_key(in, item, key, why.text);
        return;
    }
    progress_key(in->progress, item->path);
    if (in->content)
        content_add_link(in->content, item->path, item->target ? item->target : "");
    build_set(in->build, build_add(in->build, key), &obj, 0);
}

/* The path below the section; NULL: it is not below it. */
static const char *
path_in_section(const struct intake *in, const char *path)
{
    size_t len = in->section ? strlen(in->section) : 0;

    if (!in->on_section)
        return path;
    return in->section && strncmp(path, in->section, len) == 0 ? path + len : NULL;
}

/* Some formats bring the content with the last link to a file, not with the first. */
static int
take_hardlink(struct intake *in, const struct archive_item *item, const struct key *key,
              struct err *err)
{
    AUTO(key) struct key target = {.count = 0};
    const char *path = item->target ? path_in_section(in, item->target) : NULL;

    if (!path || key_from_path(path, &target, NULL) < 0 || target.count == 0 ||
        rename_key(in->rename, &target, NULL) < 0) {
        skip_key(in, item, key, "the target of the hard link is no key");
        return 0;
    }
    build_add_hardlink(in->build, key, &target);
    if (item->has_size && item->size > 0)
        return intake_value_take(in, item, &target, err);
    progress_key(in->progress, item->path);
    return 0;
}

/* ---- other names ---- */

static int
give_name(struct intake *in, struct key *key, struct err *err)
{
    size_t count = in->rename && in->fitted ? in->rename->count : 0;

    for (size_t i = 0; i < count; i++) {
        if (rename_rule_fits(&in->rename->rules[i], key)) {
            in->fitted[i] = true;
            break;
        }
    }
    return rename_key(in->rename, key, err);
}

/* ---- directories ---- */

static void
take_form(struct intake *in, const struct archive_item *item, const struct key *key,
          const char *text, size_t size)
{
    enum exact_form form;

    if (exact_form_parse(text, size, &form) < 0)
        progress_warn(in->progress, "%s: a form of directory that is not known", item->path);
    else
        build_set_dir_form(in->build, key, form);
}

/* One key that is no more, below a directory. */
static void
take_removed(struct intake *in, const struct key *dir, const char *path, bool is_dir)
{
    AUTO(buf) struct buf whole = BUF_INIT;
    AUTO(key) struct key key = {.count = 0};
    struct err why;

    for (size_t i = 0; i < dir->count; i++)
        buf_printf(&whole, "%s/", dir->names[i]);
    buf_add_str(&whole, path);
    if (key_from_path(buf_str(&whole), &key, &why) < 0) {
        intake_skip(in, path, why.text);
        return;
    }
    if (in->filter && !filter_is_empty(in->filter) &&
        !filter_wants_key(in->filter, buf_str(&whole)))
        return;
    if (give_name(in, &key, &why) < 0)
        intake_skip(in, path, why.text);
    else if (key.count > 0)
        build_add_removed(in->build, &key, is_dir);
}

static void
take_removed_list(struct intake *in, const struct key *dir, const char *list, size_t size)
{
    size_t at = 0;
    bool more, is_dir;

    do {
        AUTO(buf) struct buf path = BUF_INIT;

        more = exact_removed_next(list, size, &at, &path, &is_dir);
        if (more && path.size > 0)
            take_removed(in, dir, buf_str(&path), is_dir);
    } while (more);
}

static void
take_dir(struct intake *in, const struct archive_item *item, const struct key *key)
{
    size_t form_size;
    const char *form = attribute(in, EXACT_FORM, &form_size);

    if (form)
        take_form(in, item, key, form, form_size);
    else
        build_add_dir(in->build, key);
}

/* ---- sections ---- */

/* 1: the entry begins one. */
static int
begin_section(struct intake *in, const struct archive_item *item, struct err *err)
{
    const char *json = NULL;
    size_t len = strlen(item->path);
    size_t size;
    int rc;

    if (in->on_section && item->kind == ARCHIVE_DIR)
        json = attribute(in, EXACT_SECTION, &size);
    if (!json)
        return 0;
    if ((rc = upload_finish(in->upload, err)) < 0)
        return rc;
    free(in->section);
    in->section = xasprintf("%s%s", item->path, len > 0 && item->path[len - 1] == '/' ? "" : "/");
    in->skip_section = false;
    rc = in->on_section(in->section_arg, json, size, err);
    return rc < 0 ? err_prefix(err, rc, "%s", item->path) : 1;
}

/* ---- entries ---- */

/* What the entry says beside its content. */
static void
digest_attributes(struct intake *in)
{
    static const char *const names[] = {EXACT_BLOBS, EXACT_OBJECT, EXACT_FORM, EXACT_REMOVED,
                                        EXACT_SECTION};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t size;
        const char *value = attribute(in, names[i], &size);

        if (value)
            content_add_attribute(in->content, names[i], value, size);
    }
}

static int
take_keyed(struct intake *in, const struct archive_item *item, const struct key *key,
           struct err *err)
{
    switch (item->kind) {
    case ARCHIVE_FILE:
        return intake_value_take(in, item, key, err);
    case ARCHIVE_HARDLINK:
        return take_hardlink(in, item, key, err);
    case ARCHIVE_SYMLINK:
        take_symlink(in, item, key);
        return 0;
    case ARCHIVE_DIR:
        take_dir(in, item, key);
        return 0;
    case ARCHIVE_OTHER:
        skip_key(in, item, key, "neither file, directory nor link");
        return 0;
    }
    assert(false);
}

/* Is it absolute, or is one of its names ".."? */
static bool
leads_out(const char *path)
{
    if (path[0] == '/')
        return true;
    for (; *path; path += strspn(path, "/")) {
        size_t len = strcspn(path, "/");

        if (len == 2 && path[0] == '.' && path[1] == '.')
            return true;
        path += len;
    }
    return false;
}

static bool
is_wanted(const struct intake *in, const struct archive_item *item, const struct key *key)
{
    AUTO(buf) struct buf path = BUF_INIT;

    if (!in->filter || filter_is_empty(in->filter))
        return true;
    if (item->kind == ARCHIVE_DIR) // those with something wanted below them come by themselves
        return false;
    for (size_t i = 0; i < key->count; i++)
        buf_printf(&path, "%s%s", i > 0 ? "/" : "", key->names[i]);
    return filter_wants_key(in->filter, buf_str(&path));
}

static int
take_wanted(struct intake *in, const struct archive_item *item, struct key *key, struct err *err)
{
    const char *removed;
    struct err why;
    size_t size;

    if (in->content && item->kind != ARCHIVE_FILE && item->kind != ARCHIVE_SYMLINK)
        content_add_other(in->content, item->path);
    removed = item->kind == ARCHIVE_DIR ? attribute(in, EXACT_REMOVED, &size) : NULL;
    if (removed) {
        take_removed_list(in, key, removed, size);
        return 0;
    }
    if (!is_wanted(in, item, key)) {
        in->filtered++;
        return 0;
    }
    in->wanted += item->kind != ARCHIVE_DIR;
    if (give_name(in, key, &why) < 0 || rename_check_room(in->target, key, &why) < 0) {
        intake_skip(in, item->path, why.text);
        return 0;
    }
    if (key->count == 0 && item->kind != ARCHIVE_DIR) {
        intake_skip(in, item->path, "the root can only be a directory");
        return 0;
    }
    return take_keyed(in, item, key, err);
}

/* path: that of the item, below its section. */
static int
take_path(struct intake *in, const struct archive_item *item, const char *path, struct err *err)
{
    AUTO(key) struct key key = {.count = 0};
    struct err why;

    if (leads_out(path))
        return err_set(err, -EINVAL, "%s: the path leads out of the archive", item->path);
    if (key_from_path(*path ? path : ".", &key, &why) < 0) { // "": the section itself
        intake_skip(in, item->path, why.text);
        return 0;
    }
    return take_wanted(in, item, &key, err);
}

static int
take_item(struct intake *in, const struct archive_item *item, struct err *err)
{
    const char *path;
    int rc;

    in->newest = MAX(in->newest, item->mtime);
    if (!item->path) {
        intake_skip(in, "(unreadable name)", "the name is not text");
        return 0;
    }
    if (in->content)
        digest_attributes(in);
    if ((rc = begin_section(in, item, err)) != 0) {
        if (in->content && rc > 0)
            content_add_other(in->content, item->path);
        return MIN(rc, 0);
    }
    path = path_in_section(in, item->path);
    if (!path)
        return err_set(err, -EINVAL, "%s: it is in no section of the archive", item->path);
    return in->skip_section ? 0 : take_path(in, item, path, err);
}

int
intake_run(struct intake *in, struct err *err)
{
    struct archive_item item;
    bool has_entries = false;
    int rc, more;

    free(TAKE(in->section));
    in->skip_section = false;
    while ((more = archive_reader_next(in->archive, &item, err)) > 0) {
        has_entries = true;
        rc = take_item(in, &item, err);
        if (rc == 0 && in->on_entry)
            rc = in->on_entry(in->on_entry_arg, err);
        if (rc < 0)
            return rc;
    }
    if (more == 0 && !in->no_verify && !has_entries && !archive_reader_header(in->archive))
        return err_set(err, -EIO,
                       "nothing is in it, or it was cut off (--no-verify takes it as it is)");
    if (more == 0 && !in->no_verify)
        more = archive_reader_check_header(in->archive, err);
    return more < 0 ? more : upload_finish(in->upload, err);
}
