/* SPDX-License-Identifier: MPL-2.0 */
/* settings.h - what xylem-brokerd is told: the command line, the configuration file, and whether it all
 * goes together.  A wrong command line ends the program with 2, a wrong file with 1.
 *
 * settings_load(), then boot_open() with settings_asked(), then settings_fill(). */
#ifndef XYLEM_SETTINGS_H
#define XYLEM_SETTINGS_H

#include "boot.h"
#include "opt.h"
#include "rank.h"

struct settings {
    long rank; // -1: not given
    long size; // likewise
    long fanout;
    const char *instance;
    const char *conf;
    const char *boot;
    bool pmi_stdio;
    int64_t boot_timeout;
    const char *interface;
    const char *cert;
    const char *authorized;
    const char *rundir;
    const char *statedir;
    struct opt_list listen;
    const char *local;
    const char *hash;
    const char *durability;
    const char *backing;
    bool no_kvs;
    uint64_t cache_size;
    uint64_t blob_size_limit;
    long maxdirent;
    uint64_t scrub_rate;
    int64_t checkpoint_period;
    long max_checkpoints;
    int64_t heartbeat;
    int64_t torpid;
    int64_t timeout;
    long ready_fd;
    const char *shutdown_file;
    const char *log_level;
    const char *log_file;
};

/* There is one of them.  What a file says about other ranks goes to *boot, and a certificate too. */
const struct settings *settings_load(int argc, char **argv, struct boot *boot);

/* What boot_open() is to know.  stop: readable when a signal has come. */
void settings_asked(int stop, struct boot_asked *ret);

/* Is what --listen and --interface say allowed, now that it is known whether links are secured, and by whom
 * the places are chosen? */
void settings_check_places(const struct boot *boot);

/* Everything but what depends on directories. */
void settings_fill(const struct boot *boot, struct rank_conf *conf);

#endif
