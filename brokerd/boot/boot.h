/* SPDX-License-Identifier: MPL-2.0 */
/* boot.h - how a rank learns who it is and where the others listen (xylem-bootstrap(7)):
 *
 * single   it is the only one
 * conf     by convention (ipc://RUNDIR/tree-R), or from a configuration file: hosts, endpoint.R
 * pmi      the launcher tells rank and size; what the ranks publish there says the rest
 * pmix     likewise
 *
 * boot_open() settles rank, size and instance, boot_fill() where to listen; with a launcher
 * boot_exchange() follows when the rank listens, and boot_close() tells the launcher of the end.
 */
#ifndef XYLEM_BOOT_H
#define XYLEM_BOOT_H

#include "base.h"
#include "cert.h"
#include "hostlist.h"
#include "job.h"
#include "topo.h"
#include "xerr.h"

#define BOOT_IPC_PATH_MAX 107 // bytes of an ipc:// path, libzmq's limit
#define BOOT_PORT 8050
#define BOOT_INSTANCE_SIZE 64

enum boot_method { BOOT_SINGLE, BOOT_CONF, BOOT_PMI, BOOT_PMIX, BOOT_FIND };

struct boot_named {
    uint32_t rank;
    char *uri; // owned
};

/* What the user has said. */
struct boot_asked {
    enum boot_method method; // BOOT_FIND: nothing
    long rank;               // -1: nothing
    long size;               // likewise
    long fanout;
    const char *instance;  // NULL: nothing
    const char *interface; // likewise
    bool use_stdio;        // PMI over standard input and output
    bool wants_tcp;        // to listen at other places than these chosen here
    int stop;              // readable when a signal has come
    int64_t timeout_ms;    // for the launcher
};

struct boot {
    const char *source;       // borrowed: the configuration file, for texts; NULL: none
    struct boot_named *named; // owned array: what the configuration file says
    size_t nnamed;
    struct hostlist hosts; // likewise
    long port;             // likewise; 0: nothing
    struct err wrong;      // what boot_on_conf() did not take: "NAME: why"; "": nothing
    struct boot_asked asked;
    enum boot_method method; // after boot_open(), like all that follow
    struct topo topo;
    uint32_t rank;
    char instance[BOOT_INSTANCE_SIZE];
    struct job job; // ops NULL: there is no launcher
    bool has_cert;  // links are secured, with:
    struct cert cert;
    char *listen;         // owned: what to bind; after boot_fill()
    char **endpoints;     // owned array of owned URIs, by rank; NULL: not known
    char **keys;          // owned array of owned Z85 public keys, by rank;
                          // NULL: not known, or without a launcher: as ours
    char **hostnames;     // owned array of owned names, by rank; NULL: nobody has told
    char *rundir;         // owned; after boot_fill()
    bool has_made_rundir; // by us; after boot_exchange(): by us or others of the job
    int presence;         // fd of rollcall.h while the others are waited for, or -1
    int maker;            // likewise, for the run directory
};

#define BOOT_INIT \
    { \
        .presence = -1, .maker = -1, \
    }

/* "single", "conf", "pmi", "pmix".  -EINVAL. */
int boot_method_parse(const char *name, enum boot_method *ret);

/* A name and value of a configuration file: "endpoint.R" = URI, "hosts" = list, "port" = number.
 * -errno and b->wrong for any other name and for wrong values; has the form that opt_load_conf() wants. */
int boot_on_conf(void *boot, const char *name, const char *value);

/* Choose the method, find rank, size and instance; with a launcher begin to talk to it, and make a key
 * pair when links must be secured and b->cert is not set.  -errno with text; -EINTR: a signal has come. */
int boot_open(struct boot *b, const struct boot_asked *asked, struct err *err);

/* Where this rank listens, and where the others do as far as it is known yet: where the file says, else
 * at ipc://RUNDIR/tree-R.  -EINVAL with text when the file names a rank there is not. */
int boot_fill(struct boot *b, const char *rundir, struct err *err);

/* May a rank bind or connect to what it would?  `checks_listen`: also to b->listen.  Errors of
 * boot_check(); the text names the configuration file if it is from there. */
int boot_check_endpoints(const struct boot *b, bool checks_listen, struct err *err);

/* With a launcher, as rank_conf.exchange: tell the others that we listen at `uri`, and learn about all
 * above and all below this rank.  -errno with text. */
int boot_exchange(void *boot, const char *uri, struct err *err);
/* And as rank_conf.settled: wait until all have learned.  Errors likewise. */
int boot_settled(void *boot, struct err *err);

/* A descriptor that becomes readable when the launcher is gone; -1: there is none.  Is it gone? */
int boot_fd(const struct boot *b);
bool boot_launcher_is_gone(struct boot *b);

/* Tell xylem-launch; other launchers are told nothing.  Failures are logged. */
void boot_tell(struct boot *b, const char *key, const char *value);

/* The end of this rank; if not in order, the launcher is to end all. */
void boot_close(struct boot *b, bool in_order);

enum boot_use { BOOT_LISTEN, BOOT_CONNECT };

/* May a rank bind or connect to that URI?  A port to listen on may be 0 or "*", any free one.
 * tcp:// beyond loopback is refused unless the links are secured.  -EINVAL, -EPERM, -ENAMETOOLONG
 * with text. */
int boot_check(const char *uri, enum boot_use use, bool is_secured, struct err *err);

#endif
