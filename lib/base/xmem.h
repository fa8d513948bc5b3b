/* SPDX-License-Identifier: MPL-2.0 */
/* xmem.h - allocation.  Running out of memory for our own small structures aborts, so
 * constructors cannot fail; sizes that come from a peer go through xmem_try(), which can. */
#ifndef XYLEM_XMEM_H
#define XYLEM_XMEM_H

#include "base.h"
#include <stdlib.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t max);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* NULL when there is no memory: for sizes chosen by somebody else. */
void *xmem_try(size_t size);

/* AUTO(free) char *text = ...; */
static inline void
free_auto(void *ptr_to_ptr)
{
    free(*(void **)ptr_to_ptr);
}

#endif
