/* SPDX-License-Identifier: MPL-2.0 */
/* test_pmi.c - PMI-1: lines, mappings, and the client against a process manager that says what it should
 * not. */
#include "cmocka_all.h"

#include "clock.h"
#include "pmi.h"
#include "pmi_client.h"
#include "xmem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- lines --- */

static void
words_are_taken_in_any_order(void **state UNUSED)
{
    char line[] = "  rc=0\tfoo msg=all=well  cmd=put_result =x last= \r";
    struct pmi_words w;

    assert_int_equal(pmi_parse(line, &w, NULL), 0);
    assert_string_equal(pmi_word(&w, "cmd"), "put_result");
    assert_string_equal(pmi_word(&w, "rc"), "0");
    assert_string_equal(pmi_word(&w, "msg"), "all=well");
    assert_string_equal(pmi_word(&w, "last"), "");
    assert_null(pmi_word(&w, "foo"));
    assert_null(pmi_word(&w, "x"));
}

static void
a_value_takes_the_rest(void **state UNUSED)
{
    char line[] = "cmd=get_result rc=0 xvalue=1 value=a b\tc=d  rc=1  ";
    struct pmi_words w;

    assert_int_equal(pmi_parse(line, &w, NULL), 0);
    assert_string_equal(pmi_word(&w, "value"), "a b\tc=d  rc=1");
    assert_string_equal(pmi_word(&w, "xvalue"), "1");
    assert_string_equal(pmi_word(&w, "rc"), "0");
}

static void
other_lines_are_refused(void **state UNUSED)
{
    const char *const wrong[] = {"", " ", "rc=0", "cmd", "=cmd", "cmd=x\001", "\033[0mcmd=x"};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        AUTO(free) char *line = xstrdup(wrong[i]);
        struct pmi_words w;
        struct err err;

        assert_int_equal(pmi_parse(line, &w, &err), -EPROTO);
        assert_true(err.text[0] != '\0');
    }
}

static void
more_words_than_there_is_room_for_are_ignored(void **state UNUSED)
{
    char line[4096] = "cmd=x";
    struct pmi_words w;

    for (int i = 0; i < 500; i++)
        strcat(line, " a=b");
    assert_int_equal(pmi_parse(line, &w, NULL), 0);
    assert_int_equal(w.count, PMI_WORDS_MAX);
}

/* --- who shares a node --- */

static const struct {
    const char *text;
    uint32_t size;
    bool one_node;
    const char *nodes; // a digit for each rank
} mappings[] = {
    {"(vector,(0,1,16))", 16, true, "0000"},
    {"(vector,(0,1,2))", 16, true, "0000"},
    {"(vector,(0,2,1))", 4, false, "0101"},
    {"(vector,(0,2,2))", 8, false, "00110011"},
    {"(vector,(0,2,3),(2,1,2))", 8, false, "00011122"},
    {" (vector, (3,1,1), (1,1,2))", 3, false, "311"},
    {"", 4, false, "0000"},
    {"", 1, true, "0"},
    {"(vector,(0,1,16)", 16, false, "0000"},
    {"(vector,(0,0,16))", 16, false, "0000"},
    {"(vector,(0,1,0))", 16, false, "0000"},
    {"(vector,(0,1,-1))", 16, false, "0000"},
    {"(vector,(0,9999999,9999999))", 16, false, "0000"},
    {"(vector,(0,1", 16, false, "0000"},
    {"(vector", 16, false, "0000"},
    {"(vector)", 16, false, "0000"},
    {"vector", 16, false, "0000"},
};

static void
mappings_say_who_shares_a_node(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
        struct pmi_mapping m;

        pmi_mapping_parse(&m, mappings[i].text);
        assert_int_equal(pmi_mapping_is_one_node(&m, mappings[i].size), mappings[i].one_node);
        for (uint32_t r = 0; mappings[i].nodes[r]; r++)
            assert_int_equal(pmi_mapping_node(&m, r), mappings[i].nodes[r] - '0');
    }
}

/* --- the client --- */

/* A process manager that gives one answer after the other; then it waits, or closes. */
struct manager {
    pthread_t thread;
    int fd;
    const char *const *answers;
    bool hangs_up;
    char heard[4096]; // all that was asked
};

static void
hear_line(struct manager *m)
{
    size_t len = strlen(m->heard);

    while (len + 1 < sizeof(m->heard) && read(m->fd, m->heard + len, 1) == 1) {
        if (m->heard[len++] == '\n')
            return;
    }
}

static void *
serve(void *arg)
{
    struct manager *m = arg;

    for (size_t i = 0; m->answers[i]; i++) {
        hear_line(m);
        if (write(m->fd, m->answers[i], strlen(m->answers[i])) < 0)
            break;
    }
    hear_line(m);
    if (m->hangs_up)
        shutdown(m->fd, SHUT_RDWR);
    return NULL;
}

