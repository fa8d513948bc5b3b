/* SPDX-License-Identifier: MPL-2.0 */
/* pmi_server.h - the launcher's side of PMI-1 (RFC 13 of Flux): what a set of clients, one for each
 * rank, have put, and who waits at the barrier.
 *
 * Pure state: bytes of a client go in, bytes for clients come out; sockets are the caller's.
 * Clients are not trusted: what they send is limited in every direction, and one that breaks the
 * protocol is told nothing more.
 */
#ifndef XYLEM_PMI_SERVER_H
#define XYLEM_PMI_SERVER_H

#include "buf.h"
#include "xerr.h"

#define PMI_KEY_MAX 63     // bytes of a key, and of the name of the exchange space
#define PMI_VALUE_MAX 1024 // bytes of a value
#define PMI_KEYS_MAX 16    // keys a rank may put

/* States of a client: pmi_server.c. */
enum pmi_state {
    PMI_SILENT,   // has not said init
    PMI_ACTIVE,   // may ask
    PMI_WAITING,  // is in the barrier, which others have not entered
    PMI_FINISHED, // has said finalize
    PMI_FAILED,   // has aborted the job, or broken the protocol
};

struct pmi_server;

/* For `size` ranks; kvsname, borrowed during the call, is a word. */
struct pmi_server *pmi_server_new(unsigned size, const char *kvsname);
void pmi_server_free(struct pmi_server **s);

/* A key that is there from the beginning and that clients cannot put. */
void pmi_server_define(struct pmi_server *s, const char *key, const char *value);

/* NULL: there is no such key.  Valid until the next call with this server. */
const char *pmi_server_get(const struct pmi_server *s, const char *key);

/* Forget what clients have put there. */
void pmi_server_forget(struct pmi_server *s, const char *key);

/* Bytes of a rank's client have come.  -EPROTO: it broke the protocol; -ECANCELED: it aborts the
 * job.  Both with text, and the client is FAILED from now on: its bytes are ignored. */
int pmi_server_feed(struct pmi_server *s, unsigned rank, const void *data, size_t size,
                    struct err *err);

/* What is to be sent to a rank's client: the caller removes what it has sent.  Any call of
 * pmi_server_feed() may fill the one of any client. */
struct buf *pmi_server_output(struct pmi_server *s, unsigned rank);

enum pmi_state pmi_server_state(const struct pmi_server *s, unsigned rank);

/* How many barriers all ranks have entered. */
unsigned pmi_server_barriers(const struct pmi_server *s);

/* Has the rank entered its `nth` barrier (from 1), in this life or in an earlier one? */
bool pmi_server_has_entered(const struct pmi_server *s, unsigned rank, unsigned nth);

/* The client of a rank is a new one, which begins with init.  What was put stays, and barriers that
 * all have entered let it pass. */
void pmi_server_restart(struct pmi_server *s, unsigned rank);

static inline void
pmi_server_auto(struct pmi_server **s)
{
    pmi_server_free(s);
}

#endif
