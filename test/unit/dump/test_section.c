/* SPDX-License-Identifier: MPL-2.0 */
/* What is said of a section comes back, damage is refused, and of an archive of all one namespace can be read. */
#include "made_archive.h"
#include "memstore.h"
#include "section.h"

#include "cmocka_all.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

static struct section
make_namespace(const char *name)
{
    struct section s = {.kind = SECTION_NAMESPACE, .alg = ALG, .owner = 4000000000, .sequence = 7};

    strcpy(s.ns, name);
    memset(s.root.bytes, 0x5a, sizeof(s.root.bytes));
    return s;
}

static struct section
make_checkpoint(uint64_t index, bool has_since)
{
    struct section s = {.kind = SECTION_CHECKPOINT,
                        .alg = DIGEST_SHA1,
                        .index = index,
                        .timestamp = 1795244624.328125,
                        .sequence = INT64_C(1) << 60,
                        .has_since = has_since};

    s.root.bytes[3] = 1;
    s.since.bytes[4] = has_since;
    return s;
}

static void
every_section_has_a_path_of_its_own(void **state UNUSED)
{
    static const struct {
        const char *name, *path;
    } cases[] = {
        {"primary", "namespaces/primary/"}, {"a.b", "namespaces/a.b/"},
        {"a/b", "namespaces/a%2Fb/"},       {"..", "namespaces/%2E./"},
        {".", "namespaces/%2E/"},           {"a%2Fb", "namespaces/a%252Fb/"},
        {"größe", "namespaces/größe/"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(buf) struct buf path = BUF_INIT;
        struct section s = make_namespace(cases[i].name);

        section_format_path(&s, &path);
        assert_string_equal(buf_str(&path), cases[i].path);
    }
}

static void
what_is_said_comes_back(void **state UNUSED)
{
    const struct section sections[] = {make_namespace("primary"), make_namespace("größe"),
                                       make_checkpoint(1, false), make_checkpoint(12345, true)};

    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        const struct section *s = &sections[i];
        AUTO(buf) struct buf json = BUF_INIT;
        struct section got;

        section_encode(s, &json);
        assert_int_equal(section_decode(json.data, json.size, &got, NULL), 0);
        assert_int_equal(got.kind, s->kind);
        assert_int_equal(got.alg, s->alg);
        assert_string_equal(got.ns, s->ns);
        assert_int_equal(got.owner, s->owner);
        assert_int_equal(got.index, s->index);
        assert_true(got.timestamp >= s->timestamp && got.timestamp <= s->timestamp);
        assert_int_equal(got.sequence, s->sequence);
        assert_true(digest_equal(&got.root, &s->root));
        assert_int_equal(got.has_since, s->has_since);
        assert_true(digest_equal(&got.since, &s->since));
        assert_int_equal(section_decode(json.data, json.size - 1, &got, NULL), -EPROTO);
    }
}

#define REF "sha1-0000000000000000000000000000000000000001"
#define NAMESPACE(members) \
    "{\"kind\":\"namespace\",\"sequence\":1,\"root\":\"" REF "\"," members "}"
#define CHECKPOINT(members) \
    "{\"kind\":\"checkpoint\",\"sequence\":1,\"root\":\"" REF "\"," members "}"

static void
damage_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "7",
        "{\"kind\":\"other\",\"sequence\":1,\"root\":\"" REF "\"}",
        "{\"kind\":\"namespace\",\"sequence\":-1,\"root\":\"" REF "\",\"name\":\"a\",\"owner\":1}",
        "{\"kind\":\"namespace\",\"sequence\":1,\"root\":\"sha1-\",\"name\":\"a\",\"owner\":1}",
        NAMESPACE("\"name\":\"\",\"owner\":1"),
        NAMESPACE("\"name\":\"a\\\"b\",\"owner\":1"),
        NAMESPACE("\"name\":\"a\\\\b\",\"owner\":1"),
        NAMESPACE("\"name\":\"a\\nb\",\"owner\":1"),
        NAMESPACE("\"name\":\"a\",\"owner\":-1"),
        NAMESPACE("\"name\":\"a\",\"owner\":4294967296"),
        NAMESPACE("\"name\":\"a\""),
        NAMESPACE("\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\","
                  "\"owner\":1"),
        CHECKPOINT("\"index\":0,\"timestamp\":1"),
        CHECKPOINT("\"index\":1,\"timestamp\":\"1\""),
        CHECKPOINT("\"index\":1,\"timestamp\":1e999"),
        CHECKPOINT("\"index\":1"),
        CHECKPOINT("\"index\":1,\"timestamp\":1,\"since\":\"blake2b-00\""),
        CHECKPOINT("\"index\":1,\"timestamp\":1,\"since\":7"),
    };
    static const char *const good[] = {
        NAMESPACE("\"name\":\"a\",\"owner\":1"),
        NAMESPACE("\"name\":\"a\",\"owner\":1,\"unknown\":[7]"),
        CHECKPOINT("\"index\":1,\"timestamp\":1"),
        CHECKPOINT("\"index\":1,\"timestamp\":1.5,\"since\":\"" REF "\""),
    };
    struct section s;
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (section_decode(bad[i], strlen(bad[i]), &s, &err) != -EPROTO || !err.text[0])
            fail_msg("%s", bad[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        if (section_decode(good[i], strlen(good[i]), &s, NULL) != 0)
            fail_msg("%s", good[i]);
    }
}

