/* SPDX-License-Identifier: MPL-2.0 */
/* test_sd_notify.c - datagrams to a service manager: which addresses, which texts, and no waiting. */
#include "cmocka_all.h"
#include "sd_notify.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A service manager's end.  name: a path, or with '@' in front an abstract one. */
static int
listen_at(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memcpy(at.sun_path, name, len);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    else
        len++;
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
        0);
    return fd;
}

static void
expect(int fd, const char *text)
{
    char got[8192];
    ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

    assert_true(n >= 0);
    got[n] = '\0';
    assert_string_equal(got, text);
}

static void
a_datagram_comes_in_by_path(void **state UNUSED)
{
    char dir[] = "/tmp/xylem-sd-XXXXXX";
    AUTO(free) char *path = NULL;
    int fd;

    assert_non_null(mkdtemp(dir));
    path = xasprintf("%s/notify", dir);
    fd = listen_at(path);
    assert_int_equal(sd_notify_send(path, "READY=1\nSTATUS=all is well", 0), 0);
    assert_int_equal(sd_notify_send(path, "STOPPING=1", 1000), 0);
    expect(fd, "READY=1\nSTATUS=all is well");
    expect(fd, "STOPPING=1");
    close(fd);
    assert_int_equal(sd_notify_send(path, "STOPPING=1", 1000), -ECONNREFUSED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sd_notify_send(path, "STOPPING=1", 1000), -ENOENT);
    assert_int_equal(rmdir(dir), 0);
}

static void
a_datagram_comes_in_by_abstract_name(void **state UNUSED)
{
    AUTO(free) char *name = xasprintf("@xylem-sd-%ld", (long)getpid());
    int fd = listen_at(name);

    assert_int_equal(sd_notify_send(name, "READY=1", 0), 0);
    expect(fd, "READY=1");
    close(fd);
    assert_int_equal(sd_notify_send(name, "READY=1", 0), -ECONNREFUSED);
}

static void
other_addresses_are_refused(void **state UNUSED)
{
    char deep[200];

    memset(deep, 'x', sizeof(deep) - 1);
    deep[0] = '/';
    deep[sizeof(deep) - 1] = '\0';
    assert_int_equal(sd_notify_send(deep, "READY=1", 0), -EAFNOSUPPORT);
    assert_int_equal(sd_notify_send("relative/path", "READY=1", 0), -EAFNOSUPPORT);
    assert_int_equal(sd_notify_send("vsock:2:1234", "READY=1", 0), -EAFNOSUPPORT);
    assert_int_equal(sd_notify_send("@", "READY=1", 0), -EAFNOSUPPORT);
    assert_int_equal(sd_notify_send("", "READY=1", 0), -EAFNOSUPPORT);
}

static void
one_that_does_not_read_is_not_waited_for(void **state UNUSED)
{
    AUTO(free) char *name = xasprintf("@xylem-sd-%ld", (long)getpid());
    int fd = listen_at(name);
    int64_t began;
    int rc = 0;

    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = sd_notify_send(name, "STATUS=more", 0);
    assert_int_equal(rc, -EAGAIN);
    began = clock_ms();
    assert_int_equal(sd_notify_send(name, "STATUS=more", 50), -EAGAIN);
    assert_in_range(clock_ms() - began, 40, 20000);
    close(fd);
}

static void
the_address_is_in_the_environment(void **state UNUSED)
{
    unsetenv("NOTIFY_SOCKET");
    assert_null(sd_notify_socket());
    setenv("NOTIFY_SOCKET", "", 1);
    assert_null(sd_notify_socket());
    setenv("NOTIFY_SOCKET", "/run/notify", 1);
    assert_string_equal(sd_notify_socket(), "/run/notify");
    unsetenv("NOTIFY_SOCKET");
}

static void
a_value_is_one_line(void **state UNUSED)
{
    char longest[SD_NOTIFY_LINE_MAX + 2];

    assert_true(sd_notify_is_value(""));
    assert_true(sd_notify_is_value("größe = 5 \"x\" \\n"));
    assert_false(sd_notify_is_value("fine\nMAINPID=1"));
    assert_false(sd_notify_is_value("\r"));
    assert_false(sd_notify_is_value("\033[2J"));
    assert_false(sd_notify_is_value("\x7f"));
    memset(longest, 'x', sizeof(longest));
    longest[SD_NOTIFY_LINE_MAX + 1] = '\0';
    assert_false(sd_notify_is_value(longest));
    longest[SD_NOTIFY_LINE_MAX] = '\0';
    assert_true(sd_notify_is_value(longest));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_comes_in_by_path),
        cmocka_unit_test(a_datagram_comes_in_by_abstract_name),
        cmocka_unit_test(other_addresses_are_refused),
        cmocka_unit_test(one_that_does_not_read_is_not_waited_for),
        cmocka_unit_test(the_address_is_in_the_environment),
        cmocka_unit_test(a_value_is_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