static struct pmi_fds
start_manager(struct manager *m, const char *const *answers, bool hangs_up)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *m = (struct manager){.fd = pair[1], .answers = answers, .hangs_up = hangs_up};
    assert_int_equal(pthread_create(&m->thread, NULL, serve, m), 0);
    return (struct pmi_fds){pair[0], pair[0]};
}

static void
end_manager(struct manager *m)
{
    shutdown(m->fd, SHUT_RDWR);
    pthread_join(m->thread, NULL);
    close(m->fd);
}

#define GREETED \
    "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n", \
        "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024\n", \
        "cmd=my_kvsname kvsname=kvs_1\n"

static void
a_conversation(void **state UNUSED)
{
    const char *const answers[] = {GREETED,
                                   "cmd=put_result rc=0 msg=success\n",
                                   "cmd=barrier_out\n",
                                   "cmd=get_result rc=0 msg=success value=a b\n",
                                   "cmd=get_result rc=-1 msg=key_x_not_found value=unknown\n",
                                   "cmd=finalize_ack\n",
                                   NULL};
    struct manager m;
    struct pmi_fds fds = start_manager(&m, answers, false);
    struct pmi_client *c;
    AUTO(free) char *value = NULL;
    struct err err;

    assert_int_equal(pmi_client_new(&c, &fds, -1, 5000, &err), 0);
    assert_string_equal(pmi_client_job(c), "kvs_1");
    assert_int_equal(pmi_client_put(c, "k", "v=1", &err), 0);
    assert_int_equal(pmi_client_barrier_begin(c, &err), 0);
    assert_int_equal(pmi_client_barrier_wait(c, 5000, &err), 0);
    assert_int_equal(pmi_client_get(c, "k", &value, &err), 0);
    assert_string_equal(value, "a b");
    assert_int_equal(pmi_client_get(c, "x", &value, &err), -ENOENT);
    assert_int_equal(pmi_client_finalize(c, &err), 0);
    pmi_client_free(&c);
    end_manager(&m);
    assert_string_equal(m.heard, "cmd=init pmi_version=1 pmi_subversion=1\n"
                                 "cmd=get_maxes\n"
                                 "cmd=get_my_kvsname\n"
                                 "cmd=put kvsname=kvs_1 key=k value=v=1\n"
                                 "cmd=barrier_in\n"
                                 "cmd=get kvsname=kvs_1 key=k\n"
                                 "cmd=get kvsname=kvs_1 key=x\n"
                                 "cmd=finalize\n");
}

static void
what_cannot_be_sent_is_refused(void **state UNUSED)
{
    const char *const answers[] = {"cmd=response_to_init rc=0\n", "cmd=maxes vallen_max=10\n",
                                   "cmd=my_kvsname kvsname=k\n", "cmd=put_result rc=0\n", NULL};
    struct manager m;
    struct pmi_fds fds = start_manager(&m, answers, false);
    struct pmi_client *c;
    struct err err;

    assert_int_equal(pmi_client_new(&c, &fds, -1, 5000, &err), 0);
    assert_int_equal(pmi_client_put(c, "k", "1234567890", &err), -EMSGSIZE);
    assert_non_null(strstr(err.text, "a value of 10 bytes"));
    assert_int_equal(pmi_client_put(c, "k", "a\nb", &err), -EINVAL);
    assert_int_equal(pmi_client_put(c, "a b", "c", &err), -EINVAL);
    assert_int_equal(pmi_client_put(c, "a=b", "c", &err), -EINVAL);
    assert_int_equal(pmi_client_put(c, "k", "123456789", &err), 0);
    pmi_client_free(&c);
    end_manager(&m);
}

static void
garbage_ends_the_conversation(void **state UNUSED)
{
    static const struct {
        const char *answer;
        int rc;
        const char *text;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n", -EPROTO, "does not speak PMI-1"},
        {"\n", -EPROTO, "does not speak PMI-1"},
        {"cmd=maxes rc=0\n", -EPROTO, "'response_to_init' is expected, and 'maxes' is there"},
        {"cmd=response_to_init\001 rc=0\n", -EPROTO, "control character"},
        {"cmd=response_to_init rc=1 msg=go_away\n", -EREMOTEIO, "go_away"},
        {"cmd=response_to_init rc=x\n", -EREMOTEIO, "no reason given"},
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *const answers[] = {cases[i].answer, NULL};
        struct manager m;
        struct pmi_fds fds = start_manager(&m, answers, false);
        struct pmi_client *c;

        assert_int_equal(pmi_client_new(&c, &fds, -1, 5000, &err), cases[i].rc);
        assert_non_null(strstr(err.text, cases[i].text));
        end_manager(&m);
    }
}

