/* SPDX-License-Identifier: MPL-2.0 */
/* traffic.h - what is sent on the wires of net.h, counted. */
#ifndef XYLEM_SIM_TRAFFIC_H
#define XYLEM_SIM_TRAFFIC_H

#include "net.h"

void traffic_begin(void);
void traffic_count_wire(void);
/* Of that side; its bytes only when measured. */
void traffic_count_frame(const struct wire *w, enum net_side side, struct frame *f, bool measures);

#endif
