/* SPDX-License-Identifier: MPL-2.0 */
/* boot.c - see boot.h.
 *
 * boot_conf.c     what a configuration file says
 * boot_exchange.c what is exchanged through a launcher
 * boot_check.c    which endpoints may be used
 */
#include "boot.h"
#include "address.h"
#include "boot_priv.h"
#include "elog.h"
#include "xmem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INSTANCE "xylem" // where nobody says another
#define CERT_KEY "xylem.cert"

static const char *const methods[] = {"single", "conf", "pmi", "pmix"};

int
boot_method_parse(const char *name, enum boot_method *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (strcmp(name, methods[i]) == 0) {
            *ret = (enum boot_method)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* What is said here wins over what a launcher around us has put into the environment. */
static enum boot_method
find_method(const struct boot *b)
{
    const struct boot_asked *asked = &b->asked;

    if (asked->method != BOOT_FIND)
        return asked->method;
    if (asked->use_stdio)
        return BOOT_PMI;
    if (asked->rank >= 0 || asked->size >= 0 || b->nnamed > 0 || b->hosts.count > 0)
        return BOOT_CONF;
    if (getenv("PMIX_NAMESPACE"))
        return BOOT_PMIX;
    return getenv("PMI_FD") ? BOOT_PMI : BOOT_SINGLE;
}

/* The letters that an id may have, and not too many of them. */
static void
set_instance(struct boot *b, const char *name)
{
    char *p = b->instance;

    snprintf(b->instance, sizeof(b->instance), "%s", b->asked.instance ? b->asked.instance : name);
    for (; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("-_.:@", *p))
            *p = '_';
    }
}

/* --- without a launcher --- */

static int
open_alone(struct boot *b, struct err *err)
{
    if (b->asked.rank > 0 || b->asked.size > 1)
        return err_set(err, -EINVAL, "a single rank is rank 0 of 1");
    b->rank = 0;
    b->topo.size = 1;
    return 0;
}

static int
open_conf(struct boot *b, struct err *err)
{
    b->rank = (uint32_t)MAX(b->asked.rank, 0);
    b->topo.size = b->asked.size < 0 ? 1 : (uint32_t)b->asked.size;
    return b->hosts.count > 0 ? boot_settle_hosts(b, err) : 0;
}

/* --- with a launcher --- */

/* xylem-launch has one certificate for all. */
static int
ask_for_cert(struct boot *b, struct err *err)
{
    AUTO(free) char *text = NULL;
    int rc = b->job.ops->ask ? b->job.ops->ask(b->job.arg, CERT_KEY, &text, err) : -ENOENT;

    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    if (sscanf(text, "%40s %40s", b->cert.public_key, b->cert.secret_key) != 2 ||
        !cert_is_key(b->cert.public_key) || !cert_is_key(b->cert.secret_key))
        return err_set(err, -EPROTO, "what the launcher gives as certificate is none");
    b->has_cert = true;
    return 0;
}

static int
secure(struct boot *b, struct err *err)
{
    int rc = b->has_cert ? 0 : ask_for_cert(b, err);

    if (rc < 0 || b->has_cert || !boot_uses_tcp(b))
        return rc;
    cert_generate(&b->cert);
    b->has_cert = true;
    return 0;
}

/* By hand, there is none. */
static int
tell_no_launcher(const struct boot *b, int rc, struct err *err)
{
    const struct err why = *err;

    if (b->method == BOOT_PMIX && !getenv("PMIX_NAMESPACE"))
        return err_set(err, rc, "%s (by hand there is no launcher: use srun --mpi=pmix)", why.text);
    if (b->method == BOOT_PMI && !b->asked.use_stdio && !getenv("PMI_FD"))
        return err_set(err, rc, "%s (by hand there is no launcher: use mpiexec.hydra)", why.text);
    return rc;
}

static int
open_job(struct boot *b, struct err *err)
{
    const struct job_conf conf = {b->asked.rank, b->asked.size, b->asked.use_stdio, b->asked.stop,
                                  b->asked.timeout_ms};
    int rc = b->method == BOOT_PMI ? job_open_pmi(&b->job, &conf, err)
                                   : job_open_pmix(&b->job, &conf, err);

    if (rc < 0)
        return tell_no_launcher(b, rc, err);
    b->rank = b->job.rank;
    b->topo.size = b->job.size;
    set_instance(b, b->job.name);
    return secure(b, err);
}

int
boot_open(struct boot *b, const struct boot_asked *asked, struct err *err)
{
    b->asked = *asked;
    b->method = find_method(b);
    b->topo.fanout = (uint32_t)asked->fanout;
    set_instance(b, INSTANCE);
    switch (b->method) {
    case BOOT_SINGLE:
        return open_alone(b, err);
    case BOOT_CONF:
        return open_conf(b, err);
    default:
        return open_job(b, err);
    }
}

/* --- where ranks listen --- */

void
boot_set(char **at, char *text)
{
    free(*at);
    *at = text;
}

int
boot_fill(struct boot *b, const char *rundir, struct err *err)
{
    int rc = 0;

    b->rundir = xstrdup(rundir);
    b->endpoints = xcalloc(b->topo.size, sizeof(*b->endpoints));
    b->keys = xcalloc(b->topo.size, sizeof(*b->keys));
    b->hostnames = xcalloc(b->topo.size, sizeof(*b->hostnames));
    if (b->job.ops) {
        rc = boot_choose_listen(b, rundir, err);
        b->endpoints[b->rank] = rc == 0 ? xstrdup(b->listen) : NULL;
        return rc;
    }
    for (uint32_t r = 0; r < b->topo.size; r++)
        b->endpoints[r] = xasprintf("ipc://%s/tree-%u", rundir, r);
    return boot_fill_from_conf(b, err);
}

/* --- the launcher, later --- */

int
boot_fd(const struct boot *b)
{
    return b->job.ops ? b->job.ops->fd(b->job.arg) : -1;
}

bool
boot_launcher_is_gone(struct boot *b)
{
    return b->job.ops->is_gone(b->job.arg);
}

void
boot_tell(struct boot *b, const char *key, const char *value)
{
    struct err err;

    if (b->job.ops && b->job.ops->tell && b->job.ops->tell(b->job.arg, key, value, &err) < 0)
        elog(ELOG_WARN, "cannot tell the launcher: %s", err.text);
}

static void
say_goodbye(struct boot *b, bool in_order)
{
    struct err err;

    if (!in_order)
        b->job.ops->abort(b->job.arg);
    else if (b->job.ops->finalize(b->job.arg, &err) < 0)
        elog(ELOG_DEBUG, "%s", err.text);
}

void
boot_close(struct boot *b, bool in_order)
{
    boot_leave_rollcall(b);
    if (b->maker >= 0)
        close(b->maker);
    if (b->job.ops)
        say_goodbye(b, in_order);
    job_close(&b->job);
    for (uint32_t r = 0; b->endpoints && r < b->topo.size; r++) {
        free(b->endpoints[r]);
        free(b->keys[r]);
        free(b->hostnames[r]);
    }
    free(b->endpoints);
    free(b->keys);
    free(b->hostnames);
    free(b->listen);
    free(b->rundir);
    for (size_t i = 0; i < b->nnamed; i++)
        free(b->named[i].uri);
    free(b->named);
    hostlist_fini(&b->hosts);
    cert_wipe(&b->cert);
}
