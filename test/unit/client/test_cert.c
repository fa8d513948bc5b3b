/* SPDX-License-Identifier: MPL-2.0 */
/* test_cert.c - clients with a certificate, without one, and with a wrong one: who is let in, and what the
 * others are told, soon. */
#include "cmocka_all.h"

#include "actor.h"
#include "cert.h"
#include "clock.h"
#include "fake_rank.h"
#include "xmem.h"
#include "xylem.h"
#include "zap.h"

#include <czmq.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOON_MS 8000 // before the time for an answer is over

static char dir[] = "/tmp/test-client-cert-XXXXXX";
static struct cert instance; // the ranks' certificate
static struct cert client;   // another one, that knows the ranks' key
static char *instance_path;
static char *client_path;
static char error[XYLEM_ERROR_MAX];

static int
make_files(void **state UNUSED)
{
    actor_process_init();
    unsetenv("XYLEM_CERT");
    unsetenv("XYLEM_URI");
    if (!mkdtemp(dir))
        return -1;
    instance_path = xasprintf("%s/instance", dir);
    client_path = xasprintf("%s/client", dir);
    cert_generate(&instance);
    cert_generate(&client);
    strcpy(client.server_key, instance.public_key);
    return cert_save(&instance, CERT_WHOLE, instance_path, false, NULL) +
           cert_save(&client, CERT_WHOLE, client_path, false, NULL);
}

static int
remove_files(void **state UNUSED)
{
    unlink(instance_path);
    unlink(client_path);
    free(instance_path);
    free(client_path);
    zsys_shutdown();
    return rmdir(dir);
}

static void
serve_nothing(struct fake_rank *f, struct msg *request)
{
    fake_rank_reply_text(f, request, ENOSYS, "nothing is served");
}

static void
opens(const char *uri, const char *cert)
{
    xylem_t *x = NULL;

    error[0] = '\0';
    assert_int_equal(xylem_open(&x, uri, cert, error), 0);
    xylem_close(x);
}

/* It takes no longer than SOON_MS, and the text names the URI and contains `why`. */
static void
fails(int rc, const char *why, const char *uri, const char *cert)
{
    int64_t start = clock_ms();
    xylem_t *x;

    assert_int_equal(xylem_open(&x, uri, cert, error), rc);
    assert_true(clock_ms() - start < SOON_MS);
    if (!strstr(error, why))
        fail_msg("not '%s' in: %s", why, error);
}

static void
the_certificate_of_the_instance_gets_in(void **state UNUSED)
{
    struct fake_rank *f = fake_rank_start_tcp(&instance, serve_nothing, NULL);

    opens(fake_rank_uri(f), instance_path);
    opens(fake_rank_uri(f), client_path);
    fake_rank_stop(&f);
}

static void
the_environment_names_it(void **state UNUSED)
{
    struct fake_rank *secure = fake_rank_start_tcp(&instance, serve_nothing, NULL);
    struct fake_rank *plain = fake_rank_start_tcp(NULL, serve_nothing, NULL);

    setenv("XYLEM_CERT", instance_path, 1);
    opens(fake_rank_uri(secure), NULL);
    setenv("XYLEM_CERT", "", 1);
    opens(fake_rank_uri(plain), NULL);
    unsetenv("XYLEM_CERT");
    opens(fake_rank_uri(plain), NULL);
    fake_rank_stop(&secure);
    fake_rank_stop(&plain);
}

static void
without_a_certificate_it_is_told_to_have_one(void **state UNUSED)
{
    struct fake_rank *f = fake_rank_start_tcp(&instance, serve_nothing, NULL);

    fails(-EPERM, "wants a certificate", fake_rank_uri(f), NULL);
    assert_non_null(strstr(error, fake_rank_uri(f)));
    fake_rank_stop(&f);
}

/* No messages go to a rank that cannot prove to have the key. */
static void
the_wrong_rank_is_not_talked_to(void **state UNUSED)
{
    struct fake_rank *f;
    struct cert other;

    cert_generate(&other);
    f = fake_rank_start_tcp(&other, serve_nothing, NULL);
    fails(-EPERM, "server-key", fake_rank_uri(f), client_path);
    assert_non_null(strstr(error, client_path));
    assert_non_null(strstr(error, fake_rank_uri(f)));
    fails(-EPERM, "server-key", fake_rank_uri(f), instance_path);
    fake_rank_stop(&f);
}

static void
a_rank_without_curve_is_not_talked_to(void **state UNUSED)
{
    struct fake_rank *f = fake_rank_start_tcp(NULL, serve_nothing, NULL);

    fails(-EPERM, "takes no certificate", fake_rank_uri(f), client_path);
    assert_non_null(strstr(error, client_path));
    fake_rank_stop(&f);
}

static void
an_unknown_key_is_told_so(void **state UNUSED)
{
    const char *keys[] = {instance.public_key};
    const struct zap_conf conf = {"rank 0", keys, ARRAY_SIZE(keys), NULL};
    zsock_t *router = zsock_new(ZMQ_ROUTER);
    char uri[256];
    size_t size = sizeof(uri);
    struct zap *z;

    assert_int_equal(zap_open(&z, &conf, NULL), 0);
    assert_int_equal(cert_apply_server(&instance, zsock_resolve(router), zap_domain(z)), 0);
    assert_int_equal(zmq_bind(zsock_resolve(router), "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(zsock_resolve(router), ZMQ_LAST_ENDPOINT, uri, &size), 0);
    fails(-EPERM, "does not know the key in", uri, client_path);
    assert_non_null(strstr(error, client_path));
    assert_non_null(strstr(error, uri));
    assert_int_equal(zap_stats(z).refused, 1);
    zsock_destroy(&router);
    zap_close(&z);
}

static void
beyond_this_host_there_is_none_without(void **state UNUSED)
{
    int64_t start = clock_ms();

    fails(-EPERM, "a certificate is needed", "tcp://192.0.2.1:7777", NULL);
    assert_non_null(strstr(error, "tcp://192.0.2.1:7777"));
    fails(-EPERM, "a certificate is needed", "tcp://node7.example.org:7777", NULL);
    assert_true(clock_ms() - start < 1000); // nothing was tried
}

static void
useless_certificates_are_told(void **state UNUSED)
{
    AUTO(free) char *path = xasprintf("%s/useless", dir);
    struct cert c = instance;

    fails(-ENOENT, path, "tcp://127.0.0.1:9", path);
    assert_int_equal(cert_save(&c, CERT_PUBLIC, path, false, NULL), 0);
    fails(-EINVAL, "no secret-key", "tcp://127.0.0.1:9", path);
    assert_int_equal(cert_save(&c, CERT_WHOLE, path, true, NULL), 0);
    chmod(path, 0644);
    fails(-EPERM, "others may", "tcp://127.0.0.1:9", path);
    unlink(path);
}

static void
nobody_there_is_no_matter_of_certificates(void **state UNUSED)
{
    fails(-ECONNREFUSED, "no rank listens", "tcp://127.0.0.1:9", client_path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_of_the_instance_gets_in),
        cmocka_unit_test(the_environment_names_it),
        cmocka_unit_test(without_a_certificate_it_is_told_to_have_one),
        cmocka_unit_test(the_wrong_rank_is_not_talked_to),
        cmocka_unit_test(a_rank_without_curve_is_not_talked_to),
        cmocka_unit_test(an_unknown_key_is_told_so),
        cmocka_unit_test(beyond_this_host_there_is_none_without),
        cmocka_unit_test(useless_certificates_are_told),
        cmocka_unit_test(nobody_there_is_no_matter_of_certificates),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
