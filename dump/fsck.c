/* SPDX-License-Identifier: MPL-2.0 */
/* fsck.c - xylem-fsck: is everything in the store whole?  Offline on a state directory, or through a
 * running instance.  man page: xylem-fsck(1). */
#include "elog.h"
#include "fsck_live.h"
#include "fsck_offline.h"
#include "opt.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *statedir, *uri, *cert, *rootref;
static bool repair, verbose, quiet, as_json;

static const struct opt options[] = {
    {0, "statedir", "DIR", OPT_STRING, &statedir, "check this directory, without an instance", 0,
     0},
    {'u', "uri", "URI", OPT_STRING, &uri, "rank to talk to ($XYLEM_URI)", 0, 0},
    {0, "cert", "FILE", OPT_STRING, &cert, "certificate for tcp:// ($XYLEM_CERT)", 0, 0},
    {0, "repair", NULL, OPT_FLAG, &repair, "move keys that are lost to lost+found", 0, 0},
    {'r', "rootref", "REF", OPT_STRING, &rootref, "check the tree of this root alone", 0, 0},
    {'v', "verbose", NULL, OPT_FLAG, &verbose, "tell how far it has come", 0, 0},
    {'q', "quiet", NULL, OPT_FLAG, &quiet, "only what is wrong, no summary", 0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "print one JSON object", 0, 0},
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {
    .name = "xylem-fsck",
    .synopsis = "[--statedir DIR | -u URI] [OPTIONS]",
    .description = "Read every blob, and tell which keys need one that is lost.",
    .options = options,
};

static void
check_options(int argc, int first)
{
    if (first < argc)
        opt_usage_error(&program, "there are no operands");
    if (statedir && uri)
        opt_usage_error(&program, "--statedir and --uri exclude each other");
    if (rootref && repair)
        opt_usage_error(&program, "--rootref and --repair exclude each other");
}

static int
exit_status(const struct fsck_report *report, const struct fsck_stats *s)
{
    if (s->is_truncated || s->is_unreadable || s->unindexed > 0 || report->stuck > 0)
        return 1;
    return s->findings > 0 && !repair;
}

int
main(int argc, char **argv)
{
    struct fsck_report report = {.program = program.name};
    struct fsck_stats stats = {0};
    struct err err = {0};
    int rc;

    check_options(argc, opt_parse(&program, argc, argv));
    if (cert)
        setenv("XYLEM_CERT", cert, 1);
    umask(077);
    setlocale(LC_CTYPE, "C.UTF-8");
    elog_open("/dev/null", NULL); // what it would say is a finding
    report.as_json = as_json;
    report.quiet = quiet;
    report.verbose = verbose && !quiet;
    report.repairs = repair ? json_array() : NULL;
    rc = statedir ? fsck_offline(statedir, rootref, repair, &report, &stats, &err)
                  : fsck_live(uri, rootref, repair, &report, &stats, &err);
    if (rc < 0)
        fsck_report_fail(&report, err.text);
    else
        fsck_report_finish(&report, &stats);
    fsck_report_fini(&report);
    return rc < 0 ? 1 : exit_status(&report, &stats);
}
