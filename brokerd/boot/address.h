/* SPDX-License-Identifier: MPL-2.0 */
/* address.h - the IPv4 addresses of this host. */
#ifndef XYLEM_ADDRESS_H
#define XYLEM_ADDRESS_H

#include "base.h"
#include "xerr.h"

#define ADDRESS_SIZE 16 // of the text, with the NUL

/* What others can reach us by: `interface` is the name of one, or one of our addresses.  NULL: the first
 * that is up and not loopback, else 127.0.0.1.  -errno with text: there is no such thing here. */
int address_pick(const char *interface, char ret[ADDRESS_SIZE], struct err *err);

/* Is that the text of an address of ours?  Any of 127.0.0.0/8 is. */
bool address_is_ours(const char *text);

#endif
