/* SPDX-License-Identifier: MPL-2.0 */
/* test_testing.c - a cluster comes, works, and goes, and the program around it is left as it was. */
#include "testing_help.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char scratch[] = "/tmp/xt-testing-XXXXXX"; // also TMPDIR

/* Entries but "." and "..". */
static size_t
count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

static void
test_a_blob_travels(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    xylem_cluster_t *c = start(&conf);
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    assert_int_equal(xylem_testing_size(c), 8);
    store_text(c, 7, "from seven", ref);
    check_load(c, 3, ref, "from seven");
    check_load(c, 6, ref, "from seven");
    xylem_testing_stop(&c);
    assert_null(c);
    xylem_testing_stop(&c); // is fine
}

static void
test_defaults(void **state)
{
    xylem_cluster_t *c = start(NULL);
    char *value;
    xylem_t *x;

    (void)state;
    assert_int_equal(xylem_testing_size(c), 4);
    assert_null(xylem_testing_uri(c, 4));
    x = open_rank(c, 3);
    assert_string_equal(xylem_hash(x), "blake2b");
    assert_int_equal(xylem_getattr(x, "tbon.fanout", &value), 0);
    assert_string_equal(value, "2");
    free(value);
    xylem_close(x);
    xylem_testing_stop(&c);
}

static void
test_configured(void **state)
{
    struct xylem_testing_conf conf = {
        .size = 5, .fanout = 4, .hash = "sha1", .blob_size_limit = 1000};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 4);
    char ref[XYLEM_BLOBREF_MAX];
    char big[1001] = "";

    (void)state;
    assert_string_equal(xylem_hash(x), "sha1");
    assert_int_equal(xylem_store(x, big, 1000, 0, ref), 0);
    assert_int_equal(xylem_store(x, big, 1001, 0, ref), -EFBIG);
    xylem_close(x);
    xylem_testing_stop(&c);
}

static void
test_the_tree_is_as_it_should_be(void **state)
{
    struct xylem_testing_conf conf = {.size = 6, .fanout = 1};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 4);
    char *answer;

    (void)state;
    assert_int_equal(xylem_rpc(x, "overlay.health", 4, NULL, &answer), 0);
    assert_non_null(strstr(answer, "\"full\""));
    assert_non_null(strstr(answer, "\"rank\":5"));
    free(answer);
    xylem_close(x);
    xylem_testing_stop(&c);
}

/* The best of some, for others may be at work on this machine. */
static void
test_it_starts_at_once(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    int64_t best = SOON_MS;

    (void)state;
    for (int i = 0; i < 50 && best >= 100; i++) {
        int64_t began = now_ms();
        xylem_cluster_t *c = start(&conf);
        int64_t took = now_ms() - began;

        best = took < best ? took : best;
        xylem_testing_stop(&c);
    }
    print_message("8 ranks in %d ms\n", (int)best);
#ifndef __SANITIZE_ADDRESS__
    assert_true(best < 100);
#endif
}

static void
test_many_ranks(void **state)
{
    struct xylem_testing_conf conf = {.size = 48, .fanout = 3};
    xylem_cluster_t *c = start(&conf);
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    store_text(c, 47, "from afar", ref);
    check_load(c, 25, ref, "from afar");
    xylem_testing_stop(&c);
}

static void
test_two_clusters(void **state)
{
    struct xylem_testing_conf sha = {.hash = "sha256"};
    xylem_cluster_t *a = start(NULL);
    xylem_cluster_t *b = start(&sha);
    char ref_a[XYLEM_BLOBREF_MAX];
    char ref_b[XYLEM_BLOBREF_MAX];

    (void)state;
    store_text(a, 1, "a", ref_a);
    store_text(b, 1, "b", ref_b);
    xylem_testing_stop(&a);
    check_load(b, 2, ref_b, "b");
    xylem_testing_stop(&b);
}

static void
check_refused(const struct xylem_testing_conf *conf, int rc, const char *text)
{
    char why[XYLEM_ERROR_MAX] = "";
    xylem_cluster_t *c;
    size_t files = count_entries(scratch);

    assert_int_equal(xylem_testing_start(&c, conf, why), rc);
    assert_null(c);
    if (!strstr(why, text))
        fail_msg("'%s' is not in: %s", text, why);
    assert_int_equal(xylem_testing_start(&c, conf, NULL), rc);
    assert_int_equal(count_entries(scratch), files);
}

