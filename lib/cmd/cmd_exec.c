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
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (n <= 0)
        return xstrdup(".");
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return xstrdup(path);
}

void
cmd_exec(char **argv)
{
    AUTO(free) char *folder = own_folder();
    AUTO(free) char *name = NULL;
    char *word = argv[0];

    if (!is_plain(word))
        return;
    name = xasprintf("xylem-%s", word);
    if (cmd_uri)
        setenv("XYLEM_URI", cmd_uri, 1);
    if (cmd_cert)
        setenv("XYLEM_CERT", cmd_cert, 1);
    argv[0] = name;
    for (size_t i = 0; i < ARRAY_SIZE(siblings); i++) {
        AUTO(free) char *path = xasprintf("%s/%s/%s", folder, siblings[i], name);

        execv(path, argv);
    }
    execvp(name, argv);
    argv[0] = word;
}
