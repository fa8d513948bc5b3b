/* SPDX-License-Identifier: MPL-2.0 */
/* testing_priv.h - what the files of libxylem-testing share (lib/xylem-testing.h):
 *
 * testing.c        ranks: started, killed, paused; the cluster's life
 * testing_conf.c   what is asked for, as configuration of ranks; the directory
 * testing_wait.c   what ranks tell, and the state of the tree
 * testing_net.c    the network between them
 * testing_exit.c   the program they are in: how it begins and ends
 *
 * Everything but the ranks and the network runs on the caller's thread. */
#ifndef XYLEM_TESTING_PRIV_H
#define XYLEM_TESTING_PRIV_H

#include "list.h"
#include "rank.h"
#include "testing_net.h"
#include "xylem-testing.h"

#include <sys/types.h>

/* testing.c has the table. */
enum testing_state { TESTING_DOWN, TESTING_RUNNING, TESTING_PAUSED };

struct testing_rank {
    enum testing_state state;
    bool complete;     // has told so since it was started
    struct rank *rank; // owned; NULL while DOWN
    struct rank_conf conf;
    char *uri;              // owned: for clients
    char *listen;           // owned: for ranks below
    const char **endpoints; // owned array of borrowed URIs: of each rank, as this one reaches it
};

struct xylem_cluster {
    struct testing_rank *ranks; // owned array
    uint32_t size;
    struct topo topo;
    char *id;                // owned: name of the instance
    char *dir;               // owned: all sockets; the state if has_state
    bool has_state;          // the state directory is in `dir`, too
    char *statedir;          // owned
    struct testing_net *net; // owned; NULL without network
    struct err err;          // the last failure
    pid_t pid;               // of the process that its threads are in
    struct list node;        // in the list of testing_exit.c
};

/* --- testing_conf.c --- */
/* Directories, and what each rank is to be.  -errno with text; testing_unconfigure() is due in any case. */
int testing_configure(struct xylem_cluster *c, const struct xylem_testing_conf *conf);
/* The ranks have ended: remove files, and free. */
void testing_unconfigure(struct xylem_cluster *c);
/* --- testing_wait.c --- */
/* Take what the ranks tell.  -EPERM with text: one was refused. */
int testing_take_news(struct xylem_cluster *c);
/* A rank that is down, or has not told yet since it was started that all below it are there; TOPO_NONE:
 * there is none. */
uint32_t testing_missing(const struct xylem_cluster *c);
void testing_nap(void);

/* --- testing_exit.c --- */
/* For the process, at the first start. */
/* false: this is a child that was forked behind it, which cannot have ranks. */
bool testing_process_init(void);
/* One that is still there when the program exits is stopped then. */
void testing_enlist(struct xylem_cluster *c);
void testing_delist(struct xylem_cluster *c);

/* --- testing.c --- */
void testing_end_rank(struct xylem_cluster *c, uint32_t rank); // in order

#endif
