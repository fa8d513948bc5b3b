/* SPDX-License-Identifier: MPL-2.0 */
/* test_keyring.c - keys by hand and from a directory, which changes. */
#include "cmocka_all.h"

#include "keyring.h"
#include "xmem.h"

#include <czmq.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/test-keyring-XXXXXX";
static int64_t now; // what the keyring is told

static int
make_dir(void **state UNUSED)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state UNUSED)
{
    return rmdir(dir);
}

/* The directory looks as if nothing had happened to it for long: then it is not read without cause. */
static void
age_dir(int seconds)
{
    struct timespec times[2];

    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, dir, times, 0), 0);
}

static void
put_file(const char *name, const struct cert *c)
{
    AUTO(free) char *path = xasprintf("%s/%s", dir, name);

    assert_int_equal(cert_save(c, CERT_PUBLIC, path, true, NULL), 0);
}

static void
remove_file(const char *name)
{
    AUTO(free) char *path = xasprintf("%s/%s", dir, name);

    assert_int_equal(unlink(path), 0);
}

static const char *
find(const struct keyring *k, const struct cert *c)
{
    uint8_t key[CERT_KEY_BYTES];

    assert_non_null(zmq_z85_decode(key, c->public_key));
    return keyring_find(k, key);
}

static void
refresh_later(struct keyring *k)
{
    now += KEYRING_LOOK_MS;
    keyring_refresh(k, now);
}

static void
added_keys_are_found(void **state UNUSED)
{
    struct keyring *k = keyring_new(NULL);
    struct cert a;
    struct cert b;

    cert_generate(&a);
    cert_generate(&b);
    assert_null(find(k, &a));
    assert_int_equal(keyring_add(k, a.public_key, "a"), 0);
    assert_int_equal(keyring_add(k, a.public_key, "again"), 0);
    assert_string_equal(find(k, &a), "a");
    assert_null(find(k, &b));
    assert_int_equal(keyring_add(k, "no key", "x"), -EINVAL);
    assert_int_equal(keyring_count(k), 1);
    keyring_refresh(k, 0);
    assert_int_equal(keyring_count(k), 1);
    keyring_free(&k);
    assert_null(k);
}

static void
files_come_and_go(void **state UNUSED)
{
    struct keyring *k = keyring_new(dir);
    struct cert a;
    struct cert b;

    cert_generate(&a);
    cert_generate(&b);
    put_file("alice.pub", &a);
    assert_null(find(k, &a)); // not read yet
    refresh_later(k);
    assert_string_equal(find(k, &a), "alice.pub");
    put_file("bob", &b);
    refresh_later(k);
    assert_string_equal(find(k, &b), "bob");
    remove_file("alice.pub");
    refresh_later(k);
    assert_null(find(k, &a));
    assert_string_equal(find(k, &b), "bob");
    remove_file("bob");
    refresh_later(k);
    assert_int_equal(keyring_count(k), 0);
    keyring_free(&k);
}

static void
it_is_looked_at_once_in_a_while(void **state UNUSED)
{
    struct keyring *k = keyring_new(dir);
    struct cert a;

    cert_generate(&a);
    refresh_later(k);
    put_file("a", &a);
    keyring_refresh(k, now + KEYRING_LOOK_MS - 1);
    assert_null(find(k, &a));
    keyring_refresh(k, now + KEYRING_LOOK_MS);
    assert_non_null(find(k, &a));
    now += KEYRING_LOOK_MS;
    remove_file("a");
    keyring_free(&k);
}

/* A change in place does not show in the directory: that the old key is still there shows that nothing was
 * read. */
static void
it_is_read_only_when_it_has_changed(void **state UNUSED)
{
    struct keyring *k = keyring_new(dir);
    AUTO(free) char *path = xasprintf("%s/%s", dir, "a");
    struct cert a;

    cert_generate(&a);
    put_file("a", &a);
    age_dir(100);
    refresh_later(k);
    assert_int_equal(truncate(path, 0), 0);
    refresh_later(k);
    refresh_later(k);
    assert_non_null(find(k, &a));
    age_dir(50); // now it has another time
    refresh_later(k);
    assert_null(find(k, &a));
    remove_file("a");
    keyring_free(&k);
}

