/* SPDX-License-Identifier: MPL-2.0 */
/* job_pmi.c - a job of a launcher that speaks PMI-1 (pmi_client.h). */
#include "job.h"
#include "pmi.h"
#include "pmi_client.h"
#include "topo.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define KEY_SIZE 32

struct pmi_job {
    struct pmi_client *client;
    struct pmi_mapping mapping;
    uint32_t rank;
};

static const char *
card_key(char key[KEY_SIZE], uint32_t rank)
{
    snprintf(key, KEY_SIZE, "card.%" PRIu32, rank);
    return key;
}

static int
publish(void *arg, const char *value, struct err *err)
{
    struct pmi_job *j = arg;
    char key[KEY_SIZE];

    return pmi_client_put(j->client, card_key(key, j->rank), value, err);
}

static int
lookup(void *arg, uint32_t rank, char **ret, struct err *err)
{
    struct pmi_job *j = arg;
    char key[KEY_SIZE];

    return pmi_client_get(j->client, card_key(key, rank), ret, err);
}

static int
fence_begin(void *arg, struct err *err)
{
    struct pmi_job *j = arg;

    return pmi_client_barrier_begin(j->client, err);
}

static int
fence_wait(void *arg, int64_t ms, struct err *err)
{
    struct pmi_job *j = arg;

    return pmi_client_barrier_wait(j->client, ms, err);
}

static bool
is_near(void *arg, uint32_t rank)
{
    const struct pmi_job *j = arg;

    return j->mapping.count > 0 &&
           pmi_mapping_node(&j->mapping, rank) == pmi_mapping_node(&j->mapping, j->rank);
}

static int
ask(void *arg, const char *key, char **ret, struct err *err)
{
    struct pmi_job *j = arg;

    return pmi_client_get(j->client, key, ret, err);
}

static int
tell(void *arg, const char *key, const char *value, struct err *err)
{
    struct pmi_job *j = arg;

    return pmi_client_put(j->client, key, value, err);
}

static int
finalize(void *arg, struct err *err)
{
    struct pmi_job *j = arg;

    return pmi_client_finalize(j->client, err);
}

/* To leave without a goodbye ends the job, too; "cmd=abort" does so at once, and with hydra what was just
 * printed about the reason is lost. */
static void
abort_job(void *arg UNUSED)
{
}

static int
fd(void *arg)
{
    struct pmi_job *j = arg;

    return pmi_client_fd(j->client);
}

static bool
is_gone(void *arg)
{
    struct pmi_job *j = arg;

    return pmi_client_is_gone(j->client);
}

static void
free_job(void *arg)
{
    struct pmi_job *j = arg;

    pmi_client_free(&j->client);
    free(j);
}

static const struct job_ops ops = {
    .publish = publish,
    .lookup = lookup,
    .fence_begin = fence_begin,
    .fence_wait = fence_wait,
    .is_near = is_near,
    .finalize = finalize,
    .abort = abort_job,
    .fd = fd,
    .is_gone = is_gone,
    .free = free_job,
};

/* Our own launcher's, which reads and writes more than a process manager. */
static const struct job_ops launch_ops = {
    .publish = publish,
    .lookup = lookup,
    .fence_begin = fence_begin,
    .fence_wait = fence_wait,
    .is_near = is_near,
    .ask = ask,
    .tell = tell,
    .finalize = finalize,
    .abort = abort_job,
    .fd = fd,
    .is_gone = is_gone,
    .free = free_job,
};

/* --- opening --- */

/* From the environment; what was said on the command line must be the same. */
static int
find_number(const char *name, const char *option, long said, long min, long max, long *ret,
            struct err *err)
{
    const char *text = getenv(name);

    *ret = said;
    if (!text && said >= 0)
        return 0;
    if (!text)
        return err_set(err, -EINVAL, "PMI: neither %s nor %s is given", name, option);
    if (units_parse_long(text, min, max, ret) < 0)
        return err_set(err, -EINVAL, "PMI: %s=%s is not between %ld and %ld", name, text, min, max);
    if (said >= 0 && said != *ret)
        return err_set(err, -EINVAL, "PMI: %s=%s, but %s %ld", name, text, option, said);
    return 0;
}

static int
find_place(struct job *ret, const struct job_conf *conf, struct err *err)
{
    long size = 0;
    long rank = 0;
    int rc = find_number("PMI_SIZE", "--size", conf->size, 1, TOPO_SIZE_MAX, &size, err);

    if (rc == 0)
        rc = find_number("PMI_RANK", "--rank", conf->rank, 0, TOPO_SIZE_MAX - 1, &rank, err);
    if (rc == 0 && rank >= size)
        rc = err_set(err, -EINVAL, "PMI: rank %ld is not below size %ld", rank, size);
    ret->rank = (uint32_t)rank;
    ret->size = (uint32_t)size;
    return rc;
}

static int
read_mapping(struct pmi_job *j, struct err *err)
{
    AUTO(free) char *text = NULL;
    int rc = pmi_client_get(j->client, "PMI_process_mapping", &text, err);

    if (rc == 0)
        pmi_mapping_parse(&j->mapping, text);
    return rc == -ENOENT ? 0 : rc;
}

static int
converse(struct pmi_job *j, const struct job_conf *conf, struct err *err)
{
    struct pmi_fds fds;
    int rc = conf->use_stdio ? pmi_fds_from_stdio(&fds, err) : pmi_fds_from_environment(&fds, err);

    if (rc == 0)
        rc = pmi_client_new(&j->client, &fds, conf->stop, conf->timeout_ms, err);
    return rc == 0 ? read_mapping(j, err) : rc;
}

int
job_open_pmi(struct job *ret, const struct job_conf *conf, struct err *err)
{
    struct pmi_job *j;
    int rc = find_place(ret, conf, err);

    if (rc < 0)
        return rc;
    j = xcalloc(1, sizeof(*j));
    j->rank = ret->rank;
    rc = converse(j, conf, err);
    if (rc < 0) {
        free_job(j);
        return rc;
    }
    ret->ops = conf->use_stdio ? &launch_ops : &ops;
    ret->arg = j;
    ret->knows_nodes = j->mapping.count > 0;
    ret->is_one_host = pmi_mapping_is_one_node(&j->mapping, ret->size);
    ret->name = xstrdup(pmi_client_job(j->client));
    return 0;
}

void
job_close(struct job *j)
{
    if (j->arg)
        j->ops->free(j->arg);
    free(j->name);
    *j = (struct job){.ops = NULL};
}
