/* SPDX-License-Identifier: MPL-2.0 */
/* test_boot.c - endpoints: which are taken, and how a wrong one is named; who a rank is, and where it
 * listens, without a launcher and with one. */
#include "cmocka_all.h"

#include "boot.h"
#include "buf.h"
#include "card.h"
#include "greeting.h"
#include "xmem.h"

#include <stdio.h>
#include <unistd.h>

#define BOTH -1

static const struct boot_asked nothing = {
    .method = BOOT_FIND, .rank = -1, .size = -1, .fanout = 2, .stop = -1, .timeout_ms = 200};

static const struct {
    const char *uri;
    int use; // enum boot_use that takes it, or BOTH
} good[] = {
    {"ipc:///tmp/x", BOTH},
    {"tcp://127.0.0.1:1", BOTH},
    {"tcp://127.1.2.3:65535", BOTH},
    {"tcp://localhost:7000", BOOT_CONNECT},
    {"tcp://[::1]:7000", BOTH},
    {"tcp://127.0.0.1:0", BOOT_LISTEN},
    {"tcp://127.0.0.1:*", BOOT_LISTEN},
};

static void
good_endpoints_are_taken(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        for (int use = BOOT_LISTEN; use <= BOOT_CONNECT; use++) {
            bool taken = good[i].use == BOTH || good[i].use == use;

            assert_int_equal(boot_check(good[i].uri, (enum boot_use)use, false, NULL),
                             taken ? 0 : -EINVAL);
        }
    }
}

static void
wrong_ports_are_refused(void **state UNUSED)
{
    static const char *const wrong[] = {
        "tcp://127.0.0.1:99999", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:",      "tcp://127.0.0.1:7x",    "tcp://127.0.0.1:**",
        "tcp://[::1]:70000",     "tcp://127.0.0.1: 7000", "tcp://127.0.0.1:99999999999999999999",
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(boot_check(wrong[i], BOOT_LISTEN, false, &err), -EINVAL);
        assert_non_null(strstr(err.text, wrong[i]));
        assert_non_null(strstr(err.text, "0 to 65535, or *"));
        assert_int_equal(boot_check(wrong[i], BOOT_CONNECT, true, &err), -EINVAL);
        assert_non_null(strstr(err.text, "1 to 65535"));
    }
}

static void
names_cannot_be_bound(void **state UNUSED)
{
    static const char *const names[] = {"tcp://localhost:7000", "tcp://node7:80", "tcp://a.b:*"};
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(boot_check(names[i], BOOT_LISTEN, true, &err), -EINVAL);
        assert_non_null(strstr(err.text, names[i]));
        assert_non_null(strstr(err.text, "not at a name"));
    }
}

static void
other_addresses_need_a_certificate(void **state UNUSED)
{
    static const char *const beyond[] = {"tcp://10.0.0.1:7000", "tcp://*:7000", "tcp://lo:80"};

    for (size_t i = 0; i < ARRAY_SIZE(beyond); i++) {
        assert_int_equal(boot_check(beyond[i], BOOT_LISTEN, false, NULL), -EPERM);
        assert_int_equal(boot_check(beyond[i], BOOT_LISTEN, true, NULL), 0);
    }
    assert_int_equal(boot_check("tcp://node7:80", BOOT_LISTEN, false, NULL), -EPERM);
    assert_int_equal(boot_check("tcp://node7:80", BOOT_CONNECT, true, NULL), 0);
    assert_int_equal(boot_check("tcp://127.0.0.1", BOOT_LISTEN, false, NULL), -EPERM);
    assert_int_equal(boot_check("tcp://127.0.0.1", BOOT_LISTEN, true, NULL), -EINVAL);
    assert_int_equal(boot_check("tcp://:80", BOOT_LISTEN, true, NULL), -EINVAL);
    assert_int_equal(boot_check("inproc://x", BOOT_LISTEN, true, NULL), -EINVAL);
    assert_int_equal(boot_check("", BOOT_CONNECT, true, NULL), -EINVAL);
}

