/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_util.h - what the commands below `xylem kvs` share. */
#ifndef XYLEM_CMD_KVS_UTIL_H
#define XYLEM_CMD_KVS_UTIL_H

#include "cmd.h"
#include "treeobj.h"

#include <limits.h>

/* Namespace to work in; NULL = the library's default. */
extern const char *kvs_ns;
/* Root to read from, as given; NULL = the current one. */
extern const char *kvs_at;
/* --recursive and --width of the commands that list. */
extern bool kvs_recursive;
extern long kvs_width_option;
/* What to print after a commit; --no-merge, --sync. */
extern bool kvs_print_treeobj, kvs_print_blobref, kvs_print_sequence, kvs_no_merge, kvs_sync;
/* What a commit expects, and its id; -1, NULL: not given. */
extern long kvs_if_version;
extern struct opt_list kvs_if, kvs_if_missing;
extern const char *kvs_id;

#define KVS_OPTION_NS \
    { \
        'N', "namespace", "NS", OPT_STRING, &kvs_ns, "work in this namespace (default: primary)", \
            0, 0 \
    }
#define KVS_OPTION_AT \
    { \
        'a', "at", "ROOT", OPT_STRING, &kvs_at, \
            "read below this root (blobref, dirref object, or sequence number)", 0, 0 \
    }
#define KVS_OPTION_RECURSIVE \
    { \
        'R', "recursive", NULL, OPT_FLAG, &kvs_recursive, "list directories below too", 0, 0 \
    }
#define KVS_OPTION_WIDTH(help) \
    { \
        'w', "width", "N", OPT_LONG, &kvs_width_option, help, 0, 100000 \
    }
#define KVS_OPTIONS_COMMIT \
    {'O', "treeobj-root", NULL, OPT_FLAG, &kvs_print_treeobj, "print the new root as JSON", 0, 0}, \
        {'b', "blobref", NULL, OPT_FLAG, &kvs_print_blobref, "print the new root's name", 0, 0}, \
        {'s', "sequence", NULL, OPT_FLAG, &kvs_print_sequence, "print its sequence number", 0, 0}, \
        {0,        "if-version",    "N", \
         OPT_LONG, &kvs_if_version, "only if the root has this sequence number", \
         0,        LONG_MAX}, \
        {0,        "if",    "KEY=TREEOBJ", \
         OPT_LIST, &kvs_if, "only if `kvs get -t KEY` gives this (null, or nothing: no such key)", \
         0,        0}, \
        {0, "if-missing", "KEY", OPT_LIST, &kvs_if_missing, "only if the key does not exist", 0, 0}, \
    { \
        0, "id", "ID", OPT_STRING, &kvs_id, "id of the commit, which is applied only once", 0, 0 \
    }

/* The blobref of --at; NULL if it was not given.  Exits with CMD_USAGE when malformed, with CMD_FAILED when
 * it is a sequence number that is not in the history. */
const char *kvs_at_blobref(const struct opt_program *prog);

/* What a command that lists reads: one root throughout, so that it shows one state. */
struct kvs_view {
    xylem_t *x;                   // owned
    char root[XYLEM_BLOBREF_MAX]; // --at, or the current root
    size_t width;                 // columns; 0 = no limit
};

/* Connect and choose the root.  Exit status, with a message; xylem_close(ret->x) in any case. */
int kvs_open_view(const struct opt_program *prog, size_t width, struct kvs_view *ret);

/* Look up and decode.  0 and *ret, or -errno with *ret_error (a text; valid until the next call).
 */
int kvs_read(xylem_t *x, const char *key, const char *at, int flags, struct treeobj **ret,
             const char **ret_error);

/* Commit under the conditions of the options, and print what they ask for.  Exit status: CMD_UNMET when
 * something that the commit expects does not hold. */
int kvs_commit(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn);

/* The same, but when the commit itself fails there is no message: *ret_rc is its -errno, else 0. */
int kvs_try_commit(const struct opt_program *prog, xylem_t *x, xylem_txn_t *txn, int *ret_rc);

/* Did a commit fail with this because of something that it expects? */
bool kvs_is_unmet(const xylem_t *x, int rc);

/* Before another try: wait until the rank has seen the root that rank 0 has.  ns as in the library. */
void kvs_catch_up(xylem_t *x, const char *ns);

/* Do the options give any? */
bool kvs_has_conditions(void);

/* "{"ver":1,"type":"dirref","data":[...]}" and a newline. */
void kvs_print_dirref(const char *blobref);

/* PARENT.NAME with NAME in quoted form; malloc()ed. */
char *kvs_join(const char *parent, const char *name);

/* Columns to fill: --width if >= 0, the terminal, $COLUMNS, else `otherwise`. */
size_t kvs_width(size_t otherwise);

int kvs_get(int argc, char **argv);
int kvs_put(int argc, char **argv);
int kvs_watch(int argc, char **argv);
int kvs_eventlog(int argc, char **argv);
int kvs_dir(int argc, char **argv);
int kvs_ls(int argc, char **argv);
int kvs_unlink(int argc, char **argv);
int kvs_link(int argc, char **argv);
int kvs_readlink(int argc, char **argv);
int kvs_mkdir(int argc, char **argv);
int kvs_copy(int argc, char **argv);
int kvs_move(int argc, char **argv);
int kvs_getroot(int argc, char **argv);
int kvs_version(int argc, char **argv);
int kvs_wait(int argc, char **argv);
int kvs_sync_now(int argc, char **argv);
int kvs_namespace(int argc, char **argv);
int kvs_diff(int argc, char **argv);
int kvs_history(int argc, char **argv);

#endif
