/* SPDX-License-Identifier: MPL-2.0 */
/* zap_priv.h - what the files of the handler share:
 *
 * zap.c          open and close, and the thread
 * zap_answer.c   one request and its answer
 */
#ifndef XYLEM_ZAP_PRIV_H
#define XYLEM_ZAP_PRIV_H

#include "elog.h"
#include "keyring.h"
#include "list.h"
#include "zap.h"

struct zap {
    struct list node;        // in the handler's list until it is closed
    char *domain;            // owned
    char *directory;         // owned; NULL: none
    unsigned refs;           // the owner's, and those of the handler
    struct keyring *ranks;   // owned
    struct keyring *clients; // owned: what is in the directory
    struct zap_stats stats;
};

/* --- zap.c --- */
/* Borrow the one with that domain until zap_drop(); NULL: there is none. */
struct zap *zap_hold(const void *domain, size_t len);
void zap_drop(struct zap *z);
/* Guards `ranks` and `stats`. */
void zap_lock(void);
void zap_unlock(void);

/* --- zap_answer.c: of the thread --- */
/* Take a request off the socket, if there is any, and answer it.  false: none was there. */
bool zap_answer(void *zsock, struct elog_limit *lines);

#endif
