/* SPDX-License-Identifier: MPL-2.0 */
/* dirs.h - where a broker keeps its files, and that none of those it has made stays behind.
 *
 * Ours are: a run directory that was not there, sockets that are not the ones that were there, the
 * pid file, and the database of rank 0 if it lives in the run directory and was not there.  A state
 * directory that was asked for is never ours. */
#ifndef XYLEM_DIRS_H
#define XYLEM_DIRS_H

#include "base.h"
#include "xerr.h"

struct dirs_socket;

struct dirs {
    uint32_t rank;
    char *rundir;                // owned
    char *statedir;              // owned; may be the run directory
    bool is_private;             // the run directory is one we made up
    bool has_made;               // the run directory was not there
    bool has_pid;                // RUNDIR/rank-R.pid is ours
    bool has_state;              // content.sqlite in the run directory is ours
    struct dirs_socket *sockets; // owned array
    size_t nsockets;
};

#define DIRS_INIT \
    { \
        0, NULL, NULL, false, false, false, false, NULL, 0 \
    }

/* Make the directories that are not there.  rundir NULL: a private one; statedir NULL: the run
 * directory.  -errno with text; dirs_close() is due in any case. */
int dirs_open(struct dirs *d, uint32_t rank, const char *rundir, const char *statedir,
              struct err *err);

/* Before the rank starts: a URI it is to listen on, of which only ipc:// leaves something; and the
 * path of a socket that whoever binds it removes.  -EEXIST with text: there is a file of another
 * kind, which binding would remove. */
int dirs_expect_uri(struct dirs *d, const char *uri, struct err *err);
int dirs_expect_local(const char *path, struct err *err);

/* RUNDIR/rank-R.pid.  A failure is logged. */
void dirs_write_pid(struct dirs *d);

/* When the rank has ended, or did not start: remove what is ours, but nothing while another broker
 * runs as this rank here. */
void dirs_close(struct dirs *d);

/* This process's id, in a file.  A failure is logged and false. */
bool dirs_write_pid_to(const char *path);

#endif
