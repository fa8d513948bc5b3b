/* SPDX-License-Identifier: MPL-2.0 */
/* test_metric_page.c - does xylem-stats(7) list the rows of metric_table.h?
 * The argument is the page.  When it does not, the rows it should have are printed: put them between
 * its two marks. */
#include "buf.h"
#include "metric.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BEGIN ".\\\" BEGIN ROWS\n"
#define END ".\\\" END ROWS\n"
#define PAGE_MAX ((size_t)1 << 20)

static const char *page_path;

static void
write_rows(struct buf *out)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const struct metric_info *info = metric_info(id);

        buf_printf(out, ".It Li %s Ta %s Ta %s Ta \"%s\"\n", info->name,
                   metric_kind_name(info->kind), metric_unit_name(info->unit), info->help);
    }
}

static void
read_page(struct buf *out)
{
    int fd = open(page_path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(buf_read_fd(out, fd, PAGE_MAX), 0);
    close(fd);
}

static void
the_page_has_the_rows_of_the_table(void **state UNUSED)
{
    AUTO(buf) struct buf page = BUF_INIT;
    AUTO(buf) struct buf rows = BUF_INIT;
    const char *begin;
    const char *end;

    read_page(&page);
    write_rows(&rows);
    begin = strstr(buf_str(&page), BEGIN);
    assert_non_null(begin);
    begin += strlen(BEGIN);
    end = strstr(begin, END);
    assert_non_null(end);
    if ((size_t)(end - begin) == rows.size && memcmp(begin, rows.data, rows.size) == 0)
        return;
    printf("The rows should be\n%s%s%s", BEGIN, buf_str(&rows), END);
    fail();
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_the_rows_of_the_table),
    };

    if (argc != 2)
        return 1;
    page_path = argv[1];
    return cmocka_run_group_tests_name("metric_page", tests, NULL, NULL);
}
