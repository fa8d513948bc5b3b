/* SPDX-License-Identifier: MPL-2.0 */
/* diff_text.c - see diff_text.h. */
#include "diff_text.h"
#include "diff_dir.h"
#include "json_text.h"
#include "key.h"
#include "xmem.h"

#include <string.h>

static void
add_names(const char *path, struct buf *out)
{
    size_t len;

    for (const char *at = path; *at; at += len + (at[len] == '/')) {
        AUTO(free) char *name = NULL;

        len = strcspn(at, "/");
        name = xstrndup(at, len);
        if (at != path)
            buf_add_char(out, '.');
        key_quote_name(name, out);
    }
}

void
diff_text_key(const struct diff_item *item, struct buf *out)
{
    const struct treeobj *obj = item->old ? item->old : item->new;

    add_names(item->path, out);
    if (!item->path[0] || (obj && diff_is_dir(obj)))
        buf_add_char(out, '.');
}

char
diff_text_sign(const struct diff_item *item)
{
    return !item->old ? '+' : !item->new ? '-' : '~';
}

static void
add_object(enum digest_alg alg, const char *member, const struct treeobj *obj, struct buf *out)
{
    buf_printf(out, ",\"%s\":", member);
    if (obj)
        treeobj_encode(alg, obj, out);
    else
        buf_add_str(out, "null");
}

void
diff_text_json(enum digest_alg alg, const struct diff_item *item, struct buf *out)
{
    AUTO(buf) struct buf key = BUF_INIT;

    add_names(item->path, &key);
    if (!item->path[0])
        buf_add_char(&key, '.');
    buf_add_str(out, "{\"key\":");
    json_text_quote(buf_str(&key), out);
    buf_printf(out, ",\"change\":\"%s\"",
               !item->old   ? "added"
               : !item->new ? "removed"
                            : "changed");
    add_object(alg, "old", item->old, out);
    add_object(alg, "new", item->new, out);
    buf_add_char(out, '}');
}
