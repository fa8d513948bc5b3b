/* SPDX-License-Identifier: MPL-2.0 */
/* The ending of a file name chooses the format, and only known endings do. */
#include "archive_format.h"

#include "cmocka_all.h"

static void
every_ending_of_the_manual_is_known(void **state UNUSED)
{
    static const struct archive_format expected[] = {
        {"x.tar", CONTAINER_TAR, FILTER_NONE},     {"x.tgz", CONTAINER_TAR, FILTER_GZIP},
        {"x.tar.gz", CONTAINER_TAR, FILTER_GZIP},  {"x.tar.bz2", CONTAINER_TAR, FILTER_BZIP2},
        {"x.tar.xz", CONTAINER_TAR, FILTER_XZ},    {"x.txz", CONTAINER_TAR, FILTER_XZ},
        {"x.tar.zst", CONTAINER_TAR, FILTER_ZSTD}, {"x.tar.lz4", CONTAINER_TAR, FILTER_LZ4},
        {"x.zip", CONTAINER_ZIP, FILTER_NONE},     {"x.cpio", CONTAINER_CPIO, FILTER_NONE},
        {"x.7z", CONTAINER_7ZIP, FILTER_NONE},     {"/a.tar/b.iso", CONTAINER_ISO, FILTER_NONE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        const struct archive_format *f = NULL;

        assert_int_equal(archive_format_by_path(expected[i].extension, &f, NULL), 0);
        assert_int_equal(f->container, expected[i].container);
        assert_int_equal(f->filter, expected[i].filter);
    }
}

static void
unknown_ending_lists_the_known_ones(void **state UNUSED)
{
    static const char *const names[] = {"x",     "tar",  ".tar", "x.rar", "x.tar.lzma",
                                        "x.TAR", "x.ar", "x.gz", "",      "x.tar/y"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct archive_format *f = NULL;
        struct err err = {0};

        assert_int_equal(archive_format_by_path(names[i], &f, &err), -EINVAL);
        assert_null(f);
        assert_non_null(strstr(err.text, ".tar .tgz .tar.gz"));
        assert_non_null(strstr(err.text, ".iso"));
    }
}

static void
standard_output_is_plain_tar(void **state UNUSED)
{
    assert_int_equal(archive_format_tar()->container, CONTAINER_TAR);
    assert_int_equal(archive_format_tar()->filter, FILTER_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ending_of_the_manual_is_known),
        cmocka_unit_test(unknown_ending_lists_the_known_ones),
        cmocka_unit_test(standard_output_is_plain_tar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
