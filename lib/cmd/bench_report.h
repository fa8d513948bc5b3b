/* SPDX-License-Identifier: MPL-2.0 */
/* bench_report.h - results as text: a table for people, JSON for programs.  Pure. */
#ifndef XYLEM_BENCH_REPORT_H
#define XYLEM_BENCH_REPORT_H

#include "bench_run.h"
#include "buf.h"

struct bench_row {
    const char *test;   // borrowed; a plain word
    uint64_t n;         // operations asked for
    uint64_t failed;    // of these; the rest is what the figures are about
    double ops_per_sec; // that went well
    double mb_per_sec;  // 10^6 bytes of blobs or values
    double p50_us;      // latency that half of them did not exceed
    double p99_us;      // latency that 99 % of them did not exceed
    uint64_t size;      // bytes of a blob or value
    uint64_t window;    // in flight for each client
    uint64_t clients;   // threads
};

/* Fill in all figures; the caller has set test, n, size, window and clients. */
void bench_report_measured(struct bench_row *row, const struct bench_outcome *out);

/* Append the titles, or one row, of the table, with a newline. */
void bench_report_titles(struct buf *text);
void bench_report_row(struct buf *text, const struct bench_row *row);

/* Append {"results":[...]} and a newline. */
void bench_report_json(struct buf *text, const struct bench_row *rows, size_t count);

#endif
