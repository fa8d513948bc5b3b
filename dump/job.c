/* SPDX-License-Identifier: MPL-2.0 */
/* job.c - see job.h. */
#include "job.h"

#include <locale.h>

struct job_options job_options;

void
job_init(struct job *j, const char *program, const char *done)
{
    *j = (struct job){.flags = job_options.no_cache ? XYLEM_BYPASS : 0};
    setlocale(LC_CTYPE, "C.UTF-8"); // keys are UTF-8 whatever the user's language
    progress_init(&j->progress, program, done, job_options.verbose, job_options.quiet);
    j->progress.notify = job_options.sd_notify ? &j->notify : NULL;
}

int
job_connect(struct job *j, struct err *err)
{
    char text[XYLEM_ERROR_MAX];
    int rc = xylem_open(&j->x, job_options.uri, NULL, text);

    if (rc < 0)
        return err_set(err, rc, "%s", text);
    j->notify.x = j->x;
    return 0;
}