/* --- a configuration file --- */

static struct boot_asked
place(long rank, long size)
{
    struct boot_asked asked = nothing;

    asked.rank = rank;
    asked.size = size;
    return asked;
}

static void
the_file_is_named_for_what_it_says(void **state UNUSED)
{
    const struct boot_asked asked = place(1, 2);
    struct boot b = BOOT_INIT;
    struct err err;

    b.source = "cluster.conf";
    assert_int_equal(boot_on_conf(&b, "endpoint.1", "tcp://127.0.0.1:99999"), 0);
    assert_int_equal(boot_on_conf(&b, "endpoint.x", "tcp://127.0.0.1:1"), -EINVAL);
    assert_string_equal(b.wrong.text, "endpoint.x: 'x' is not the number of a rank");
    assert_int_equal(boot_on_conf(&b, "port", "70000"), -ERANGE);
    assert_string_equal(b.wrong.text, "port: '70000': a port is a number from 1 to 65535");
    assert_int_equal(boot_on_conf(&b, "colour", "red"), -EINVAL);
    assert_string_equal(b.wrong.text, "colour: there is no such option");
    assert_int_equal(boot_open(&b, &asked, &err), 0);
    assert_int_equal(b.method, BOOT_CONF);
    assert_int_equal(boot_fill(&b, "/run", &err), 0);
    assert_string_equal(b.endpoints[0], "ipc:///run/tree-0");
    assert_int_equal(boot_check_endpoints(&b, false, &err), 0);
    assert_int_equal(boot_check_endpoints(&b, true, &err), -EINVAL);
    assert_non_null(strstr(err.text, "cluster.conf: endpoint.1: tcp://127.0.0.1:99999: "));
    boot_close(&b, true);
}

static void
a_rank_there_is_not_is_refused(void **state UNUSED)
{
    const struct boot_asked asked = place(0, 2);
    struct boot b = BOOT_INIT;
    struct err err;

    b.source = "cluster.conf";
    assert_int_equal(boot_on_conf(&b, "endpoint.2", "ipc:///x"), 0);
    assert_int_equal(boot_open(&b, &asked, &err), 0);
    assert_int_equal(boot_fill(&b, "/run", &err), -EINVAL);
    assert_string_equal(err.text, "cluster.conf: endpoint.2: there are only 2 ranks");
    boot_close(&b, true);
}

static void
hosts_give_size_and_endpoints(void **state UNUSED)
{
    const struct boot_asked asked = place(9, -1);
    struct boot b = BOOT_INIT;
    struct err err;

    b.source = "cluster.conf";
    assert_int_equal(boot_on_conf(&b, "hosts", "login,node[08-15]"), 0);
    assert_int_equal(boot_on_conf(&b, "hosts", "extra"), 0);
    assert_int_equal(boot_on_conf(&b, "hosts", "n[1-"), -EINVAL);
    assert_int_equal(strncmp(b.wrong.text, "hosts: 'n[1-': ", 15), 0);
    assert_int_equal(boot_on_conf(&b, "port", "7000"), 0);
    assert_int_equal(boot_on_conf(&b, "endpoint.0", "tcp://gate:1"), 0);
    assert_int_equal(boot_open(&b, &asked, &err), 0);
    assert_int_equal(b.topo.size, 10);
    assert_int_equal(boot_fill(&b, "/run", &err), 0);
    assert_string_equal(b.endpoints[0], "tcp://gate:1");
    assert_string_equal(b.endpoints[1], "tcp://node08:7000");
    assert_string_equal(b.endpoints[9], "tcp://extra:7000");
    assert_string_equal(b.hostnames[9], "extra");
    assert_string_equal(b.listen, "tcp://*:7000");
    assert_int_equal(boot_check_endpoints(&b, true, &err), -EPERM);
    assert_non_null(strstr(err.text, "cluster.conf: hosts: "));
    b.has_cert = true;
    assert_int_equal(boot_check_endpoints(&b, true, &err), 0);
    boot_close(&b, true);
}

