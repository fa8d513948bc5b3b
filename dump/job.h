/* SPDX-License-Identifier: MPL-2.0 */
/* job.h - what xylem-dump and xylem-restore begin with: options, messages, the connection. */
#ifndef XYLEM_JOB_H
#define XYLEM_JOB_H

#include "depot.h"
#include "opt.h"
#include "progress.h"
#include "xerr.h"

struct job_options {
    bool verbose;         // a line for each key
    bool quiet;           // only errors and warnings
    bool no_cache;        // bypass the caches below rank 0
    bool sd_notify;       // tell the rank how far it has come
    const char *uri;      // NULL = $XYLEM_URI
    const char *cert;     // NULL = $XYLEM_CERT
    const char *statedir; // of what is not running; NULL = a rank
};

extern struct job_options job_options;

/* Rows for the options above; done: "archived". */
#define JOB_OPTION_VERBOSE(done) \
    { \
        'v', "verbose", NULL, OPT_FLAG, &job_options.verbose, \
            "list keys on stderr as they are " done, 0, 0 \
    }
#define JOB_OPTION_QUIET \
    { \
        'q', "quiet", NULL, OPT_FLAG, &job_options.quiet, "no count and no summary on stderr", 0, \
            0 \
    }
#define JOB_OPTION_NO_CACHE \
    { \
        0, "no-cache", NULL, OPT_FLAG, &job_options.no_cache, \
            "talk to rank 0, not to the caches below it", 0, 0 \
    }
#define JOB_OPTION_SD_NOTIFY \
    { \
        0, "sd-notify", NULL, OPT_FLAG, &job_options.sd_notify, "report progress to the rank", 0, \
            0 \
    }
#define JOB_OPTION_URI \
    { \
        'u', "uri", "URI", OPT_STRING, &job_options.uri, "rank to talk to ($XYLEM_URI)", 0, 0 \
    }
#define JOB_OPTION_CERT \
    { \
        0, "cert", "FILE", OPT_STRING, &job_options.cert, "certificate for tcp:// ($XYLEM_CERT)", \
            0, 0 \
    }

#define JOB_OPTION_STATEDIR(text) \
    { \
        0, "statedir", "DIR", OPT_STRING, &job_options.statedir, text, 0, 0 \
    }

/* An option, and whether it was given. */
struct job_given {
    bool is_given;
    const char *name;
};

struct job {
    struct depot *depot; // owned by the user of this; NULL until job_open()
    const struct layout
        *layout;              // borrowed; of a state directory that is written to; NULL: only read
    struct notify notify;     // --sd-notify
    struct progress progress; // stderr
};

/* After the options were parsed.  done: "archived". */
void job_init(struct job *j, const char *program, const char *done);

/* Ends with a usage error that names those of the list that were given, if any. */
void job_exclude(const struct opt_program *program, const char *option,
                 const struct job_given *list, size_t count);

/* 0, or the -errno of depot_open_rank() or depot_open_statedir() with text. */
int job_open(struct job *j, struct err *err);

#endif