static void
a_line_without_end_is_refused(void **state UNUSED)
{
    AUTO(free) char *line = xcalloc(1, 3 * PMI_LINE_MAX);
    const char *const answers[] = {line, NULL};
    struct manager m;
    struct pmi_fds fds;
    struct pmi_client *c;
    struct err err;

    memset(line, 'x', 3 * PMI_LINE_MAX - 1);
    fds = start_manager(&m, answers, false);
    assert_int_equal(pmi_client_new(&c, &fds, -1, 5000, &err), -EPROTO);
    assert_non_null(strstr(err.text, "a line of more than"));
    end_manager(&m);
}

static void
silence_is_over_in_time(void **state UNUSED)
{
    const char *const answers[] = {NULL};
    int64_t begin = clock_ms();
    struct manager m;
    struct pmi_fds fds = start_manager(&m, answers, false);
    struct pmi_client *c;
    struct err err;

    assert_int_equal(pmi_client_new(&c, &fds, -1, 200, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "no 'response_to_init' from the process manager in 0.2 s"));
    assert_true(clock_ms() - begin >= 200);
    end_manager(&m);
}

static void
half_a_line_is_waited_for_no_longer(void **state UNUSED)
{
    const char *const answers[] = {"cmd=respo", NULL};
    struct manager m;
    struct pmi_fds fds = start_manager(&m, answers, false);
    struct pmi_client *c;
    struct err err;

    assert_int_equal(pmi_client_new(&c, &fds, -1, 200, &err), -ETIMEDOUT);
    end_manager(&m);
}

static void
a_manager_that_is_gone_is_noticed(void **state UNUSED)
{
    const char *const answers[] = {GREETED, NULL};
    struct manager m;
    struct pmi_fds fds = start_manager(&m, answers, true);
    struct pmi_client *c;
    struct err err;

    assert_int_equal(pmi_client_new(&c, &fds, -1, 5000, &err), 0);
    assert_int_equal(pmi_client_barrier_begin(c, &err), 0);
    assert_int_equal(pmi_client_barrier_wait(c, 5000, &err), -EPIPE);
    assert_non_null(strstr(err.text, "has closed the connection"));
    assert_int_equal(pmi_client_barrier_begin(c, &err), -EPIPE);
    assert_true(pmi_client_is_gone(c));
    pmi_client_free(&c);
    end_manager(&m);
}

static void
a_signal_ends_the_wait(void **state UNUSED)
{
    const char *const answers[] = {GREETED, NULL};
    int stop = eventfd(0, EFD_CLOEXEC);
    struct manager m;
    struct pmi_fds fds = start_manager(&m, answers, false);
    struct pmi_client *c;
    struct err err;

    assert_int_equal(pmi_client_new(&c, &fds, stop, 5000, &err), 0);
    assert_int_equal(pmi_client_barrier_begin(c, &err), 0);
    assert_int_equal(pmi_client_barrier_wait(c, 50, &err), -EAGAIN);
    assert_int_equal(eventfd_write(stop, 1), 0);
    assert_int_equal(pmi_client_barrier_wait(c, 5000, &err), -EINTR);
    pmi_client_free(&c);
    end_manager(&m);
    close(stop);
}

static void
descriptors_are_looked_at(void **state UNUSED)
{
    static const struct {
        const char *value;
        int rc;
    } cases[] = {{NULL, -ENOENT}, {"", -EINVAL}, {"x", -EINVAL}, {"-1", -EINVAL}, {"987", -EBADF}};
    struct pmi_fds fds;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (cases[i].value)
            setenv("PMI_FD", cases[i].value, 1);
        else
            unsetenv("PMI_FD");
        assert_int_equal(pmi_fds_from_environment(&fds, &err), cases[i].rc);
        assert_non_null(strstr(err.text, "PMI_FD"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_taken_in_any_order),
        cmocka_unit_test(a_value_takes_the_rest),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(more_words_than_there_is_room_for_are_ignored),
        cmocka_unit_test(mappings_say_who_shares_a_node),
        cmocka_unit_test(a_conversation),
        cmocka_unit_test(what_cannot_be_sent_is_refused),
        cmocka_unit_test(garbage_ends_the_conversation),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(silence_is_over_in_time),
        cmocka_unit_test(half_a_line_is_waited_for_no_longer),
        cmocka_unit_test(a_manager_that_is_gone_is_noticed),
        cmocka_unit_test(a_signal_ends_the_wait),
        cmocka_unit_test(descriptors_are_looked_at),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
