/* SPDX-License-Identifier: MPL-2.0 */
/* boot.h - how a rank learns where the others listen: by convention, or from a configuration file. */
#ifndef XYLEM_BOOT_H
#define XYLEM_BOOT_H

#include "base.h"
#include "xerr.h"

#define BOOT_IPC_PATH_MAX 107 // bytes of an ipc:// path, libzmq's limit

struct boot_named {
    uint32_t rank;
    char *uri; // owned
};

struct boot {
    const char *source;       // borrowed: the configuration file, for texts; NULL: none
    struct boot_named *named; // owned array: what the configuration file says
    size_t nnamed;
    char **endpoints; // owned array of owned URIs, one for each rank; after boot_fill()
    uint32_t size;    // ranks
};

#define BOOT_INIT \
    { \
        NULL, NULL, 0, NULL, 0 \
    }

/* A name and value of a configuration file: "endpoint.R" = URI.  -EINVAL for any other name; has
 * the form that opt_load_conf() wants. */
int boot_on_conf(void *boot, const char *name, const char *value);

/* Rank R listens where the file says, else at ipc://RUNDIR/tree-R.  -EINVAL with text when the file
 * names a rank there is not. */
int boot_fill(struct boot *b, uint32_t size, const char *rundir, struct err *err);

void boot_fini(struct boot *b);

enum boot_use { BOOT_LISTEN, BOOT_CONNECT };

/* May a rank bind or connect to that URI?  A port to listen on may be 0 or "*", any free one.
 * tcp:// beyond loopback is refused: it is not secured.  -EINVAL, -EPERM, -ENAMETOOLONG with
 * text. */
int boot_check(const char *uri, enum boot_use use, struct err *err);

/* The same for an endpoint that boot_fill() has settled; the text names the configuration file and
 * its member if it is from there. */
int boot_check_endpoint(const struct boot *b, uint32_t rank, enum boot_use use, struct err *err);

#endif
