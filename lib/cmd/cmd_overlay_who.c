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

/* A name may be empty: that of a rank nobody knows the host of. */
static void
split_hosts(struct hosts *h, const char *text)
{
    char *next;

    next = h->text = xstrdup(text);
    h->names = xcalloc(strlen(text) + 1, sizeof(*h->names));
    while (next)
        h->names[h->count++] = strsep(&next, ",");
}

/* Rank 0 knows all hosts; others only those above and below them, if a launcher has started them. */
static int
ask_hosts(xylem_t *x, struct hosts *ret)
{
    json_t *answer =
        cmd_rpc_json(&lookup_program, x, "attr.get", 0, "{\"name\":\"hostlist\"}", "hostlist");
    const char *list = json_string_value(json_object_get(answer, "value"));

    if (list)
        split_hosts(ret, list);
    else if (answer)
        cmd_fail(&lookup_program, "malformed answer to attr.get");
    json_decref(answer);
    return list ? CMD_OK : CMD_FAILED;
}

static bool
is_ranks(const char *target)
{
    return target[0] && strspn(target, "0123456789,-") == strlen(target);
}

static int
parse_rank(const char *text, uint32_t count, long *ret)
{
    if (units_parse_long(text, 0, (long)count - 1, ret) == 0)
        return CMD_OK;
    return cmd_fail(&lookup_program, "%s: there is no such rank, there are %u", text, count);
}

/* "4" or "4-7". */
static int
parse_range(char *text, uint32_t count, long *ret_first, long *ret_last)
{
    char *dash = strchr(text, '-');
    int status;

    if (dash)
        *dash++ = '\0';
    status = parse_rank(text, count, ret_first);
    *ret_last = *ret_first;
    if (status == CMD_OK && dash)
        status = parse_rank(dash, count, ret_last);
    if (status == CMD_OK && *ret_last < *ret_first)
        return cmd_fail(&lookup_program, "%s-%s: not a range of ranks", text, dash);
    return status;
}

static int
print_hosts(const struct hosts *h, const char *target)
{
    AUTO(free) char *copy = xstrdup(target);
    AUTO(buf) struct buf out = BUF_INIT;
    size_t n = 0;
    char *next;

    for (char *word = strtok_r(copy, ",", &next); word; word = strtok_r(NULL, ",", &next)) {
        long first = 0, last = 0;
        int status = parse_range(word, h->count, &first, &last);

        if (status != CMD_OK)
            return status;
        for (; first <= last; first++)
            buf_printf(&out, "%s%s", n++ > 0 ? "," : "", h->names[first]);
    }
    puts(buf_str(&out));
    return CMD_OK;
}

/* Is it a word of the list: as a whole, or the part before its first dot? */
static bool
is_one_of(const char *name, const char *list)
{
    size_t length = strlen(name);
    size_t label = strcspn(name, ".");

    for (const char *word = list; label > 0; word++) {
        size_t size = strcspn(word, ",");

        if ((size == length || size == label) && strncmp(word, name, size) == 0)
            return true;
        word += size;
        if (*word == '\0')
            return false;
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
    int status = ask_hosts(x, &hosts);

    for (; i < argc && status == CMD_OK; i++)
        status = is_ranks(argv[i]) ? print_hosts(&hosts, argv[i]) : print_ranks(&hosts, argv[i]);
    free(hosts.names);
    free(hosts.text);
    xylem_close(x);
    return status;
}