static void
a_host_finds_its_rank(void **state UNUSED)
{
    struct boot b = BOOT_INIT;
    struct err err;
    char host[256] = "";
    AUTO(free) char *hosts = NULL;

    gethostname(host, sizeof(host) - 1);
    hosts = xasprintf("other,%s.somewhere.example,another", host);
    assert_int_equal(boot_on_conf(&b, "hosts", hosts), 0);
    assert_int_equal(boot_open(&b, &nothing, &err), 0);
    assert_int_equal(b.rank, 1);
    assert_int_equal(b.topo.size, 3);
    boot_close(&b, true);
}

static void
a_host_that_is_not_there_is_named(void **state UNUSED)
{
    const struct boot_asked too_high = place(2, -1);
    const struct boot_asked too_many = place(0, 3);
    struct boot b = BOOT_INIT;
    struct err err;
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    b.source = "cluster.conf";
    assert_int_equal(boot_on_conf(&b, "hosts", "no-such-host-1,no-such-host-2"), 0);
    assert_int_equal(boot_open(&b, &nothing, &err), -ENOENT);
    assert_non_null(strstr(err.text, "cluster.conf: "));
    assert_non_null(strstr(err.text, host));
    assert_int_equal(boot_open(&b, &too_high, &err), -EINVAL);
    assert_non_null(strstr(err.text, "2 hosts, and rank is 2"));
    assert_int_equal(boot_open(&b, &too_many, &err), -EINVAL);
    assert_non_null(strstr(err.text, "2 hosts, and size is 3"));
    boot_close(&b, true);
}

static void
addresses_are_found_too(void **state UNUSED)
{
    struct boot b = BOOT_INIT;
    struct err err;

    assert_int_equal(boot_on_conf(&b, "hosts", "198.51.100.[1-3],127.0.0.1"), 0);
    assert_int_equal(boot_open(&b, &nothing, &err), 0);
    assert_int_equal(b.rank, 3);
    assert_int_equal(boot_fill(&b, "/run", &err), 0);
    assert_string_equal(b.listen, "tcp://127.0.0.1:8050");
    boot_close(&b, true);
}

static void
one_rank_needs_nothing(void **state UNUSED)
{
    struct boot b = BOOT_INIT;
    struct err err;

    assert_int_equal(boot_open(&b, &nothing, &err), 0);
    assert_int_equal(b.method, BOOT_SINGLE);
    assert_string_equal(b.instance, "xylem");
    assert_int_equal(boot_fill(&b, "/run", &err), 0);
    assert_string_equal(b.listen, "ipc:///run/tree-0");
    boot_close(&b, true);
}

/* --- a launcher, played by a table --- */

#define RANKS 7

static struct launcher {
    uint32_t rank; // of the rank under test
    char *cards[RANKS];
    unsigned looked_up[RANKS];
    unsigned fences;
    bool is_late; // somebody does not come
    unsigned ended;
    unsigned aborted;
} launcher;

static int
fake_publish(void *arg, const char *value, struct err *err UNUSED)
{
    struct launcher *l = arg;

    free(l->cards[l->rank]);
    l->cards[l->rank] = xstrdup(value);
    return 0;
}

static int
fake_lookup(void *arg, uint32_t rank, char **ret, struct err *err)
{
    struct launcher *l = arg;

    assert_true(rank < RANKS);
    l->looked_up[rank]++;
    if (!l->cards[rank])
        return err_set(err, -ENOENT, "no such key");
    *ret = xstrdup(l->cards[rank]);
    return 0;
}

static int
fake_fence_begin(void *arg, struct err *err UNUSED)
{
    struct launcher *l = arg;

    l->fences++;
    return 0;
}

static int
fake_fence_wait(void *arg, int64_t ms, struct err *err UNUSED)
{
    struct launcher *l = arg;

    if (!l->is_late)
        return 0;
    usleep((unsigned)ms * 1000);
    return -EAGAIN;
}

static bool
fake_is_near(void *arg UNUSED, uint32_t rank UNUSED)
{
    return true;
}

