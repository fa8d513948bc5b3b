/* SPDX-License-Identifier: MPL-2.0 */
/* attrs.h - the attributes of a rank: names and texts fixed at start (topics attr.*). */
#ifndef XYLEM_ATTRS_H
#define XYLEM_ATTRS_H

#include "router.h"

struct attrs;

/* Borrowed. */
struct attrs *attrs_new(struct router *router, struct service_table *services);
void attrs_free(struct attrs **a);

/* Both are copied. */
void attrs_set(struct attrs *a, const char *name, const char *value);

#endif
