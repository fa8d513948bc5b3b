/* SPDX-License-Identifier: MPL-2.0 */
/* boot_priv.h - what the files boot*.c share. */
#ifndef XYLEM_BOOT_PRIV_H
#define XYLEM_BOOT_PRIV_H

#include "boot.h"

/* --- boot.c --- */
void boot_set(char **at, char *text); // takes the text, frees the one before

/* --- boot_conf.c --- */
int boot_settle_hosts(struct boot *b, struct err *err); // rank and size, where the file has hosts
int boot_fill_from_conf(struct boot *b, struct err *err);

/* --- boot_exchange.c --- */
bool boot_uses_tcp(const struct boot *b);
int boot_choose_listen(struct boot *b, const char *rundir, struct err *err);
void boot_leave_rollcall(struct boot *b);

#endif
