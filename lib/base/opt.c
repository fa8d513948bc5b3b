/* SPDX-License-Identifier: MPL-2.0 */
/* opt.c - command lines and configuration files, from one table.
 *
 * Model: the table becomes what getopt_long(3) wants.  A row is known to it by LONG_BASE + its
 * index, so that a long option and its letter end at the same row; the two built-in options follow
 * behind the table.  Values go through opt_value_set(), for both sources.
 *
 * Thread: main, before others exist; getopt_long() and `given` are global.
 */
#include "opt.h"

#include "opt_help.h"
#include "opt_value.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONG_BASE 256 // above every letter
#define EXIT_USAGE 2
#define CONF_MAX (1 << 20) // bytes; far beyond any configuration file
#define NAME_SIZE 256      // longest "section/name" of a configuration file, with the NUL

static bool *given; // owned; parallel to the table of the last opt_parse()

const bool *
opt_given(void)
{
    return given;
}

__attribute__((noreturn)) static void
exit_usage(const struct opt_program *prog, const char *text)
{
    fprintf(stderr, "%s: %s\nTry '%s --help'\n", prog->name, text, prog->name);
    exit(EXIT_USAGE);
}

void
opt_usage_error(const struct opt_program *prog, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    exit_usage(prog, text);
}

/* A full disk or a closed pipe must not look like success. */
__attribute__((noreturn)) static void
exit_after_output(void)
{
    exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

__attribute__((noreturn)) static void
print_help(const struct opt_program *prog)
{
    AUTO(buf) struct buf text = BUF_INIT;

    opt_help_format(prog, &text);
    fputs(buf_str(&text), stdout);
    exit_after_output();
}

__attribute__((noreturn)) static void
print_version(const struct opt_program *prog)
{
    printf("%s %s\n", prog->name, XYLEM_VERSION);
    exit_after_output();
}

/* --- the command line --- */

static size_t
count_rows(const struct opt *options)
{
    size_t count = 0;

    while (options[count].name)
        count++;
    return count;
}

static struct option *
make_long_options(const struct opt *options, size_t count)
{
    struct option *longs = xcalloc(count + 3, sizeof(*longs));

    for (size_t i = 0; i < count; i++) {
        longs[i].name = options[i].name;
        longs[i].has_arg = options[i].arg ? required_argument : no_argument;
        longs[i].val = LONG_BASE + (int)i;
    }
    longs[count] = (struct option){"help", no_argument, NULL, 'h'};
    longs[count + 1] = (struct option){"version", no_argument, NULL, 'V'};
    return longs;
}

/* "+:" first: where to stop, and errors come back to us. */
static void
make_letters(const struct opt_program *prog, struct buf *letters)
{
    buf_add_str(letters, prog->stop_at_operand ? "+:" : ":");
    for (const struct opt *row = prog->options; row->name; row++) {
        if (row->letter)
            buf_printf(letters, "%c%s", row->letter, row->arg ? ":" : "");
    }
    buf_add_str(letters, "hV");
}

/* The row of what getopt_long() returned; NULL for the built-in options. */
static const struct opt *
find_row(const struct opt *options, int code)
{
    if (code >= LONG_BASE)
        return &options[code - LONG_BASE];
    for (const struct opt *row = options; row->name; row++) {
        if (row->letter == code)
            return row;
    }
    return NULL;
}

/* getopt_long() said '?' or ':': optopt is the letter or code, 0 for an unknown long option. */
__attribute__((noreturn)) static void
refuse_option(const struct opt_program *prog, bool is_missing, char *const *argv)
{
    const struct opt *row = optopt ? find_row(prog->options, optopt) : NULL;
    const char *word = argv[optind - 1];

    if (is_missing && row)
        opt_usage_error(prog, "option '--%s' needs a value (%s)", row->name, row->arg);
    if (optopt >= LONG_BASE)
        opt_usage_error(prog, "option '--%s' takes no value", row->name);
    if (optopt && strncmp(word, "--", 2) == 0)
        opt_usage_error(prog, "option '%.*s' takes no value", (int)strcspn(word, "="), word);
    if (optopt)
        opt_usage_error(prog, "unknown option '-%c'", optopt);
    opt_usage_error(prog, "unknown or ambiguous option '%s'", word);
}

static void
apply_option(const struct opt_program *prog, int code)
{
    const struct opt *row = find_row(prog->options, code);
    struct err err;

    if (!row && code == 'h')
        print_help(prog);
    if (!row)
        print_version(prog);
    if (opt_value_set(row, row->arg ? optarg : NULL, &err) < 0)
        opt_usage_error(prog, "--%s: %s", row->name, err.text);
    given[row - prog->options] = true;
}

/* A standard descriptor that is closed would be taken by the next file or socket, and what is printed would
 * go into that.  What is opened here cannot be used the way it would be: that is an error. */
static void
take_standard_descriptors(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = 0; fd < (int)ARRAY_SIZE(modes); fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[fd]) != fd)
            exit(2);
    }
}

