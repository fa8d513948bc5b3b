/* SPDX-License-Identifier: MPL-2.0 */
/* rename.c - see rename.h. */
#include "rename.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

void
rename_fini(struct rename *r)
{
    for (size_t i = 0; i < r->count; i++) {
        key_fini(&r->rules[i].old);
        key_fini(&r->rules[i].new);
    }
    free(r->rules);
    *r = (struct rename){NULL, 0};
}

static int
parse_rule(const char *text, struct rename_rule *ret, struct err *err)
{
    const char *equals = strchr(text, '=');
    AUTO(free) char *old = NULL;
    int rc;

    if (!equals || equals == text || !equals[1])
        return err_set(err, -EINVAL, "%s: OLD=NEW is needed", text);
    old = xstrndup(text, (size_t)(equals - text));
    *ret = (struct rename_rule){{0, NULL, NULL}, {0, NULL, NULL}};
    rc = key_parse(old, &ret->old, err);
    if (rc == 0 && (rc = key_parse(equals + 1, &ret->new, err)) < 0)
        key_fini(&ret->old);
    return rc;
}

int
rename_parse(const struct opt_list *texts, struct rename *ret, struct err *err)
{
    struct rename r = {xcalloc(texts->count + 1, sizeof(*r.rules)), 0};

    for (size_t i = 0; i < texts->count; i++) {
        int rc = parse_rule(texts->values[i], &r.rules[r.count], err);

        if (rc < 0) {
            rename_fini(&r);
            return rc;
        }
        r.count++;
    }
    *ret = r;
    return 0;
}

bool
rename_rule_fits(const struct rename_rule *rule, const struct key *key)
{
    const struct key *top = &rule->old;

    if (key->count < top->count)
        return false;
    for (size_t i = 0; i < top->count; i++) {
        if (strcmp(key->names[i], top->names[i]) != 0)
            return false;
    }
    return true;
}

static char *
add_name(struct key *key, const char *name, char *out)
{
    key->names[key->count++] = out;
    return stpcpy(out, name) + 1;
}

static size_t
text_size(const struct key *key)
{
    size_t size = 0;

    for (size_t i = 0; i < key->count; i++)
        size += strlen(key->names[i]) + 1;
    return size;
}

static int
replace(const struct rename_rule *rule, struct key *key, struct err *err)
{
    size_t count = rule->new.count + key->count - rule->old.count;
    struct key k = {0, NULL, NULL};
    char *out;

    if (count > KEY_DEPTH_MAX || text_size(&rule->new) + text_size(key) > KEY_TEXT_MAX)
        return err_set(err, -ENAMETOOLONG, "the renamed key is too long");
    k.names = xcalloc(count + 1, sizeof(*k.names));
    k.memory = out = xmalloc(text_size(&rule->new) + text_size(key) + 1);
    for (size_t i = 0; i < rule->new.count; i++)
        out = add_name(&k, rule->new.names[i], out);
    for (size_t i = rule->old.count; i < key->count; i++)
        out = add_name(&k, key->names[i], out);
    key_fini(key);
    *key = k;
    return 0;
}

int
rename_key(const struct rename *r, struct key *key, struct err *err)
{
    for (size_t i = 0; r && i < r->count; i++) {
        if (rename_rule_fits(&r->rules[i], key))
            return replace(&r->rules[i], key, err);
    }
    return 0;
}

int
rename_check_room(const struct key *top, const struct key *key, struct err *err)
{
    if (!top || (top->count + key->count <= KEY_DEPTH_MAX &&
                 text_size(top) + text_size(key) <= KEY_TEXT_MAX))
        return 0;
    return err_set(err, -ENAMETOOLONG, "the key below the target is too long");
}
