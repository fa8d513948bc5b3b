/* SPDX-License-Identifier: MPL-2.0 */
/* paths.h - the hosts of net.h, and what is blocked between them. */
#ifndef XYLEM_SIM_PATHS_H
#define XYLEM_SIM_PATHS_H

#include "net.h"

struct host {
    bool is_on;
    bool is_frozen;
    uint32_t part;
    void *listener; // borrowed; NULL: refuses
};

extern struct host *hosts; // by number

void paths_begin(uint32_t count);
void paths_end(void);
/* All of them. */
void paths_open(void);

#endif
