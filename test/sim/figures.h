/* SPDX-License-Identifier: MPL-2.0 */
/* figures.h - what a tree costs: the table of xylem-overlay(7), "Scale". */
#ifndef XYLEM_SIM_FIGURES_H
#define XYLEM_SIM_FIGURES_H

#include "base.h"

/* For each size and fanout. */
void figures_print(void);

#endif