/* Within the tick of the file system's clock. */
static void
a_change_right_behind_is_seen(void **state UNUSED)
{
    struct keyring *k = keyring_new(dir);
    struct timespec times[2];
    struct stat st;
    struct cert a;

    cert_generate(&a);
    put_file("a", &a);
    refresh_later(k);
    assert_non_null(find(k, &a));
    assert_int_equal(stat(dir, &st), 0);
    remove_file("a");
    times[0] = times[1] = st.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, dir, times, 0), 0);
    refresh_later(k);
    assert_null(find(k, &a));
    keyring_free(&k);
}

static void
a_directory_may_come_later_and_go(void **state UNUSED)
{
    AUTO(free) char *path = xasprintf("%s/later", dir);
    AUTO(free) char *file = xasprintf("%s/later/a", dir);
    struct keyring *k = keyring_new(path);
    struct cert a;

    cert_generate(&a);
    refresh_later(k);
    assert_int_equal(keyring_count(k), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(cert_save(&a, CERT_PUBLIC, file, false, NULL), 0);
    refresh_later(k);
    assert_non_null(find(k, &a));
    unlink(file);
    rmdir(path);
    refresh_later(k);
    assert_null(find(k, &a));
    keyring_free(&k);
}

static void
what_is_no_key_is_left_out(void **state UNUSED)
{
    static const char *const ignored[] = {".hidden", "old~", "mine_secret", "writable"};
    struct keyring *k = keyring_new(dir);
    AUTO(free) char *garbage = xasprintf("%s/garbage", dir);
    AUTO(free) char *folder = xasprintf("%s/folder", dir);
    AUTO(free) char *nowhere = xasprintf("%s/nowhere", dir);
    AUTO(free) char *writable = xasprintf("%s/writable", dir);
    struct cert c[ARRAY_SIZE(ignored)];
    struct cert a;
    FILE *f;

    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
        cert_generate(&c[i]);
        put_file(ignored[i], &c[i]);
    }
    assert_int_equal(chmod(writable, 0666), 0);
    assert_non_null(f = fopen(garbage, "w"));
    fputs("public key, honest", f);
    fclose(f);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink("no-such-file", nowhere), 0);
    cert_generate(&a);
    put_file("a", &a);
    refresh_later(k);
    assert_int_equal(keyring_count(k), 1);
    assert_non_null(find(k, &a));
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        remove_file(ignored[i]);
    remove_file("garbage");
    remove_file("nowhere");
    remove_file("a");
    rmdir(folder);
    keyring_free(&k);
}

static void
without_descriptors_keys_stay(void **state UNUSED)
{
    struct keyring *k = keyring_new(dir);
    struct rlimit old;
    struct rlimit few;
    struct cert a;
    struct cert b;

    cert_generate(&a);
    cert_generate(&b);
    put_file("a", &a);
    refresh_later(k);
    put_file("b", &b);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    for (few.rlim_cur = 3; few.rlim_cur < 6; few.rlim_cur++) { // the directory, or a file in it
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        refresh_later(k);
        assert_non_null(find(k, &a));
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    refresh_later(k);
    assert_non_null(find(k, &b));
    remove_file("a");
    remove_file("b");
    keyring_free(&k);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_keys_are_found),
        cmocka_unit_test(files_come_and_go),
        cmocka_unit_test(it_is_looked_at_once_in_a_while),
        cmocka_unit_test(it_is_read_only_when_it_has_changed),
        cmocka_unit_test(a_change_right_behind_is_seen),
        cmocka_unit_test(a_directory_may_come_later_and_go),
        cmocka_unit_test(what_is_no_key_is_left_out),
        cmocka_unit_test(without_descriptors_keys_stay),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
