/* SPDX-License-Identifier: MPL-2.0 */
/* upload.c - stores go out in a pipeline.
 *
 * I1  out <= maxreqs, and out_bytes <= BYTES_MAX unless a single blob is larger.
 * I2  after the first failure nothing is sent any more; what is under way is still waited for.
 */
#include "upload.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define BYTES_MAX (64 * 1024 * 1024) // many requests of small blobs are wanted, not of large ones

struct upload_job {
    struct upload_job *next; // on upload.spare
    struct upload *upload;   // borrowed
    upload_fn fn;            // or NULL
    void *arg;               // of fn
    size_t index;            // of fn
    size_t size;             // bytes of the blob
};

void
upload_init(struct upload *u, struct depot *depot, enum digest_alg alg, size_t maxreqs)
{
    assert(maxreqs >= 1);
    *u = (struct upload){.depot = depot, .alg = alg, .maxreqs = maxreqs};
}

void
upload_fini(struct upload *u)
{
    while (u->spare) {
        struct upload_job *next = u->spare->next;

        free(u->spare);
        u->spare = next;
    }
}

static struct upload_job *
take_job(struct upload *u)
{
    struct upload_job *job = u->spare;

    if (!job)
        return xmalloc(sizeof(*job));
    u->spare = job->next;
    return job;
}

static void
spare_job(struct upload_job *job)
{
    job->next = job->upload->spare;
    job->upload->spare = job;
}

static void
keep_first_error(struct upload *u, int rc, const char *text)
{
    if (u->err.code == 0)
        err_set(&u->err, rc, "store: %s", text);
}

static void
on_stored(void *arg, const struct depot_reply *reply)
{
    struct upload_job *job = arg;
    struct upload *u = job->upload;

    u->out--;
    u->out_bytes -= job->size;
    if (reply->rc < 0)
        keep_first_error(u, reply->rc, reply->error);
    if (job->fn)
        job->fn(job->arg, job->index, reply->rc < 0 ? NULL : &reply->digest);
    spare_job(job);
}

static int
wait_for_some(struct upload *u)
{
    struct err err;
    int rc = depot_dispatch(u->depot, &err);

    if (rc < 0)
        keep_first_error(u, rc, err.text);
    return rc;
}

static bool
is_full(const struct upload *u, size_t size)
{
    return u->out >= u->maxreqs || (u->out > 0 && u->out_bytes + size > BYTES_MAX); /* I1 */
}

/* Nobody to store it: what would its name be? */
static int
name_blob(const struct upload *u, const void *data, size_t size, upload_fn fn, void *arg,
          size_t index)
{
    struct digest d;

    digest_compute(u->alg, data, size, &d);
    if (fn)
        fn(arg, index, &d);
    return 0;
}

int
upload_store(struct upload *u, const void *data, size_t size, upload_fn fn, void *arg, size_t index,
             struct err *err)
{
    struct upload_job *job;
    struct err why;
    int rc;

    if (!u->depot)
        return name_blob(u, data, size, fn, arg, index);
    while (u->err.code == 0 && is_full(u, size))
        wait_for_some(u);
    if (u->err.code) /* I2 */
        return err_set(err, u->err.code, "%s", u->err.text);
    job = take_job(u);
    *job = (struct upload_job){NULL, u, fn, arg, index, size};
    u->out++;
    u->out_bytes += size;
    rc = depot_store_async(u->depot, data, size, on_stored, job, &why);
    if (rc == 0)
        return 0;
    u->out--;
    u->out_bytes -= size;
    spare_job(job);
    keep_first_error(u, rc, why.text);
    return err_set(err, rc, "%s", u->err.text);
}

int
upload_finish(struct upload *u, struct err *err)
{
    while (u->out > 0 && wait_for_some(u) >= 0)
        continue;
    if (u->err.code)
        return err_set(err, u->err.code, "%s", u->err.text);
    return 0;
}
