/* SPDX-License-Identifier: MPL-2.0 */
/* sim.c - the simulation: many runs of the real overlay and router on a network that does not exist.
 * Prints TAP: one line for each scenario.  A run that fails prints the command that repeats it. */
#include "figures.h"
#include "opt.h"
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    const char *scenario;
    const char *seed; // as it is given; NULL: 1 and on
    uint64_t seed_number;
    long runs, ranks;
    int verbose;
    bool figures;
} settings = {.runs = 20};

static const struct opt options[] = {
    {'s', "scenario", "NAME", OPT_STRING, &settings.scenario, "Only this one.", 0, 0},
    {'S', "seed", "SEED", OPT_STRING, &settings.seed, "One run, of this seed.", 0, 0},
    {'n', "runs", "N", OPT_LONG, &settings.runs, "So many of each scenario (20).", 1, 100000000},
    {'r', "ranks", "N", OPT_LONG, &settings.ranks, "So many in each tree (2 to 24).", 2,
     RUN_RANKS_MAX},
    {'v', "verbose", NULL, OPT_COUNT, &settings.verbose, "Print what happens.", 0, 0},
    {0, "figures", NULL, OPT_FLAG, &settings.figures, "Print what a tree costs.", 0, 0},
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "sim",
    .synopsis = "[OPTIONS]",
    .description = "Simulates trees of ranks under faults, in virtual time.",
    .options = options,
};

struct totals {
    uint64_t runs, faults, steps, asked, failed;
    int64_t healed_ms, slowest_ms, virtual_ms;
};

static double
seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
tell_failure(const struct run_conf *conf, const struct run_result *r)
{
    printf("# seed %llu of %s: %s\n", (unsigned long long)conf->seed, conf->scenario, r->complaint);
    printf("# again: sim --scenario %s --seed %llu", conf->scenario,
           (unsigned long long)conf->seed);
    if (conf->ranks)
        printf(" --ranks %u", conf->ranks);
    printf(" -v\n");
}

/* The same seed has to give the same run. */
static bool
is_same_again(const struct run_conf *conf, uint64_t digest)
{
    struct run_conf quiet = *conf;
    struct run_result r;

    quiet.verbose = false;
    run_once(&quiet, &r);
    if (r.digest != digest)
        printf("# seed %llu of %s: another run the second time\n", (unsigned long long)conf->seed,
               conf->scenario);
    return r.digest == digest;
}

static bool
run_and_count(const struct run_conf *conf, struct totals *t)
{
    struct run_result r;

    run_once(conf, &r);
    t->runs++;
    t->faults += r.faults;
    t->steps += r.steps;
    t->asked += r.asked;
    t->failed += r.failed;
    t->healed_ms = MAX(t->healed_ms, r.healed_ms);
    t->slowest_ms = MAX(t->slowest_ms, r.slowest_ms);
    t->virtual_ms += r.virtual_ms;
    if (r.complaint)
        tell_failure(conf, &r);
    if (conf->seed == 1 && !r.complaint && !is_same_again(conf, r.digest))
        return false;
    if (conf->verbose)
        printf("# digest %016llx\n", (unsigned long long)r.digest);
    return r.complaint == NULL;
}

static bool
run_scenario_often(const char *name)
{
    struct totals t = {0};
    double start = seconds();
    int failures = 0;

    for (long i = 0; i < settings.runs && failures < 3; i++) {
        struct run_conf conf = {.scenario = name,
                                .seed = (uint64_t)i + 1,
                                .ranks = (uint32_t)settings.ranks,
                                .verbose = settings.verbose > 0};

        if (settings.seed)
            conf.seed = settings.seed_number;
        failures += !run_and_count(&conf, &t);
        if (settings.seed)
            break;
    }
    printf("# %s: %llu runs in %.1f s, %lld s of virtual time, %llu faults, %llu events; "
           "%llu requests, %llu failed; healed within %lld ms, slowest request %lld ms\n",
           name, (unsigned long long)t.runs, seconds() - start, (long long)t.virtual_ms / 1000,
           (unsigned long long)t.faults, (unsigned long long)t.steps, (unsigned long long)t.asked,
           (unsigned long long)t.failed, (long long)t.healed_ms, (long long)t.slowest_ms);
    return failures == 0;
}

static bool
parse_seed(const char *text, uint64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoull(text, &end, 0);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

int
main(int argc, char **argv)
{
    int count = 0;
    int failures = 0;

    opt_parse(&program, argc, argv);
    if (settings.seed && !parse_seed(settings.seed, &settings.seed_number))
        opt_usage_error(&program, "a seed is a number, not '%s'", settings.seed);
    if (settings.scenario && !run_knows(settings.scenario))
        opt_usage_error(&program, "there is no scenario '%s'", settings.scenario);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (settings.figures) {
        figures_print();
        return 0;
    }
    for (size_t i = 0; run_scenario(i); i++) {
        const char *name = run_scenario(i);
        bool ok;

        if (settings.scenario && strcmp(name, settings.scenario) != 0)
            continue;
        ok = run_scenario_often(name);
        printf("%sok %d - %s\n", ok ? "" : "not ", ++count, name);
        failures += !ok;
    }
    printf("1..%d\n", count);
    return failures > 0;
}
