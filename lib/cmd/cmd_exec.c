/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_exec.c - `xylem NAME ...` for what is a program of its own: run xylem-NAME.
 *
 * It is looked for where this program lies, so that an installation finds its own; then where a
 * build tree has it; then in PATH.  Options given in front travel in the environment. */
#include "cmd.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* From the folder of xylem: installed, or lib/cmd of a build tree. */
static const char *const siblings[] = {".", "../../dump", "../../brokerd", "../../test/bench",
                                       "../../bench"};

/* Only names that can be part of a program's name. */
static bool
is_plain(const char *name)
{
    return name[0] && !strchr(name, '/') && name[0] != '-';
}

static char *
own_folder(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    if (n <= 0)
        return xstrdup(".");
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return xstrdup(path);
}

/* Path of a program beside this one; NULL if there is none. */
static char *
find_sibling(const char *program)
{
    AUTO(free) char *folder = own_folder();

    for (size_t i = 0; i < ARRAY_SIZE(siblings); i++) {
        AUTO(free) char *path = xasprintf("%s/%s/%s", folder, siblings[i], program);

        if (access(path, X_OK) == 0)
            return TAKE(path);
    }
    return NULL;
}

bool
cmd_exec_exists(const char *name)
{
    AUTO(free) char *program = xasprintf("xylem-%s", name);
    AUTO(free) char *path = find_sibling(program);

    return path != NULL;
}

void
cmd_exec(char **argv)
{
    AUTO(free) char *program = NULL;
    AUTO(free) char *path = NULL;
    char *word = argv[0];

    if (!is_plain(word))
        return;
    program = xasprintf("xylem-%s", word);
    path = find_sibling(program);
    if (cmd_uri)
        setenv("XYLEM_URI", cmd_uri, 1);
    if (cmd_cert)
        setenv("XYLEM_CERT", cmd_cert, 1);
    argv[0] = program;
    if (path)
        execv(path, argv);
    execvp(program, argv);
    argv[0] = word;
}