/* ---- one namespace of an archive ---- */

struct rig {
    struct made_archive archive;
    struct build *build;
    struct upload upload;
    struct intake intake;
    struct progress progress;
    struct section_pick pick;
    struct build_result result;
    struct err err;
};

static void
rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    made_archive_init(&r->archive, NULL);
    r->build = build_new(ALG);
    progress_init(&r->progress, "test", "restored", false, true);
    upload_init(&r->upload, NULL, ALG, 1);
    intake_init(&r->intake, r->build, &r->upload, &r->progress);
    r->intake.blob_size = 1000;
}

static void
rig_fini(struct rig *r)
{
    upload_fini(&r->upload);
    intake_fini(&r->intake);
    build_free(&r->build);
    made_archive_fini(&r->archive);
}

static void
begin_section(struct rig *r, const struct section *s)
{
    AUTO(buf) struct buf json = BUF_INIT;
    AUTO(buf) struct buf path = BUF_INIT;

    section_encode(s, &json);
    section_format_path(s, &path);
    assert_int_equal(
        archive_writer_attribute(r->archive.writer, EXACT_SECTION, json.data, json.size, NULL), 0);
    assert_int_equal(archive_writer_dir(r->archive.writer, buf_str(&path), NULL), 0);
}

static int
on_emit(void *arg UNUSED, const char *path UNUSED, const void *data UNUSED, size_t size UNUSED)
{
    return 0;
}

static int
pick(struct rig *r, const char *ns)
{
    static const struct build_ops ops = {on_emit, NULL, NULL};
    int rc;

    made_archive_close(&r->archive);
    lseek(r->archive.fd, 0, SEEK_SET);
    assert_int_equal(archive_reader_open(&r->intake.archive, r->archive.fd, NULL), 0);
    section_pick_init(&r->pick, ns, &r->intake);
    rc = intake_run(&r->intake, &r->err);
    archive_reader_free(&r->intake.archive);
    if (rc == 0)
        rc = section_pick_check(&r->pick, &r->err);
    return rc < 0 ? rc : build_finish(r->build, &ops, NULL, &r->result, &r->err);
}

static void
one_namespace_is_read(void **state UNUSED)
{
    const struct section one = make_namespace("one"), two = make_namespace("two/"),
                         checkpoint = make_checkpoint(1, false);
    struct rig r;

    rig_init(&r);
    begin_section(&r, &one);
    made_archive_file(&r.archive, "namespaces/one/a", "1", 1);
    begin_section(&r, &two);
    made_archive_file(&r.archive, "namespaces/two%2F/b", "22", 2);
    made_archive_file(&r.archive, "namespaces/two%2F/c", "333", 3);
    begin_section(&r, &checkpoint);
    made_archive_file(&r.archive, "checkpoints/1/d", "4444", 4);
    assert_int_equal(pick(&r, "two/"), 0);
    assert_int_equal(r.result.keys, 2);
    assert_int_equal(r.result.bytes, 5);
    assert_true(digest_equal(&r.pick.found.root, &two.root));
    rig_fini(&r);
}

static void
one_that_is_missing_or_twice_is_an_error(void **state UNUSED)
{
    const struct section one = make_namespace("one");
    struct rig r;

    rig_init(&r);
    begin_section(&r, &one);
    assert_int_equal(pick(&r, "two"), -ENOENT);
    assert_non_null(strstr(r.err.text, "two"));
    rig_fini(&r);
    rig_init(&r);
    begin_section(&r, &one);
    begin_section(&r, &one);
    assert_int_equal(pick(&r, "one"), -EPROTO);
    assert_non_null(strstr(r.err.text, "twice"));
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section_has_a_path_of_its_own),
        cmocka_unit_test(what_is_said_comes_back),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(one_namespace_is_read),
        cmocka_unit_test(one_that_is_missing_or_twice_is_an_error),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
