/* SPDX-License-Identifier: MPL-2.0 */
/* cmocka_all.h - cmocka and the headers it wants before itself. */
#ifndef XYLEM_TEST_CMOCKA_ALL_H
#define XYLEM_TEST_CMOCKA_ALL_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
