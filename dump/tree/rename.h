/* SPDX-License-Identifier: MPL-2.0 */
/* rename.h - other keys than in the archive: --rename OLD=NEW.  Pure. */
#ifndef XYLEM_RENAME_H
#define XYLEM_RENAME_H

#include "key.h"
#include "opt.h"

struct rename_rule {
    struct key old; // owned; at this key and below it
    struct key new; // owned; comes in its place
};

struct rename {
    struct rename_rule *rules; // owned array
    size_t count;
};

/* "OLD=NEW", both key text; the first '=' cuts it.  -EINVAL with text. */
int rename_parse(const struct opt_list *texts, struct rename *ret, struct err *err);
void rename_fini(struct rename *r);

/* Is the key one that the rule is about? */
bool rename_rule_fits(const struct rename_rule *rule, const struct key *key);

/* The first rule that fits changes the key.  r NULL: none does.  -ENAMETOOLONG with text: more names than a
 * key can have; the key is as before then. */
int rename_key(const struct rename *r, struct key *key, struct err *err);

/* Is there room for the key below `top` (NULL: the root)?  -ENAMETOOLONG with text. */
int rename_check_room(const struct key *top, const struct key *key, struct err *err);

#endif
