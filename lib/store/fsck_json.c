/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_json.c - see fsck_json.h. */
#include "fsck_json.h"
#include "utf8.h"
#include "xmem.h"

#include <errno.h>

/* Keys are UTF-8; the name of a namespace comes from a file that may hold anything. */
static json_t *
text_to_json(const char *text)
{
    AUTO(free) char *copy = xstrdup(text);

    if (!utf8_is_valid(text, strlen(text))) {
        for (char *c = copy; *c; c++) {
            if ((unsigned char)*c >= 0x80)
                *c = '?';
        }
    }
    return json_string(copy);
}

static const char *
type_of(const struct fsck_root *root)
{
    static const char *const names[] = {"namespace", "checkpoint", "rootref"};

    return root ? names[root->kind] : "none";
}

json_t *
fsck_finding_to_json(enum digest_alg alg, const struct fsck_finding *finding)
{
    char ref[BLOBREF_MAX];
    json_t *json;

    json = json_pack(
        "{s:o s:s s:o s:s s:s s:s}", "root", text_to_json(finding->root ? finding->root->name : ""),
        "type", type_of(finding->root), "key", text_to_json(finding->key), "object",
        fsck_object_name(finding->object), "problem", fsck_problem_name(finding->problem),
        "blobref", blobref_format(alg, &finding->digest, ref));
    assert(json);
    if (finding->object == FSCK_PART)
        json_object_set_new(json, "entries", json_integer((json_int_t)finding->entries));
    return json;
}

json_t *
fsck_stats_to_json(const struct fsck_stats *s)
{
    return json_pack("{s:I s:I s:I s:I s:I s:I s:I s:I s:b}", "blobs", (json_int_t)s->blobs,
                     "bytes", (json_int_t)s->bytes, "keys", (json_int_t)s->keys, "damaged",
                     (json_int_t)s->damaged, "lost", (json_int_t)s->lost, "lost_in_checkpoints",
                     (json_int_t)s->lost_older, "findings", (json_int_t)s->findings, "unindexed",
                     (json_int_t)s->unindexed, "complete", !s->is_unreadable && !s->is_truncated);
}

int
fsck_stats_from_json(const json_t *json, struct fsck_stats *ret)
{
    json_int_t blobs, bytes, keys, damaged, lost, older, findings, unindexed = 0;
    int complete;

    if (json_unpack((json_t *)(uintptr_t)json, "{s:I s:I s:I s:I s:I s:I s:I s?I s:b}", "blobs",
                    &blobs, "bytes", &bytes, "keys", &keys, "damaged", &damaged, "lost", &lost,
                    "lost_in_checkpoints", &older, "findings", &findings, "unindexed", &unindexed,
                    "complete", &complete) < 0)
        return -EPROTO;
    *ret = (struct fsck_stats){.blobs = (uint64_t)blobs,
                               .bytes = (uint64_t)bytes,
                               .keys = (uint64_t)keys,
                               .damaged = (uint64_t)damaged,
                               .lost = (uint64_t)lost,
                               .lost_older = (uint64_t)older,
                               .findings = (uint64_t)findings,
                               .unindexed = (uint64_t)unindexed,
                               .is_truncated = !complete};
    return 0;
}
