/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_overlay_who.c - xylem overlay parentof and lookup: which rank is where. */
#include "cmd_overlay.h"
#include "units.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>

/* --- parentof --- */

static bool home;

static const struct opt parent_options[] = {
    {0, "home", NULL, OPT_FLAG, &home, "the parent in the tree, whoever has adopted it", 0, 0},
    {0},
};
static const struct opt_program parent_program = {
    .name = "xylem overlay parentof",
    .synopsis = "[OPTIONS] RANK",
    .description = "Print the rank that a rank is below now.",
    .options = parent_options,
};

/* RANK_NONE after saying why. */
static uint32_t
ask_parent(xylem_t *x, uint32_t rank, const char *text)
{
    json_t *answer = cmd_rpc_json(&parent_program, x, "overlay.health", rank, NULL, text);
    json_t *parent = json_object_get(answer, "parent");
    uint32_t ret = RANK_NONE;

    if (json_is_integer(parent))
        ret = (uint32_t)json_integer_value(parent);
    else if (answer)
        cmd_fail(&parent_program, "malformed answer to overlay.health");
    json_decref(answer);
    return ret;
}

int
overlay_parentof(int argc, char **argv)
{
    int i = cmd_parse(&parent_program, argc, argv, 1, 1);
    uint32_t rank = cmd_rank(&parent_program, argv[i]);
    AUTO(rank_tree) struct rank_tree tree = {0};
    uint32_t parent = RANK_NONE;
    xylem_t *x = cmd_open(&parent_program);

    overlay_open_tree(&parent_program, x, rank, &tree);
    if (rank == 0)
        cmd_fail(&parent_program, "0: it has no parent");
    else
        parent = home ? rank_tree_home(&tree, rank) : ask_parent(x, rank, argv[i]);
    if (parent != RANK_NONE)
        printf("%u\n", parent);
    xylem_close(x);
    return parent == RANK_NONE ? CMD_FAILED : CMD_OK;
}

/* --- lookup --- */

static const struct opt no_options[] = {{0}};
static const struct opt_program lookup_program = {
    .name = "xylem overlay lookup",
    .synopsis = "TARGET...",
    .description = "Print the hosts of ranks (1,4-7), or the ranks of hosts (n01,n02).",
    .options = no_options,
};

struct hosts {
    char *text;   // owned: names, each with its NUL
    char **names; // owned array, by rank; into text
    uint32_t count;
};

static void
split_hosts(struct hosts *h, char **text)
{
    char *next;

    h->text = TAKE(*text);
    h->names = xcalloc(strlen(h->text) + 1, sizeof(*h->names));
    for (char *name = strtok_r(h->text, ",", &next); name; name = strtok_r(NULL, ",", &next))
        h->names[h->count++] = name;
}

static bool
is_ranks(const char *target)
{
    return target[0] && strspn(target, "0123456789,-") == strlen(target);
}

/* "4" or "4-7". */
static int
parse_range(char *text, uint32_t count, long *ret_first, long *ret_last)
{
    char *dash = strchr(text, '-');

    if (dash)
        *dash++ = '\0';
    if (count == 0 || units_parse_long(text, 0, (long)count - 1, ret_first) < 0)
        return -1;
    *ret_last = *ret_first;
    if (dash && units_parse_long(dash, *ret_first, (long)count - 1, ret_last) < 0)
        return -1;
    return 0;
}

static int
print_hosts(const struct hosts *h, const char *target)
{
    AUTO(free) char *copy = xstrdup(target);
    AUTO(buf) struct buf out = BUF_INIT;
    char *next;

    for (char *word = strtok_r(copy, ",", &next); word; word = strtok_r(NULL, ",", &next)) {
        long first, last;

        if (parse_range(word, h->count, &first, &last) < 0)
            return cmd_fail(&lookup_program, "%s: there is no such rank", target);
        for (; first <= last; first++)
            buf_printf(&out, "%s%s", out.size > 0 ? "," : "", h->names[first]);
    }
    puts(buf_str(&out));
    return CMD_OK;
}

static bool
is_one_of(const char *name, const char *list)
{
    size_t length = strlen(name);

    for (const char *at = list; (at = strstr(at, name)); at++) {
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

static int
print_ranks(const struct hosts *h, const char *target)
{
    AUTO(buf) struct buf out = BUF_INIT;

    for (uint32_t i = 0; i < h->count; i++) {
        uint32_t first = i;

        if (!is_one_of(h->names[i], target))
            continue;
        while (i + 1 < h->count && is_one_of(h->names[i + 1], target))
            i++;
        buf_printf(&out, "%s%u", out.size > 0 ? "," : "", first);
        if (i > first)
            buf_printf(&out, "-%u", i);
    }
    if (out.size == 0)
        return cmd_fail(&lookup_program, "%s: there is no such host", target);
    puts(buf_str(&out));
    return CMD_OK;
}

int
overlay_lookup(int argc, char **argv)
{
    int i = cmd_parse(&lookup_program, argc, argv, 1, CMD_MANY);
    struct hosts hosts = {0};
    xylem_t *x = cmd_open(&lookup_program);
    char *list = NULL;
    int status = CMD_OK;

    if (xylem_getattr(x, "hostlist", &list) < 0)
        status = cmd_fail_x(&lookup_program, x, "hostlist");
    else
        split_hosts(&hosts, &list);
    for (; i < argc && status == CMD_OK; i++)
        status = is_ranks(argv[i]) ? print_hosts(&hosts, argv[i]) : print_ranks(&hosts, argv[i]);
    free(hosts.names);
    free(hosts.text);
    xylem_close(x);
    return status;
}
