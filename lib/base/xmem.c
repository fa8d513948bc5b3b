/* SPDX-License-Identifier: MPL-2.0 */
/* xmem.c - allocation that cannot fail, and one that can.
 *
 * A process that cannot get a few hundred bytes cannot report it either: one line on stderr and
 * abort() is all that is useful, and it spares every constructor an error path that no test would
 * ever reach.  Sizes that a peer chose must not have this power: they use xmem_try().
 *
 * Invariant: the x functions never return NULL, not even for size 0.
 */
#include "xmem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((noreturn)) static void
die_without_memory(void)
{
    static const char text[] = "out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)ignored;
    abort();
}

static void *
check_memory(void *ptr)
{
    if (!ptr)
        die_without_memory();
    return ptr;
}

void *
xmalloc(size_t size)
{
    return check_memory(malloc(MAX(size, 1)));
}

void *
xcalloc(size_t count, size_t size)
{
    return check_memory(calloc(MAX(count, 1), MAX(size, 1)));
}

void *
xrealloc(void *ptr, size_t size)
{
    return check_memory(realloc(ptr, MAX(size, 1)));
}

char *
xstrdup(const char *s)
{
    return check_memory(strdup(s));
}

char *
xstrndup(const char *s, size_t max)
{
    return check_memory(strndup(s, max));
}

char *
xasprintf(const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        die_without_memory();
    va_end(ap);
    return text;
}

void *
xmem_try(size_t size)
{
    return malloc(MAX(size, 1));
}
