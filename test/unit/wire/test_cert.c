/* SPDX-License-Identifier: MPL-2.0 */
/* test_cert.c - certificates: what is written comes back, and what is not right is refused. */
#include "cmocka_all.h"

#include "cert.h"
#include "xmem.h"

#include <czmq.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test-cert-XXXXXX";

static int
make_dir(void **state UNUSED)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state UNUSED)
{
    return rmdir(dir); // every test removes what it made
}

static char *
in_dir(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static void
write_text(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static mode_t
mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void
a_new_pair_is_a_pair(void **state UNUSED)
{
    struct cert a;
    struct cert b;
    char derived[CERT_KEY_SIZE];

    cert_generate(&a);
    cert_generate(&b);
    assert_true(cert_is_key(a.public_key));
    assert_true(cert_is_key(a.secret_key));
    assert_string_not_equal(a.secret_key, b.secret_key);
    assert_int_equal(zmq_curve_public(derived, a.secret_key), 0);
    assert_string_equal(derived, a.public_key);
    cert_wipe(&a);
    assert_string_equal(a.secret_key, "");
}

static void
what_was_saved_is_loaded(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("whole");
    struct cert other;
    struct cert saved;
    struct cert loaded;

    umask(0);
    cert_generate(&saved);
    cert_generate(&other);
    strcpy(saved.name, "build farm #7");
    strcpy(saved.server_key, other.public_key);
    assert_int_equal(cert_save(&saved, CERT_WHOLE, path, false, NULL), 0);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(cert_load(&loaded, path, NULL), 0);
    assert_memory_equal(&loaded, &saved, sizeof(loaded));
    assert_int_equal(cert_load_public(&loaded, path, NULL), 0);
    assert_string_equal(loaded.secret_key, "");
    assert_string_equal(loaded.public_key, saved.public_key);
    assert_string_equal(loaded.name, saved.name);
    unlink(path);
}

static void
the_public_part_has_no_secret(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("public");
    char text[4096] = "";
    struct cert saved;
    struct cert loaded;
    struct err err;
    FILE *f;

    umask(077);
    cert_generate(&saved);
    assert_int_equal(cert_save(&saved, CERT_PUBLIC, path, false, NULL), 0);
    assert_int_equal(mode_of(path), 0644);
    f = fopen(path, "r");
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    assert_null(strstr(text, saved.secret_key));
    assert_int_equal(cert_load_public(&loaded, path, NULL), 0);
    assert_string_equal(loaded.public_key, saved.public_key);
    assert_int_equal(cert_load(&loaded, path, &err), -EINVAL);
    assert_non_null(strstr(err.text, "no secret-key"));
    assert_non_null(strstr(err.text, path));
    unlink(path);
}

/* Every pair has another mixture of the 85 characters. */
static void
any_pair_survives_the_file(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("many");

    for (int i = 0; i < 100; i++) {
        struct cert saved;
        struct cert loaded;

        cert_generate(&saved);
        assert_int_equal(cert_save(&saved, CERT_WHOLE, path, true, NULL), 0);
        assert_int_equal(cert_load(&loaded, path, NULL), 0);
        assert_memory_equal(&loaded, &saved, sizeof(loaded));
    }
    unlink(path);
}

static void
nothing_is_overwritten_unless_forced(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("precious");
    struct cert c;
    struct err err;

    write_text(path, "precious", 0644);
    cert_generate(&c);
    assert_int_equal(cert_save(&c, CERT_WHOLE, path, false, &err), -EEXIST);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(cert_load(&c, path, NULL), -EINVAL); // as it was
    assert_int_equal(mode_of(path), 0644);
    cert_generate(&c);
    assert_int_equal(cert_save(&c, CERT_WHOLE, path, true, NULL), 0);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(cert_load(&c, path, NULL), 0);
    unlink(path); // and nothing else is in the folder: see remove_dir()
}

static void
a_folder_that_is_not_there_is_told(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("no/such/folder");
    struct cert c;
    struct err err;

    cert_generate(&c);
    assert_int_equal(cert_save(&c, CERT_WHOLE, path, false, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(cert_load(&c, path, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(cert_load(&c, dir, &err), -EINVAL);
    assert_non_null(strstr(err.text, "regular"));
}

static void
a_secret_that_others_may_read_is_refused(void **state UNUSED)
{
    static const mode_t bad[] = {0640, 0604, 0644, 0620, 0602, 0666, 0610, 0601};
    static const mode_t good[] = {0600, 0400, 0700};
    AUTO(free) char *path = in_dir("mode");
    struct cert c;
    struct err err;

    cert_generate(&c);
    assert_int_equal(cert_save(&c, CERT_WHOLE, path, false, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        chmod(path, bad[i]);
        assert_int_equal(cert_load(&c, path, &err), -EPERM);
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, "chmod 600"));
        assert_string_equal(c.public_key, "");
    }
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        chmod(path, good[i]);
        assert_int_equal(cert_load(&c, path, NULL), 0);
    }
    unlink(path);
}

static void
a_public_key_that_others_may_change_is_refused(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("mode.pub");
    struct cert c;
    struct err err;

    cert_generate(&c);
    assert_int_equal(cert_save(&c, CERT_PUBLIC, path, false, NULL), 0);
    chmod(path, 0664);
    assert_int_equal(cert_load_public(&c, path, &err), -EPERM);
    assert_non_null(strstr(err.text, "chmod go-w"));
    chmod(path, 0646);
    assert_int_equal(cert_load_public(&c, path, NULL), -EPERM);
    chmod(path, 0644);
    assert_int_equal(cert_load_public(&c, path, NULL), 0);
    unlink(path);
}

/* As another user: in a process of its own.  cmocka's assertions do not work there. */
static int
load_as(uid_t uid, const char *path, bool whole)
{
    struct cert c;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(200);
        _exit(-(whole ? cert_load(&c, path, NULL) : cert_load_public(&c, path, NULL)));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

static void
files_of_other_users_are_refused(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("owned");
    struct cert c;

    if (geteuid() != 0) {
        print_message("skipped: changing a file's owner needs root\n");
        skip();
    }
    cert_generate(&c);
    assert_int_equal(cert_save(&c, CERT_WHOLE, path, false, NULL), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    /* Root's, readable by a group: fine for the group, but not when it is readable by all. */
    assert_int_equal(chown(path, 0, 65533), 0);
    chmod(path, 0440);
    assert_int_equal(load_as(65533, path, true), 0);
    assert_int_equal(load_as(65534, path, true), -EACCES);
    chmod(path, 0444);
    assert_int_equal(load_as(65533, path, true), -EPERM);
    assert_int_equal(load_as(65533, path, false), 0);
    /* A third one's: neither. */
    assert_int_equal(chown(path, 65532, 65533), 0);
    assert_int_equal(load_as(65533, path, false), -EPERM);
    assert_int_equal(cert_load_public(&c, path, NULL), -EPERM);
    unlink(path);
}

struct bad_file {
    const char *text;
    const char *why; // is in the error's text
};

static void
malformed_files_are_refused(void **state UNUSED)
{
    static const struct bad_file bad[] = {
        {"", "no public-key"},
        {"hello\n", "not a certificate"},
        {"curve\n", "no public-key"},
        {"\x7f"
         "ELF\x01\x02",
         "not a certificate"},
        {"curve\n    public-key = \"abc\"\n", "public-key is no key"},
        {"curve\n    public-key = \"0123456789012345678901234567890123456789"
         "0123456789\"\n",
         "public-key is no key"},
        {"curve\n    public-key = \"\\\\\\\\\\678901234567890123456789012345678\"\n",
         "public-key is no key"},
        /* five characters that are more than 32 bits */
        {"curve\n    public-key = \"#####67890123456789012345678901234567890\"\n",
         "public-key is no key"},
        {"    public-key = \"x\"\n", "(line 1)"},
        {"curve\n    public-key = \"x\n", "(line 2)"},
        {"curve\n    public-key x\n", "(line 2)"},
        {"curve\n    = x\n", "(line 2)"},
        {"metadata\n    server-key = \"abc\"\n", "server-key is no key"},
        {"metadata\n    name = \"a\tb\"\n", "name"},
    };
    AUTO(free) char *path = in_dir("bad");

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct cert c;
        struct err err = {0};

        write_text(path, bad[i].text, 0600);
        if (cert_load(&c, path, &err) != -EINVAL || !strstr(err.text, bad[i].why))
            fail_msg("%zu: %s", i, err.text);
        assert_non_null(strstr(err.text, path));
        assert_int_equal(cert_load_public(&c, path, NULL), -EINVAL);
    }
    unlink(path);
}

static void
long_names_are_refused(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("long");
    AUTO(free) char *text = xasprintf("metadata\n    name = \"%064d\"\n", 7);
    struct cert c;

    write_text(path, text, 0600);
    assert_int_equal(cert_load(&c, path, NULL), -EINVAL);
    assert_true(cert_is_name("a b-c.7"));
    assert_false(cert_is_name(""));
    assert_false(cert_is_name("say \"hi\""));
    assert_false(cert_is_name("new\nline"));
    unlink(path);
}

static void
huge_files_are_not_read(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("huge");
    struct cert c;

    write_text(path, "", 0600);
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    assert_int_equal(cert_load(&c, path, NULL), -EFBIG);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(cert_load(&c, path, NULL), -EINVAL);
    unlink(path);
}

static void
a_fifo_does_not_hang(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("fifo");
    struct cert c;

    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(cert_load(&c, path, NULL), -EINVAL);
    unlink(path);
}

static void
keys_of_different_pairs_are_refused(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("mixed");
    struct cert a;
    struct cert b;
    struct err err;

    cert_generate(&a);
    cert_generate(&b);
    strcpy(a.secret_key, b.secret_key);
    assert_int_equal(cert_save(&a, CERT_WHOLE, path, false, NULL), 0);
    assert_int_equal(cert_load(&a, path, &err), -EINVAL);
    assert_non_null(strstr(err.text, "belong together"));
    assert_string_equal(a.secret_key, "");
    unlink(path);
}

/* What CZMQ's own programs write. */
static void
zcert_files_are_read(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("zcert");
    zcert_t *z = zcert_new();
    struct cert c;

    zcert_set_meta(z, "name", "made by zcert");
    assert_int_equal(zcert_save_secret(z, path), 0);
    chmod(path, 0600);
    assert_int_equal(cert_load(&c, path, NULL), 0);
    assert_string_equal(c.public_key, zcert_public_txt(z));
    assert_string_equal(c.secret_key, zcert_secret_txt(z));
    assert_string_equal(c.name, "made by zcert");
    zcert_destroy(&z);
    unlink(path);
    /* And the other way. */
    assert_int_equal(cert_save(&c, CERT_WHOLE, path, false, NULL), 0);
    z = zcert_load(path);
    assert_non_null(z);
    assert_string_equal(c.secret_key, zcert_secret_txt(z));
    zcert_destroy(&z);
    unlink(path);
}

/* As an editor may leave it. */
static void
other_ways_to_write_it_are_read(void **state UNUSED)
{
    AUTO(free) char *path = in_dir("edited");
    AUTO(free) char *text = NULL;
    struct cert saved;
    struct cert c;

    cert_generate(&saved);
    text = xasprintf("# comment\r\n\r\n  \t\r\nversion = 1\r\nmetadata\r\n\tmail='a@b'\r\n"
                     "    name = plain\r\n    # more\r\ncurve\r\n"
                     "\tsecret-key='%s'\r\n public-key =%s\r\nother\n    public-key = \"\"",
                     saved.secret_key, saved.public_key);
    write_text(path, text, 0600);
    assert_int_equal(cert_load(&c, path, NULL), 0);
    assert_string_equal(c.secret_key, saved.secret_key);
    assert_string_equal(c.public_key, saved.public_key);
    assert_string_equal(c.name, "plain");
    unlink(path);
}

static void
sockets_take_them(void **state UNUSED)
{
    struct cert c;
    struct cert server;
    void *context = zmq_ctx_new();
    void *router = zmq_socket(context, ZMQ_ROUTER);
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    char key[CERT_KEY_SIZE];
    size_t size = sizeof(key);

    cert_generate(&c);
    cert_generate(&server);
    assert_int_equal(cert_apply_server(&c, router, "rank 3"), 0);
    assert_int_equal(cert_apply_client(&c, dealer, NULL), 0);
    assert_int_equal(zmq_getsockopt(dealer, ZMQ_CURVE_SERVERKEY, key, &size), 0);
    assert_string_equal(key, c.public_key);
    strcpy(c.server_key, server.public_key);
    assert_int_equal(cert_apply_client(&c, dealer, NULL), 0);
    assert_int_equal(zmq_getsockopt(dealer, ZMQ_CURVE_SERVERKEY, key, &size), 0);
    assert_string_equal(key, server.public_key);
    assert_int_equal(cert_apply_client(&c, dealer, c.public_key), 0);
    assert_int_equal(zmq_getsockopt(dealer, ZMQ_CURVE_SERVERKEY, key, &size), 0);
    assert_string_equal(key, c.public_key);
    strcpy(c.server_key, "nonsense");
    assert_int_equal(cert_apply_client(&c, dealer, NULL), -EINVAL);
    zmq_close(router);
    zmq_close(dealer);
    zmq_ctx_term(context);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_pair_is_a_pair),
        cmocka_unit_test(what_was_saved_is_loaded),
        cmocka_unit_test(the_public_part_has_no_secret),
        cmocka_unit_test(any_pair_survives_the_file),
        cmocka_unit_test(nothing_is_overwritten_unless_forced),
        cmocka_unit_test(a_folder_that_is_not_there_is_told),
        cmocka_unit_test(a_secret_that_others_may_read_is_refused),
        cmocka_unit_test(a_public_key_that_others_may_change_is_refused),
        cmocka_unit_test(files_of_other_users_are_refused),
        cmocka_unit_test(malformed_files_are_refused),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(huge_files_are_not_read),
        cmocka_unit_test(a_fifo_does_not_hang),
        cmocka_unit_test(keys_of_different_pairs_are_refused),
        cmocka_unit_test(zcert_files_are_read),
        cmocka_unit_test(other_ways_to_write_it_are_read),
        cmocka_unit_test(sockets_take_them),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