static int
fake_finalize(void *arg, struct err *err UNUSED)
{
    struct launcher *l = arg;

    l->ended++;
    return 0;
}

static void
fake_abort(void *arg)
{
    struct launcher *l = arg;

    l->aborted++;
}

static void
fake_free(void *arg)
{
    struct launcher *l = arg;

    for (size_t i = 0; i < RANKS; i++)
        free(l->cards[i]);
}

static const struct job_ops fake_ops = {
    .publish = fake_publish,
    .lookup = fake_lookup,
    .fence_begin = fake_fence_begin,
    .fence_wait = fake_fence_wait,
    .is_near = fake_is_near,
    .finalize = fake_finalize,
    .abort = fake_abort,
    .free = fake_free,
};

static void
put_card(uint32_t rank, uint32_t fanout, const char *uri, const char *key)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct card card = {.size = RANKS, .fanout = fanout, .protocol = GREETING_PROTOCOL};

    snprintf(card.uri, sizeof(card.uri), "%s", uri);
    snprintf(card.key, sizeof(card.key), "%s", key);
    snprintf(card.host, sizeof(card.host), "host%u", rank);
    snprintf(card.instance, sizeof(card.instance), "job");
    card_encode(&card, &text);
    free(launcher.cards[rank]);
    launcher.cards[rank] = xstrdup(buf_str(&text));
}

/* As rank `rank` of 7; all others have published. */
static struct boot
started(uint32_t rank, const char *key)
{
    struct boot b = BOOT_INIT;
    struct err err;

    launcher = (struct launcher){.rank = rank};
    for (uint32_t r = 0; r < RANKS; r++) {
        AUTO(free) char *uri = xasprintf("tcp://10.0.0.%u:7000", r + 1);

        if (r != rank)
            put_card(r, 2, *key ? uri : "ipc:///x", key);
    }
    b.asked = nothing;
    b.rank = rank;
    b.topo = (struct topo){RANKS, 2};
    snprintf(b.instance, sizeof(b.instance), "job");
    b.job = (struct job){.ops = &fake_ops, .arg = &launcher, .rank = rank, .size = RANKS};
    b.job.name = xasprintf("test-boot-%d", (int)getpid());
    b.job.knows_nodes = true;
    b.job.is_one_host = *key == '\0';
    b.has_cert = *key;
    if (b.has_cert)
        cert_generate(&b.cert);
    assert_int_equal(boot_fill(&b, "/run", &err), 0);
    return b;
}

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static void
a_rank_learns_about_those_above_and_below(void **state UNUSED)
{
    static const bool wanted[RANKS] = {true, true, false, true, true, false, false};
    struct boot b = started(1, KEY);
    struct err err;

    assert_int_equal(strncmp(b.listen, "tcp://", 6), 0);
    assert_int_equal(boot_exchange(&b, "tcp://10.0.0.2:7000", &err), 0);
    for (uint32_t r = 0; r < RANKS; r++) {
        assert_int_equal(b.endpoints[r] != NULL, wanted[r]);
        assert_int_equal(b.keys[r] != NULL, wanted[r]);
        assert_int_equal(b.hostnames[r] != NULL, wanted[r]);
        assert_true(wanted[r] || launcher.looked_up[r] == 0);
    }
    assert_string_equal(b.endpoints[4], "tcp://10.0.0.5:7000");
    assert_string_equal(b.hostnames[4], "host4");
    assert_string_equal(b.keys[0], KEY);
    assert_string_equal(b.keys[1], b.cert.public_key);
    assert_int_equal(launcher.fences, 1);
    assert_int_equal(boot_settled(&b, &err), 0);
    assert_int_equal(launcher.fences, 2);
    boot_close(&b, true);
    assert_int_equal(launcher.ended, 1);
    assert_int_equal(launcher.aborted, 0);
}

