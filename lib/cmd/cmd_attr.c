/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_attr.c - xylem getattr and lsattr: attributes of the rank one is connected to. */
#include "cmd.h"
#include "xmem.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct opt no_options[] = {{0}};
static const struct opt_program get_program = {
    .name = "xylem getattr",
    .synopsis = "NAME",
    .description = "Print an attribute of the rank.",
    .options = no_options,
};

int
cmd_getattr(int argc, char **argv)
{
    int i = cmd_parse(&get_program, argc, argv, 1, 1);
    xylem_t *x = cmd_open(&get_program);
    AUTO(free) char *value = NULL;
    int status = CMD_OK;

    if (xylem_getattr(x, argv[i], &value) < 0)
        status = cmd_fail_x(&get_program, x, argv[i]);
    else
        puts(value);
    xylem_close(x);
    return status;
}

static bool verbose;

static const struct opt ls_options[] = {
    {'v', "values", NULL, OPT_FLAG, &verbose, "print the values too", 0, 0},
    {0},
};
static const struct opt_program ls_program = {
    .name = "xylem lsattr",
    .synopsis = "[OPTIONS]",
    .description = "List the attributes of the rank.",
    .options = ls_options,
};

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
print_attribute(xylem_t *x, const char *name)
{
    AUTO(free) char *value = NULL;

    if (!verbose)
        return puts(name) >= 0 ? CMD_OK : CMD_FAILED;
    if (xylem_getattr(x, name, &value) < 0)
        return cmd_fail_x(&ls_program, x, name);
    printf("%-32s %s\n", name, value);
    return CMD_OK;
}

static int
print_attributes(xylem_t *x, json_t *list)
{
    size_t count = json_array_size(list);
    AUTO(free) const char **names = xcalloc(count + 1, sizeof(*names));
    int status = CMD_OK;

    for (size_t i = 0; i < count; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (!names[i])
            return cmd_fail(&ls_program, "malformed answer to attr.list");
    }
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count && status == CMD_OK; i++)
        status = print_attribute(x, names[i]);
    return status;
}

int
cmd_lsattr(int argc, char **argv)
{
    xylem_t *x;
    json_t *answer;
    int status;

    cmd_parse(&ls_program, argc, argv, 0, 0);
    x = cmd_open(&ls_program);
    answer = cmd_rpc_json(&ls_program, x, "attr.list", XYLEM_RANK_ANY, "{}", NULL);
    status = answer ? print_attributes(x, json_object_get(answer, "names")) : CMD_FAILED;
    json_decref(answer);
    xylem_close(x);
    return status;
}
