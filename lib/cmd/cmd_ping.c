/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_ping.c - xylem ping: how long a rank takes to answer. */
#include "cmd.h"
#include "clock.h"
#include "units.h"
#include "xmem.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static const char *rank_text;
static long count;
static int64_t interval_ms = 1000;

static const struct opt options[] = {
    {'r', "rank", "R", OPT_STRING, &rank_text, "which rank (default: the one connected to)", 0, 0},
    {'c', "count", "N", OPT_LONG, &count, "stop after N answers (default: go on for ever)", 1,
     INT32_MAX},
    {'i', "interval", "TIME", OPT_DURATION, &interval_ms, "pause between pings (default: 1s)", 0,
     0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem ping",
    .synopsis = "[OPTIONS] [RANK]",
    .description = "Send requests to a rank and print how long each answer takes.",
    .options = options,
};

static int
ping(xylem_t *x, uint32_t rank, long seq)
{
    int64_t start = clock_us();
    AUTO(free)
    char *request =
        xasprintf("{\"seq\":%ld,\"time.tv_sec\":%lld,\"time.tv_nsec\":%lld,\"pad\":\"\"}", seq,
                  (long long)(start / 1000000), (long long)(start % 1000000 * 1000));
    json_t *answer = cmd_rpc_json(&program, x, "broker.ping", rank, request, rank_text);
    double ms = (double)(clock_us() - start) / 1000;

    if (!answer)
        return CMD_FAILED;
    printf("rank %lld: seq=%ld time=%.3f ms\n",
           (long long)json_integer_value(json_object_get(answer, "rank")), seq, ms);
    fflush(stdout);
    json_decref(answer);
    return cmd_output_failed() ? CMD_FAILED : CMD_OK;
}

int
cmd_ping(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 0, 1);
    uint32_t rank;
    xylem_t *x;
    int status = CMD_OK;

    if (i < argc)
        rank_text = argv[i];
    rank = cmd_rank(&program, rank_text);
    x = cmd_open(&program);
    for (long seq = 0; status == CMD_OK && (count == 0 || seq < count); seq++) {
        if (seq > 0)
            usleep((useconds_t)(interval_ms * 1000));
        status = ping(x, rank, seq);
    }
    xylem_close(x);
    return status;
}