int
opt_parse(const struct opt_program *prog, int argc, char **argv)
{
    size_t count = count_rows(prog->options);
    AUTO(free) struct option *longs = make_long_options(prog->options, count);
    AUTO(buf) struct buf letters = BUF_INIT;
    int code;

    take_standard_descriptors();
    free(given);
    given = xcalloc(count, sizeof(*given));
    make_letters(prog, &letters);
    optind = 0; // start anew: "xylem" parses twice, once for itself and once for its command
    opterr = 0;
    while ((code = getopt_long(argc, argv, buf_str(&letters), longs, NULL)) != -1) {
        if (code == '?' || code == ':')
            refuse_option(prog, code == ':', argv);
        apply_option(prog, code);
    }
    return optind;
}

/* --- the configuration file --- */

struct conf_reader {
    const struct opt *options;                                    // borrowed
    const bool *given;                                            // borrowed, may be NULL
    const char *path;                                             // borrowed, for texts
    int (*other)(void *arg, const char *name, const char *value); // may be NULL
    void *arg;                                                    // for other()
    struct err *err;                                              // may be NULL
};

static int
apply_row(const struct conf_reader *r, const struct opt *row, const char *value)
{
    int rc;

    if (r->given && r->given[row - r->options])
        return 0;
    if (row->kind == OPT_STRING || row->kind == OPT_LIST)
        value = xstrdup(value); // the options keep it; the file's tree goes away
    rc = opt_value_set(row, value, r->err);
    return rc < 0 ? err_prefix(r->err, rc, "%s: %s", r->path, row->name) : 0;
}

static int
apply_other(const struct conf_reader *r, const char *name, const char *value)
{
    int rc;

    if (!r->other)
        return err_set(r->err, -EINVAL, "%s: unknown name '%s'", r->path, name);
    rc = r->other(r->arg, name, value);
    if (rc < 0)
        return err_set(r->err, rc, "%s: %s: cannot use '%s': %s", r->path, name, value,
                       err_name(rc));
    return 0;
}

static int
apply_name(const struct conf_reader *r, const char *name, const char *value)
{
    for (const struct opt *row = r->options; row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return apply_row(r, row, value);
    }
    return apply_other(r, name, value);
}

static int apply_children(const struct conf_reader *r, zconfig_t *node, const char *prefix);

/* A name, and what is below it.  A bare section has no value of its own. */
static int
apply_node(const struct conf_reader *r, zconfig_t *node, const char *prefix)
{
    char name[NAME_SIZE];
    int used =
        snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "/" : "", zconfig_name(node));
    const char *value = zconfig_value(node);
    bool is_section = zconfig_child(node);
    int rc = 0;

    if (used >= (int)sizeof(name))
        return err_set(r->err, -EINVAL, "%s: name too long: %s", r->path, name);
    if (!is_section || (value && *value))
        rc = apply_name(r, name, value ? value : "");
    if (rc == 0 && is_section)
        rc = apply_children(r, node, name);
    return rc;
}

/* The depth is bounded by NAME_SIZE. */
static int
apply_children(const struct conf_reader *r, zconfig_t *node, const char *prefix)
{
    int rc = 0;

    for (zconfig_t *it = zconfig_child(node); it && rc == 0; it = zconfig_next(it))
        rc = apply_node(r, it, prefix);
    return rc;
}

static int
read_conf(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return -errno;
    rc = buf_read_fd(text, fd, CONF_MAX);
    close(fd);
    return rc;
}

/* zconfig_load() would say no more than "no", leak when it does, and read a directory as an empty
 * file: so the text is ours, and only the parser is zconfig's. */
int
opt_load_conf(const struct opt *options, const bool *given_rows, const char *path,
              int (*other)(void *arg, const char *name, const char *value), void *arg,
              struct err *err)
{
    const struct conf_reader r = {options, given_rows, path, other, arg, err};
    AUTO(buf) struct buf text = BUF_INIT;
    zconfig_t *root;
    int rc = read_conf(path, &text);

    if (rc < 0)
        return err_set(err, rc, "cannot read %s: %s", path, err_name(rc));
    if (strlen(buf_str(&text)) != text.size)
        return err_set(err, -EINVAL, "%s: not a text file", path);
    root = zconfig_str_load(buf_str(&text));
    if (!root)
        return err_set(err, -EINVAL, "%s: not a ZPL file (name = value)", path);
    rc = apply_children(&r, root, "");
    zconfig_destroy(&root);
    return rc;
}
