/* SPDX-License-Identifier: MPL-2.0 */
/* link_text.c - see link_text.h. */
#include "link_text.h"
#include "key.h"
#include "utf8.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

void
link_text_format(const struct treeobj *link, struct buf *out)
{
    const char *ns = treeobj_link_namespace(link);

    if (ns)
        buf_printf(out, "%s::", ns);
    buf_add_str(out, treeobj_link_target(link));
}

int
link_text_parse(const char *text, struct treeobj **ret, struct err *err)
{
    AUTO(free) char *ns = NULL;
    const char *colons;

    if (!text || !*text || !utf8_is_valid(text, strlen(text)))
        return err_set(err, -EINVAL, "the target of the link is not text");
    if (strlen(text) > KEY_TEXT_MAX)
        return err_set(err, -EINVAL, "the target of the link is too long");
    colons = strstr(text, "::");
    if (colons && colons > text && colons[2]) {
        ns = xstrndup(text, (size_t)(colons - text));
        text = colons + 2;
    }
    *ret = treeobj_new_symlink(ns, text);
    return 0;
}

bool
link_text_is_exact(const struct treeobj *link)
{
    AUTO(buf) struct buf text = BUF_INIT;
    AUTO(treeobj) struct treeobj *again = NULL;
    const char *ns = treeobj_link_namespace(link);
    const char *ns_again;

    link_text_format(link, &text);
    if (link_text_parse(buf_str(&text), &again, NULL) < 0)
        return false;
    ns_again = treeobj_link_namespace(again);
    return !ns == !ns_again && (!ns || strcmp(ns, ns_again) == 0) &&
           strcmp(treeobj_link_target(link), treeobj_link_target(again)) == 0;
}
