/* SPDX-License-Identifier: MPL-2.0 */
/* base.h - the few macros every file may use.  No types, no functions. */
#ifndef XYLEM_BASE_H
#define XYLEM_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* assert() states what cannot happen; it stays on in release builds, so NDEBUG is an error. */
#ifdef NDEBUG
#error "Xylem must be built with assertions"
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The object that contains `member` at address `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NODISCARD __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))

/* Scope-bound ownership: `AUTO(buf) struct buf b = BUF_INIT;` calls buf_auto(&b) at scope end.
 * A type offers it by defining `static inline void STEM_auto(TYPE *p)`. */
#define AUTO(stem) __attribute__((cleanup(stem##_auto)))

/* Move a pointer out of a variable: the variable becomes NULL, the value is returned. */
#define TAKE(p) \
    __extension__({ \
        __typeof__(p) take_ = (p); \
        (p) = NULL; \
        take_; \
    })

#endif
