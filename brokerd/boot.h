/* SPDX-License-Identifier: MPL-2.0 */
/* boot.h - how a rank learns where the others listen: by convention, or from a configuration file. */
#ifndef XYLEM_BOOT_H
#define XYLEM_BOOT_H

#include "base.h"
#include "xerr.h"

#define BOOT_IPC_PATH_MAX 107 // bytes of an ipc:// path, libzmq's limit

struct boot {
    char **endpoints; // owned array of owned URIs, one for each rank
    uint32_t size;
};

/* By convention: rank R listens at ipc://RUNDIR/tree-R. */
void boot_init(struct boot *b, uint32_t size, const char *rundir);
void boot_fini(struct boot *b);

/* A name and value of a configuration file: "endpoint.R" = URI.  -EINVAL for any other name or for a
 * rank there is not; has the form that opt_load_conf() wants. */
int boot_on_conf(void *boot, const char *name, const char *value);

/* Are all URIs such as a rank may use?  tcp:// beyond loopback is refused: it is not secured yet. */
int boot_check(const struct boot *b, uint32_t rank, struct err *err);

#endif
