/* SPDX-License-Identifier: MPL-2.0 */
/* job_pmix_absent.c - in place of job_pmix.c where there is no libpmix. */
#include "job.h"

#include <errno.h>

int
job_open_pmix(struct job *ret UNUSED, const struct job_conf *conf UNUSED, struct err *err)
{
    return err_set(
        err, -ENOSYS,
        "PMIx: built without libpmix: use --boot pmi or conf, or single for a rank alone");
}
