/* SPDX-License-Identifier: MPL-2.0 */
/* pipeline.c - a ring of requests.  Completions fill slots in any order; they are emptied from the
 * oldest on. */
#include "pipeline.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct pipeline *
pipeline_new(xylem_t *x, pipeline_fn fn, void *arg)
{
    struct pipeline *p = xcalloc(1, sizeof(*p));

    p->x = x;
    p->fn = fn;
    p->arg = arg;
    return p;
}

static void
clear(struct pipeline_slot *slot)
{
    free(slot->what);
    free(slot->data);
    *slot = (struct pipeline_slot){0};
}

void
pipeline_free(struct pipeline **pp)
{
    struct pipeline *p = TAKE(*pp);

    for (size_t i = 0; i < PIPELINE_WINDOW; i++)
        clear(&p->slots[i]);
    free(p);
}

void
pipeline_complete(void *arg, const struct xylem_reply *reply)
{
    struct pipeline_slot *slot = arg;

    slot->done = true;
    slot->rc = reply->rc;
    snprintf(slot->error, sizeof(slot->error), "%s", reply->error);
    slot->data = xmem_try(reply->size + 1);
    if (!slot->data) {
        slot->rc = -ENOMEM;
        return;
    }
    memcpy(slot->data, reply->data, reply->size);
    slot->size = reply->size;
}

int
pipeline_drain(struct pipeline *p, size_t keep)
{
    while (p->count > keep) {
        struct pipeline_slot *slot = &p->slots[p->first];
        int rc = 0;

        while (!slot->done && rc >= 0)
            rc = xylem_dispatch(p->x, -1);
        if (!slot->done)
            return rc;
        rc = p->fn(p->arg, slot);
        clear(slot);
        p->first = (p->first + 1) % PIPELINE_WINDOW;
        p->count--;
        if (rc != 0)
            return rc;
    }
    return 0;
}

int
pipeline_begin(struct pipeline *p, const char *what, struct pipeline_slot **ret_slot)
{
    int rc = pipeline_drain(p, PIPELINE_WINDOW - 1);

    if (rc != 0)
        return rc;
    *ret_slot = &p->slots[(p->first + p->count) % PIPELINE_WINDOW];
    (*ret_slot)->what = what ? xstrdup(what) : NULL;
    p->count++;
    return 0;
}

void
pipeline_undo(struct pipeline *p)
{
    p->count--;
    clear(&p->slots[(p->first + p->count) % PIPELINE_WINDOW]);
}

int
pipeline_finish(struct pipeline *p)
{
    return pipeline_drain(p, 0);
}