static void
on_one_host_sockets_are_files(void **state UNUSED)
{
    struct boot b = started(3, "");
    struct err err;

    assert_string_equal(b.listen, "ipc:///run/tree-3");
    assert_int_equal(boot_exchange(&b, b.listen, &err), 0);
    assert_non_null(b.endpoints[1]);
    assert_null(b.keys[1]);
    assert_int_equal(boot_settled(&b, &err), 0);
    assert_int_equal(launcher.fences, 1);
    boot_close(&b, false);
    assert_int_equal(launcher.ended, 0);
    assert_int_equal(launcher.aborted, 1);
}

static void
the_root_learns_about_all(void **state UNUSED)
{
    struct boot b = started(0, "");
    struct err err;

    assert_int_equal(boot_exchange(&b, b.listen, &err), 0);
    for (uint32_t r = 0; r < RANKS; r++)
        assert_non_null(b.endpoints[r]);
    boot_close(&b, true);
}

static void
another_tree_is_refused(void **state UNUSED)
{
    struct boot b = started(2, "");
    struct err err;

    put_card(0, 3, "ipc:///x", "");
    assert_int_equal(boot_exchange(&b, b.listen, &err), -EPERM);
    assert_non_null(strstr(err.text, "fanout: rank 2 on "));
    assert_non_null(strstr(err.text, "has 2, rank 0 on host0 has 3"));
    boot_close(&b, false);
}

static void
what_others_publish_is_checked(void **state UNUSED)
{
    static const struct {
        const char *uri;
        const char *key;
        const char *text;
    } bad[] = {
        {"inproc://x", KEY, "rank 1 on host1: inproc://x"},
        {"tcp://10.0.0.1", KEY, "rank 1 on host1: "},
        {"tcp://10.0.0.1:1", "short", "rank 1 on host1 has published no public key"},
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct boot b = started(3, KEY);

        put_card(1, 2, bad[i].uri, bad[i].key);
        assert_true(boot_exchange(&b, "tcp://10.0.0.4:7000", &err) < 0);
        assert_non_null(strstr(err.text, bad[i].text));
        boot_close(&b, false);
    }
}

static void
whoever_does_not_come_is_named(void **state UNUSED)
{
    struct boot b = started(0, "");
    struct err err;

    launcher.is_late = true;
    assert_int_equal(boot_exchange(&b, b.listen, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "not all ranks have arrived in 0.2 s: ranks 1, 2, 3, 4"));
    assert_non_null(strstr(err.text, "have not arrived"));
    boot_close(&b, false);
}

static void
everywhere_is_published_as_an_address(void **state UNUSED)
{
    struct boot b = started(1, KEY);
    struct err err;

    b.asked.interface = "127.0.0.1";
    assert_int_equal(boot_exchange(&b, "tcp://0.0.0.0:7000", &err), 0);
    assert_string_equal(b.endpoints[1], "tcp://127.0.0.1:7000");
    boot_close(&b, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_endpoints_are_taken),
        cmocka_unit_test(wrong_ports_are_refused),
        cmocka_unit_test(names_cannot_be_bound),
        cmocka_unit_test(other_addresses_need_a_certificate),
        cmocka_unit_test(the_file_is_named_for_what_it_says),
        cmocka_unit_test(a_rank_there_is_not_is_refused),
        cmocka_unit_test(hosts_give_size_and_endpoints),
        cmocka_unit_test(a_host_finds_its_rank),
        cmocka_unit_test(a_host_that_is_not_there_is_named),
        cmocka_unit_test(addresses_are_found_too),
        cmocka_unit_test(one_rank_needs_nothing),
        cmocka_unit_test(a_rank_learns_about_those_above_and_below),
        cmocka_unit_test(on_one_host_sockets_are_files),
        cmocka_unit_test(the_root_learns_about_all),
        cmocka_unit_test(another_tree_is_refused),
        cmocka_unit_test(what_others_publish_is_checked),
        cmocka_unit_test(whoever_does_not_come_is_named),
        cmocka_unit_test(everywhere_is_published_as_an_address),
    };

    unsetenv("PMI_FD");
    unsetenv("PMIX_NAMESPACE");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
