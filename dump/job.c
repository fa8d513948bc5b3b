/* SPDX-License-Identifier: MPL-2.0 */
/* job.c - see job.h. */
#include "job.h"

#include <malloc.h>
#include <stdlib.h>

#define KEEP_FREE (64 * 1024 * 1024) // bytes of freed memory that are not given back

struct job_options job_options;

/* Blobs come and go by the thousands: memory given back to the system after each one would have to be
 * cleared by it again for the next. */
static void
keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, KEEP_FREE / 2);
    mallopt(M_TRIM_THRESHOLD, KEEP_FREE);
}

void
job_init(struct job *j, const char *program, const char *done)
{
    keep_memory();
    if (job_options.cert)
        setenv("XYLEM_CERT", job_options.cert, 1); // there are several connections
    *j = (struct job){.depot = NULL};
    progress_init(&j->progress, program, done, job_options.verbose, job_options.quiet);
    j->progress.notify = job_options.sd_notify ? &j->notify : NULL;
}

void
job_exclude(const struct opt_program *program, const char *option, const struct job_given *list,
            size_t count)
{
    AUTO(buf) struct buf names = BUF_INIT;

    for (size_t i = 0; i < count; i++) {
        if (list[i].is_given)
            buf_printf(&names, "%s%s", names.size > 0 ? ", " : "", list[i].name);
    }
    if (names.size > 0)
        opt_usage_error(program, "%s excludes %s", option, buf_str(&names));
}

int
job_open(struct job *j, struct err *err)
{
    int rc;

    if (job_options.statedir)
        return depot_open_statedir(&j->depot, job_options.statedir, j->layout, err);
    rc = depot_open_rank(&j->depot, job_options.uri, job_options.no_cache, err);

    if (rc == 0 && job_options.sd_notify && j->depot->is_live)
        notify_open(&j->notify, job_options.uri);
    return rc;
}
