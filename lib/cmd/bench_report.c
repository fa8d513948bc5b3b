/* SPDX-License-Identifier: MPL-2.0 */
/* bench_report.c - figures from an outcome, and their two forms.
 *
 * Numbers are written with printf: the locale is C, and a double of this kind is never infinite.
 */
#include "bench_report.h"

#include <inttypes.h>

void
bench_report_measured(struct bench_row *row, const struct bench_outcome *out)
{
    row->failed = out->failed;
    row->ops_per_sec = (double)out->done / out->seconds;
    row->mb_per_sec = row->ops_per_sec * (double)row->size / 1e6;
    row->p50_us = hist_quantile(&out->latency, 500);
    row->p99_us = hist_quantile(&out->latency, 990);
}

void
bench_report_titles(struct buf *text)
{
    buf_printf(text, "%-9s %9s %9s %7s %7s %10s %9s %9s %9s %7s\n", "TEST", "N", "SIZE", "WINDOW",
               "CLIENTS", "OP/S", "MB/S", "P50 US", "P99 US", "FAILED");
}

void
bench_report_row(struct buf *text, const struct bench_row *row)
{
    buf_printf(text, "%-9s %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %7" PRIu64, row->test, row->n,
               row->size, row->window, row->clients);
    buf_printf(text, " %10.0f %9.1f %9.0f %9.0f %7" PRIu64 "\n", row->ops_per_sec, row->mb_per_sec,
               row->p50_us, row->p99_us, row->failed);
}

static void
add_json(struct buf *text, const struct bench_row *row)
{
    buf_printf(text, "{\"test\":\"%s\",\"ops_per_sec\":%.1f,\"mb_per_sec\":%.3f,", row->test,
               row->ops_per_sec, row->mb_per_sec);
    buf_printf(text, "\"p50_us\":%.1f,\"p99_us\":%.1f,", row->p50_us, row->p99_us);
    buf_printf(text, "\"n\":%" PRIu64 ",\"size\":%" PRIu64 ",\"window\":%" PRIu64, row->n,
               row->size, row->window);
    buf_printf(text, ",\"clients\":%" PRIu64 ",\"failed\":%" PRIu64 "}", row->clients, row->failed);
}

void
bench_report_json(struct buf *text, const struct bench_row *rows, size_t count)
{
    buf_add_str(text, "{\"results\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(text, ',');
        add_json(text, &rows[i]);
    }
    buf_add_str(text, "]}\n");
}
