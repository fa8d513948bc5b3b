/* SPDX-License-Identifier: MPL-2.0 */
/* launch_dir.h - the run directory of a launch: where it is, what its files are called, and that
 * nothing of ours stays in it.
 *
 * Each rank R has local-R (socket for clients), tree-R (socket for child ranks), rank-R.pid,
 * rank-R.log, rank-R.lock (held by the broker), and rank-R.cmd (its command line, NUL-separated:
 * what --respawn runs again).  Rank 0 leaves rank-0.end when it has ended because the instance was
 * shut down.  With several hosts rank-R.host says where it is.
 * Of the launch itself are the socket `launch`, cluster.conf (with TCP only) and launch.cert (with
 * several hosts only).
 */
#ifndef XYLEM_LAUNCH_DIR_H
#define XYLEM_LAUNCH_DIR_H

#include "base.h"
#include "buf.h"
#include "xerr.h"

#include <sys/types.h>

#define LAUNCH_SOCKET "launch" // not longer than local-0
#define LAUNCH_CONF "cluster.conf"
#define LAUNCH_CERT "launch.cert"

enum launch_file {
    LAUNCH_LOCAL,
    LAUNCH_TREE,
    LAUNCH_PID,
    LAUNCH_LOG,
    LAUNCH_CMD,
    LAUNCH_LOCK,
    LAUNCH_END,
    LAUNCH_HOST,
    LAUNCH_FILES, // how many there are
};

struct launch_dir {
    char *path;      // owned; absolute
    int fd;          // the directory, owned; a launch keeps it locked while it lives
    bool is_private; // we made up the place: at the end all of it goes
    bool had_data;   // somebody's content.sqlite was there, which stays
};

/* Make (path NULL: a new private one) and lock the directory for `size` ranks.  -EBUSY another
 * launch, or what is left of one, lives there; -ENAMETOOLONG no room for a socket's name. */
int launch_dir_create(struct launch_dir *d, const char *path, unsigned size, struct err *err);

/* The directory of a launch that is running.  -ESRCH: none is. */
int launch_dir_attach(struct launch_dir *d, const char *path, struct err *err);

/* Remove what belongs to `size` ranks, and the directory itself if it is private.  has_state: rank
 * 0 kept its data here, which go too unless they were there before this launch. */
void launch_dir_clean(const struct launch_dir *d, unsigned size, bool has_state);

void launch_dir_close(struct launch_dir *d);

/* Full path of one file of a rank; the caller's to free(). */
char *launch_dir_path(const struct launch_dir *d, enum launch_file file, unsigned rank);

/* Replace a file in one step, so that readers see the old text or the new one. */
int launch_dir_write(const struct launch_dir *d, const char *path, const void *data, size_t size,
                     struct err *err);

int launch_dir_write_pid(const struct launch_dir *d, unsigned rank, pid_t pid, struct err *err);

/* The last lines of a rank's log, each after `prefix`, on stderr. */
void launch_dir_show_log(const struct launch_dir *d, unsigned rank, const char *prefix);

static inline void
launch_dir_auto(struct launch_dir *d)
{
    launch_dir_close(d);
}

#endif
