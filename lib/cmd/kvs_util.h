/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_util.h - what the commands below `xylem kvs` share. */
#ifndef XYLEM_KVS_UTIL_H
#define XYLEM_KVS_UTIL_H

#include "cmd.h"
#include "treeobj.h"

/* Namespace to work in; NULL = the library's default. */
extern const char *kvs_ns;
/* Root to read from, as given; NULL = the current one. */
extern const char *kvs_at;
/* What to print after a commit; --no-merge, --sync. */
extern bool kvs_print_treeobj, kvs_print_blobref, kvs_print_sequence, kvs_no_merge, kvs_sync;

#define KVS_OPTION_NS \
    { \
        'N', "namespace", "NS", OPT_STRING, &kvs_ns, "work in this namespace (default: primary)", \
            0, 0 \
    }
#define KVS_OPTION_AT \
    { \
        'a', "at", "ROOT", OPT_STRING, &kvs_at, \
            "read below this root (blobref, or dirref object)", 0, 0 \
    }
#define KVS_OPTIONS_COMMIT \
    {'O', "treeobj-root", NULL, OPT_FLAG, &kvs_print_treeobj, "print the new root as JSON", 0, 0}, \
        {'b', "blobref", NULL, OPT_FLAG, &kvs_print_blobref, "print the new root's name", 0, 0}, \
    { \
        's', "sequence", NULL, OPT_FLAG, &kvs_print_sequence, "print its sequence number", 0, 0 \
    }

/* The blobref of --at; NULL if it was not given.  Exits with CMD_USAGE when malformed. */
const char *kvs_at_blobref(const struct opt_program *prog);

/* A root to read from throughout one command, so that it shows one state: --at, or the current
 * root.  0, or -errno with xylem_error(). */
int kvs_pin_root(const struct opt_program *prog, xylem_t *x, struct xylem_root *ret);

/* Look up and decode.  0 and *ret, or -errno with *ret_error (a text; valid until the next call).
 */
int kvs_read(xylem_t *x, const char *key, const char *at, int flags, struct treeobj **ret,
             const char **ret_error);

/* Commit, and print what the options ask for.  Exit status. */
int kvs_commit(const struct opt_program *prog, xylem_t *x, const xylem_txn_t *txn);

/* "{"ver":1,"type":"dirref","data":[...]}" and a newline. */
void kvs_print_dirref(const char *blobref);

/* PARENT.NAME with NAME in quoted form; malloc()ed. */
char *kvs_join(const char *parent, const char *name);

/* Columns to fill: --width if >= 0, the terminal, $COLUMNS, else `otherwise`. */
size_t kvs_width(long width_option, size_t otherwise);

int kvs_get(int argc, char **argv);
int kvs_put(int argc, char **argv);
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

#endif
