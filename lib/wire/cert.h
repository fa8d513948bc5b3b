/* SPDX-License-Identifier: MPL-2.0 */
/* cert.h - CURVE certificates: key pairs, the files that hold them, and sockets that use them
 * (xylem-keygen(1), xylem-overlay(7), "SECURITY").
 *
 * A file is ZPL text as zcert writes it: a public key and a secret key in one file, or a public key alone.
 * Keys are Z85 text. */
#ifndef XYLEM_CERT_H
#define XYLEM_CERT_H

#include "base.h"
#include "xerr.h"

#define CERT_KEY_BYTES 32
#define CERT_KEY_SIZE 41  // Z85 text of a key and its NUL
#define CERT_NAME_SIZE 64 // a name and its NUL

struct cert {
    char public_key[CERT_KEY_SIZE];
    char secret_key[CERT_KEY_SIZE]; // "": public only
    char server_key[CERT_KEY_SIZE]; // public key of the ranks to talk to; "": the same as ours
    char name[CERT_NAME_SIZE];      // for people; "": none
};

/* A new key pair. */
void cert_generate(struct cert *ret);

/* Overwrite the keys: for one that goes out of use. */
void cert_wipe(struct cert *c);

/* Is it the Z85 text of a key? */
bool cert_is_key(const char *text);

/* 1 to CERT_NAME_SIZE - 1 printable ASCII characters but quotes and backslash? */
bool cert_is_name(const char *text);

/* Read a key pair.  Nobody but its owner may read the file; root's file may also be read by its group.
 * Errors, all with text that names the file: the -errno of open(2); -EPERM others may read it, or change
 * it; -EINVAL no regular file, no certificate, no secret key, keys that do not belong together; -EFBIG. */
int cert_load(struct cert *ret, const char *path, struct err *err);

/* Read the public key only, and what is not secret beside it.  The file must be ours or root's, and nobody
 * else may change it.  Errors as above. */
int cert_load_public(struct cert *ret, const char *path, struct err *err);

enum cert_part { CERT_WHOLE, CERT_PUBLIC };

/* Write it, whole (mode 0600) or without the secret key (mode 0644): all of it is there, or nothing.
 * -EEXIST with text when there is a file and !force; other -errno with text. */
int cert_save(const struct cert *c, enum cert_part part, const char *path, bool force,
              struct err *err);

/* Let a socket talk CURVE only: before zmq_bind() or zmq_connect().  zsock: a raw libzmq socket.
 * As a server it lets in whom the handler of that ZAP domain allows (zap.h), and nobody if there is none.
 * As a client it talks to the holder of server_key (Z85; NULL: what the certificate says).
 * 0, or the -errno of zmq_setsockopt(): then the socket is to be closed. */
int cert_apply_server(const struct cert *c, void *zsock, const char *zap_domain);
int cert_apply_client(const struct cert *c, void *zsock, const char *server_key);

#endif
