/* SPDX-License-Identifier: MPL-2.0 */
/* keyring.h - public keys and whose they are; also those that lie in a directory, one in a file
 * (xylem-overlay(7), "SECURITY").  Of one thread. */
#ifndef XYLEM_KEYRING_H
#define XYLEM_KEYRING_H

#include "cert.h"

struct keyring;

#define KEYRING_LOOK_MS 1000 // how often a directory is looked at

/* directory: NULL for none; borrowed for life.  It is not read yet, and need not be there. */
struct keyring *keyring_new(const char *directory);
void keyring_free(struct keyring **k);

/* key: Z85.  One that is there already keeps its name.  -EINVAL: it is no key. */
int keyring_add(struct keyring *k, const char *key, const char *name);

/* Whose is it?  NULL: nobody's we know.  key: CERT_KEY_BYTES.  The answer is valid until the next call. */
const char *keyring_find(const struct keyring *k, const void *key);

size_t keyring_count(const struct keyring *k);

/* Read the directory if it has changed, and was not looked at within KEYRING_LOOK_MS: then the keys are
 * those that are in it, and no others.  now: ms, monotonic.  What is no key, or could have been put there
 * by somebody else, is logged and left out. */
void keyring_refresh(struct keyring *k, int64_t now);

#endif
