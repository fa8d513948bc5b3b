/* SPDX-License-Identifier: MPL-2.0 */
/* store_job.c - jobs and batches of the store actor: life and death. */
#include "store_job.h"
#include "xmem.h"

struct store_batch *
store_batch_new(void)
{
    struct store_batch *b = xcalloc(1, sizeof(*b));

    list_init(&b->jobs);
    return b;
}

void
store_batch_free(struct store_batch **b_p)
{
    struct store_batch *b = TAKE(*b_p);

    if (!b)
        return;
    LIST_FOR_EACH (it, &b->jobs) {
        struct store_job *j = list_entry(it, struct store_job, link);

        store_job_free(&j);
    }
    free(b);
}

void
store_job_free(struct store_job **j_p)
{
    struct store_job *j = TAKE(*j_p);

    list_remove(&j->link);
    blob_unref(&j->blob);
    store_change_free(&j->change);
    free(j->checkpoints);
    free(j);
}
