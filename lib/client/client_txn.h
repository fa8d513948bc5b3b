/* SPDX-License-Identifier: MPL-2.0 */
/* client_txn.h - the inside of a transaction that a user of the library builds. */
#ifndef XYLEM_CLIENT_TXN_H
#define XYLEM_CLIENT_TXN_H

#include "txn.h"
#include "xylem.h"

struct xylem_txn {
    struct txn ops;        // owned; and what is expected
    bool has_alg;          // some operation holds blobrefs
    enum digest_alg alg;   // theirs
    char id[XYLEM_ID_MAX]; // "": none
    struct err error;      // of the last function that failed
};

#endif