static void
test_wrong_configurations(void **state)
{
    (void)state;
    check_refused(&(struct xylem_testing_conf){.size = 257}, -EINVAL, "size: 257");
    check_refused(&(struct xylem_testing_conf){.fanout = 2000000}, -EINVAL, "fanout");
    check_refused(&(struct xylem_testing_conf){.hash = "md5"}, -EINVAL,
                  "hash: no such algorithm: md5");
    check_refused(&(struct xylem_testing_conf){.durability = "none"}, -EINVAL, "durability");
    check_refused(&(struct xylem_testing_conf){.log_level = "loud"}, -EINVAL, "log_level");
    check_refused(&(struct xylem_testing_conf){.timeout_ms = 150}, -EINVAL, "timeout_ms: 150");
    check_refused(&(struct xylem_testing_conf){.heartbeat_ms = -1}, -EINVAL, "heartbeat_ms");
    check_refused(&(struct xylem_testing_conf){.blob_size_limit = 1ull << 40}, -EINVAL,
                  "blob_size_limit");
    check_refused(&(struct xylem_testing_conf){.statedir = "/there/is/no/such"}, -ENOENT,
                  "/there/is/no/such");
    check_refused(&(struct xylem_testing_conf){.log_file = "/there/is/no/such"}, -ENOENT,
                  "/there/is/no/such");
}

static void
test_where_files_cannot_be(void **state)
{
    char longer[200];

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    setenv("TMPDIR", longer, 1);
    check_refused(NULL, -ENAMETOOLONG, "too long");
    setenv("TMPDIR", "relative", 1);
    check_refused(NULL, -EINVAL, "TMPDIR");
    setenv("TMPDIR", "/there/is/no/such", 1);
    check_refused(NULL, -ENOENT, "/there/is/no/such");
    setenv("TMPDIR", scratch, 1);
}

static void
test_a_statedir_stays(void **state)
{
    char path[64];
    struct xylem_testing_conf conf = {.statedir = path};
    xylem_cluster_t *c;
    xylem_t *x;
    void *value;
    size_t size;

    (void)state;
    snprintf(path, sizeof(path), "%s/state", scratch);
    c = start(&conf);
    x = open_rank(c, 3);
    assert_int_equal(xylem_put(x, NULL, "a.b", "kept", 4), 0);
    xylem_close(x);
    xylem_testing_stop(&c);

    c = start(&conf);
    x = open_rank(c, 2);
    assert_int_equal(xylem_get(x, NULL, "a.b", &value, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(value, "kept", 4);
    free(value);
    xylem_close(x);
    xylem_testing_stop(&c);
}

static void
test_the_log(void **state)
{
    char path[64];
    struct xylem_testing_conf conf = {.log_file = path, .log_level = "debug"};
    xylem_cluster_t *c;
    char text[4096] = "";
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/log", scratch);
    c = start(&conf);
    xylem_testing_stop(&c);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    assert_non_null(strstr(text, "rank 3: joined parent rank 1"));
    unlink(path);
}

/* --- the program around it --- */

/* libzmq closes sockets in a thread of its own: the number when that has come to rest. */
static size_t
count_descriptors(void)
{
    size_t count = 0;

    for (int calm = 0; calm < 20; calm++) {
        size_t now = count_entries("/proc/self/fd");

        calm = now == count ? calm : 0;
        count = now;
        usleep(10000);
    }
    return count;
}

static void
test_nothing_is_left(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    xylem_cluster_t *c = start(&conf); // what is there once for the process comes with the first
    size_t fds;
    size_t threads;
    size_t files;

    (void)state;
    xylem_testing_stop(&c);
    fds = count_descriptors();
    threads = count_entries("/proc/self/task");
    files = count_entries(scratch);
    for (int i = 0; i < 50; i++) {
        conf.network = i % 4 == 0;
        c = start(&conf);
        assert_true(count_entries("/proc/self/task") >= threads + 8);
        if (i % 2 == 0)
            check_done(c, xylem_testing_kill(c, (uint32_t)i % 8));
        xylem_testing_stop(&c);
    }
    assert_int_equal(count_descriptors(), fds);
    assert_int_equal(count_entries("/proc/self/task"), threads);
    assert_int_equal(count_entries(scratch), files);
}

static void
on_signal(int signum)
{
    (void)signum;
}

static void
test_signals_are_the_programs(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD, SIGABRT};
    struct sigaction ours = {.sa_handler = on_signal};
    struct sigaction before[6];
    sigset_t mask_before;
    sigset_t mask;
    xylem_cluster_t *c;

    (void)state;
    sigaction(SIGTERM, &ours, NULL);
    for (size_t i = 0; i < 6; i++)
        sigaction(signals[i], NULL, &before[i]);
    sigprocmask(SIG_SETMASK, NULL, &mask_before);
    c = start(NULL);
    for (size_t i = 0; i < 6; i++) {
        struct sigaction now;

        sigaction(signals[i], NULL, &now);
        assert_ptr_equal(now.sa_handler, before[i].sa_handler);
    }
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int signum = 1; signum < SIGRTMIN; signum++)
        assert_int_equal(sigismember(&mask, signum), sigismember(&mask_before, signum));
    xylem_testing_stop(&c);
    signal(SIGTERM, SIG_DFL);
}

