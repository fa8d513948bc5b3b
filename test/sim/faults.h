/* SPDX-License-Identifier: MPL-2.0 */
/* faults.h - what can happen to a tree: to a rank, a path or a connection that chance chooses. */
#ifndef XYLEM_SIM_FAULTS_H
#define XYLEM_SIM_FAULTS_H

#include "base.h"

enum fault {
    FAULT_KILL,
    FAULT_POWER,
    FAULT_LEAVE,
    FAULT_START,
    FAULT_FREEZE,
    FAULT_THAW,
    FAULT_PART,
    FAULT_BLOCK,
    FAULT_MUTE,
    FAULT_HEAL,
    FAULT_BREAK,
    FAULT_ROOT,
    FAULT_COUNT,
};

void faults_begin(void); // of a run
/* false: there is nothing now that it could happen to. */
bool fault_do(enum fault fault);

/* Its host has power again, if it had none. */
void fault_start_rank(uint32_t rank);

#endif
