/* SPDX-License-Identifier: MPL-2.0 */
/* pipes.h - the frames of net.h: those under way in one direction of a wire, and the one that is staged. */
#ifndef XYLEM_SIM_PIPES_H
#define XYLEM_SIM_PIPES_H

#include "net.h"

/* `arrive` is called with the wire when the first frame is due. */
void pipe_init(struct pipe *p, loop_hook_fn arrive, struct wire *w);

struct frame *pipe_new_frame(void);
/* All that are under way but the first ones. */
void pipe_drop(struct pipe *p, size_t but);
/* Some of those under way are lost, the last ones. */
void pipe_lose_some(struct pipe *p);

#endif
