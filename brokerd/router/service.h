/* SPDX-License-Identifier: MPL-2.0 */
/* service.h - which function serves which topic. */
#ifndef XYLEM_SERVICE_H
#define XYLEM_SERVICE_H

#include "request.h"

/* Serve one request: answer it, or request_keep() it and answer later.  Finished by the caller
 * afterwards. */
typedef void (*service_fn)(void *arg, struct request *req);

struct service {
    const char *topic; // exact, or a prefix when it ends with '.'; the rest is the handler's
    service_fn fn;
};

struct service_table;

struct service_table *service_table_new(void);
void service_table_free(struct service_table **t);

/* services: static array of count rows, borrowed for life; arg is given to each. */
void service_table_add(struct service_table *t, const struct service *services, size_t count,
                       void *arg);

/* The same, for requests that only read: one whose answer could not be taken may be served again. */
void service_table_add_readers(struct service_table *t, const struct service *services,
                               size_t count, void *arg);
bool service_table_is_reader(const struct service_table *t, const char *topic);

/* false: nobody serves that topic. */
bool service_table_call(const struct service_table *t, struct request *req);

#endif
