/* SPDX-License-Identifier: MPL-2.0 */
/* opt.h - command lines, for every program: a table of options, parsed with getopt_long(3).
 *
 * The table is also the help text, and (for programs that ask for it) the list of names a
 * configuration file may hold: opt_load_conf() applies ZPL text through the same rows. */
#ifndef XYLEM_OPT_H
#define XYLEM_OPT_H

#include "base.h"
#include "xerr.h"

enum opt_kind {
    OPT_FLAG,     // bool *
    OPT_STRING,   // const char **; borrowed from argv, or kept for the life of the process
    OPT_LONG,     // long *, within [min, max]
    OPT_SIZE,     // uint64_t *, units of units.h
    OPT_DURATION, // int64_t *, ms
    OPT_COUNT,    // int *, counted up each time it is given (-v -v)
    OPT_LIST,     // struct opt_list *, every value given
};

struct opt_list {
    const char **values; // owned array of borrowed strings
    size_t count;
};

struct opt {
    char letter;      // 0 = long form only
    const char *name; // long form without dashes; also the name in a configuration file
    const char *arg;  // name of the argument in the help, NULL for OPT_FLAG and OPT_COUNT
    enum opt_kind kind;
    void *dest;       // where the value goes; untouched when the option is not given
    const char *help; // one line; NULL = not shown
    long min, max;    // OPT_LONG, OPT_SIZE (bytes), OPT_DURATION (ms) only; both 0 = any
};

struct opt_program {
    const char *name;          // "xylem-dump"
    const char *synopsis;      // "[OPTIONS] OUTFILE"
    const char *description;   // one paragraph for --help
    const struct opt *options; // ends with a row whose name is NULL
    bool stop_at_operand;      // true: options end at the first operand ("xylem kvs get -r")
};

/* Parse argv.  -h/--help and -V/--version are built in: they print and exit(0).  A wrong option
 * prints one line and a hint on stderr and exits with 2.  Returns the index of the first operand.
 * Standard descriptors that are closed are taken, so that nothing else gets their numbers.
 * Only for program files; operands are moved behind the options unless stop_at_operand. */
int opt_parse(const struct opt_program *prog, int argc, char **argv);

/* "PROGRAM: TEXT" on stderr, then "Try 'PROGRAM --help'", exit(2). */
void opt_usage_error(const struct opt_program *prog, const char *fmt, ...) PRINTF_LIKE(2, 3)
    __attribute__((noreturn));

/* Apply "name = value" of a ZPL file (zconfig) to the rows of `options`; values already set by the
 * command line (given[i] true, array parallel to options, may be NULL) stay.  Flags take true,
 * yes, 1 or false, no, 0; a list takes one value for each line of that name.  Names that are not in
 * the table are passed to `other`, which borrows them and may refuse with -errno; names inside a
 * section come as "section/name".  Without `other` they are an error.
 * Errors, all with text naming the file (and the option): -ENOENT, -EACCES...: the file cannot be
 * read; -EINVAL: not ZPL, an unknown name or a wrong value; -ERANGE; what `other` returned. */
int opt_load_conf(const struct opt *options, const bool *given, const char *path,
                  int (*other)(void *arg, const char *name, const char *value), void *arg,
                  struct err *err);

/* Which rows did the last opt_parse() of this process set?  Array parallel to the table; valid
 * until the next opt_parse(). */
const bool *opt_given(void);

#endif
