/* SPDX-License-Identifier: MPL-2.0 */
/* cmocka_all.h - cmocka with the headers it wants in front of it. */
#ifndef XYLEM_CMOCKA_ALL_H
#define XYLEM_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