/* SIGPIPE ends the program unless the rank's threads are careful. */
static void
test_a_client_that_goes_away(void **state)
{
    xylem_cluster_t *c = start(NULL);
    struct outcome o = {.done = false};
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    for (int i = 0; i < 20; i++) {
        xylem_t *x = open_rank(c, 3);

        xylem_store_async(x, "gone", 4, 0, on_done, &o);
        xylem_dispatch(x, 0);
        xylem_close(x);
    }
    store_text(c, 3, "here", ref);
    xylem_testing_stop(&c);
}

/* Descriptors of a program that is run by this one. */
static int
count_inherited(void)
{
    FILE *f = popen("ls /proc/self/fd | wc -l", "r");
    int count = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &count), 1);
    pclose(f);
    return count;
}

/* Programs that are run inherit nothing, and a child that is forked may go on and end. */
static void
test_children_of_the_program(void **state)
{
    int inherited = count_inherited();
    xylem_cluster_t *c = start(NULL);
    char ref[XYLEM_BLOBREF_MAX];
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(count_inherited(), inherited);
    pid = fork();
    if (pid == 0)
        _exit(7);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
    store_text(c, 3, "still there", ref);
    xylem_testing_stop(&c);
}

/* Runs this program once more, which does as `how` says.  Returns its exit status; it must print nothing. */
static int
run_again(const char *how)
{
    char command[600];
    char program[500] = "";
    char line[200] = "";
    int status;
    FILE *f;

    assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
    snprintf(command, sizeof(command),
             "ASAN_OPTIONS=detect_leaks=0 %s %s 2>&1", // a forked child has no threads to look at
             program, how);
    f = popen(command, "r");
    assert_non_null(f);
    if (fgets(line, sizeof(line), f))
        print_error("%s", line);
    status = pclose(f);
    assert_string_equal(line, "");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static void
test_exit_without_a_stop(void **state)
{
    size_t files = count_entries(scratch);

    (void)state;
    assert_int_equal(run_again("exit"), 5);
    assert_int_equal(count_entries(scratch), files);
}

static void
test_a_forked_child_exits(void **state)
{
    size_t files = count_entries(scratch);

    (void)state;
    assert_int_equal(run_again("fork"), 6);
    assert_int_equal(count_entries(scratch), files);
}

/* There are no threads in it, and nothing of the parent's is touched. */
static int
act_as_child(xylem_cluster_t *c)
{
    xylem_cluster_t *other;

    if (xylem_testing_start(&other, NULL, NULL) != -ENOTSUP || other ||
        xylem_testing_kill(c, 2) != -ENOTSUP)
        return 1;
    xylem_testing_stop(&c);
    return 3;
}

/* What run_again() runs. */
static int
act(const char *how)
{
    struct xylem_testing_conf conf = {.size = 8, .network = 1};
    xylem_cluster_t *c;
    int status = 0;
    xylem_t *x;

    if (xylem_testing_start(&c, &conf, NULL) < 0 || xylem_testing_pause(c, 3) < 0 ||
        xylem_testing_kill(c, 1) < 0)
        return 1;
    if (strcmp(how, "exit") == 0)
        return 5;
    if (fork() == 0)
        exit(act_as_child(c));
    wait(&status);
    if (WEXITSTATUS(status) != 3 || xylem_testing_open(c, 2, &x) < 0)
        return 2;
    xylem_close(x);
    xylem_testing_stop(&c);
    return 6;
}

static int
setup(void **state)
{
    (void)state;
    setenv("TMPDIR", mkdtemp(scratch), 1);
    return 0;
}

static int
teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", scratch);
    return system(command);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_are_the_programs), // the first start is what counts
        cmocka_unit_test(test_a_blob_travels),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_the_tree_is_as_it_should_be),
        cmocka_unit_test(test_it_starts_at_once),
        cmocka_unit_test(test_many_ranks),
        cmocka_unit_test(test_two_clusters),
        cmocka_unit_test(test_wrong_configurations),
        cmocka_unit_test(test_where_files_cannot_be),
        cmocka_unit_test(test_a_statedir_stays),
        cmocka_unit_test(test_the_log),
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_a_client_that_goes_away),
        cmocka_unit_test(test_children_of_the_program),
        cmocka_unit_test(test_exit_without_a_stop),
        cmocka_unit_test(test_a_forked_child_exits),
    };

    if (argc == 2)
        return act(argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
