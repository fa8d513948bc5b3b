/* SPDX-License-Identifier: MPL-2.0 */
/* pmi_server.c - see pmi_server.h.
 *
 * Model: a client sends a line and waits for one line.
 *
 *   state      init     get_maxes, get_my_kvsname, put, get   barrier_in   finalize   abort
 *   SILENT     ACTIVE   error                                 error        error      FAILED
 *   ACTIVE     error    answer                                WAITING      FINISHED   FAILED
 *   WAITING    error    error                                 error        error      FAILED
 *   FINISHED, FAILED: nothing is read any more
 *
 * An error is a line that cannot be answered: the client is FAILED.  A request that only fails (no
 * such key) has an answer with rc=-1.
 *
 * Barriers are counted: the n-th one opens when every rank has entered n of them in one of its
 * lives.  So a client that starts again, with 0, passes all that are open without waiting.
 *
 * Invariant I1: a client in WAITING has entered one barrier more than all have.
 * Limits: a line, a value and a key (kvs) have a greatest length, a rank a greatest number of keys, and
 * a client that does not read its answers is FAILED when OUTPUT_MAX bytes wait for it.
 */
#include "pmi_server.h"

#include "map.h"
#include "pmi.h"
#include "xmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (PMI_VALUE_MAX + 1024) // a value, and everything around it
#define OUTPUT_MAX 65536
#define NOBODY UINT32_MAX // owner of the keys that are there from the beginning

struct pmi_value {
    char key[PMI_KEY_MAX + 1]; // zeros up to the end
    char *text;                // owned
    unsigned owner;            // rank that put it first, or NOBODY
};

struct pmi_client {
    enum pmi_state state;
    struct buf input;  // the beginning of a line
    struct buf output; // not sent yet
    unsigned entered;  // barriers, in this life
    unsigned most;     // of any life
    unsigned nkeys;    // it has put
};

struct pmi_server {
    unsigned size; // of clients
    struct pmi_client *clients;
    struct map values; // of struct pmi_value, owned
    char *kvsname;
    unsigned barriers; // all have entered so many
};

/* ---- life ---- */

struct pmi_server *
pmi_server_new(unsigned size, const char *kvsname)
{
    struct pmi_server *s = xcalloc(1, sizeof(*s));

    assert(size > 0 && strlen(kvsname) <= PMI_KEY_MAX);
    s->size = size;
    s->clients = xcalloc(size, sizeof(*s->clients));
    s->kvsname = xstrdup(kvsname);
    map_init(&s->values, offsetof(struct pmi_value, key), PMI_KEY_MAX + 1);
    return s;
}

static void
free_value(struct pmi_value *v)
{
    explicit_bzero(v->text, strlen(v->text)); // one may be a secret key
    free(v->text);
    free(v);
}

void
pmi_server_free(struct pmi_server **s)
{
    struct pmi_server *old = TAKE(*s);
    struct pmi_value *v;
    size_t pos = 0;

    if (!old)
        return;
    while ((v = map_next(&old->values, &pos)))
        free_value(v);
    map_fini(&old->values);
    for (unsigned rank = 0; rank < old->size; rank++) {
        buf_fini(&old->clients[rank].input);
        buf_fini(&old->clients[rank].output);
    }
    free(old->clients);
    free(old->kvsname);
    free(old);
}

/* ---- keys and values ---- */

/* false: no key is that long. */
static bool
fill_key(char key[PMI_KEY_MAX + 1], const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > PMI_KEY_MAX)
        return false;
    memset(key, 0, PMI_KEY_MAX + 1);
    memcpy(key, text, len);
    return true;
}

static struct pmi_value *
find_value(const struct pmi_server *s, const char *name)
{
    char key[PMI_KEY_MAX + 1];

    return fill_key(key, name) ? map_get(&s->values, key) : NULL;
}

static void
set_value(struct pmi_server *s, unsigned owner, const char *name, const char *text)
{
    struct pmi_value *v = find_value(s, name);

    if (!v) {
        v = xcalloc(1, sizeof(*v));
        fill_key(v->key, name);
        v->owner = owner;
        map_put(&s->values, v);
    }
    free(v->text);
    v->text = xstrdup(text);
}

void
pmi_server_define(struct pmi_server *s, const char *key, const char *value)
{
    assert(strlen(key) <= PMI_KEY_MAX && strlen(value) <= PMI_VALUE_MAX);
    set_value(s, NOBODY, key, value);
}

const char *
pmi_server_get(const struct pmi_server *s, const char *key)
{
    const struct pmi_value *v = find_value(s, key);

    return v ? v->text : NULL;
}

void
pmi_server_forget(struct pmi_server *s, const char *key)
{
    struct pmi_value *v = find_value(s, key);

    if (!v || v->owner == NOBODY)
        return;
    s->clients[v->owner].nkeys--;
    map_remove(&s->values, v->key);
    free_value(v);
}

/* ---- requests ---- */

struct call {
    struct pmi_server *s;
    struct pmi_client *client;
    unsigned rank;
    struct pmi_words words;
    struct err *err;
};

/* The value of a word of the request; "" if it is not there. */
static const char *
get_word(const struct call *c, const char *name)
{
    const char *value = pmi_word(&c->words, name);

    return value ? value : "";
}

static int
on_init(struct call *c)
{
    c->client->state = PMI_ACTIVE;
    buf_add_str(&c->client->output, "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n");
    return 0;
}

static int
on_get_maxes(struct call *c)
{
    buf_printf(&c->client->output, "cmd=maxes rc=0 kvsname_max=%d keylen_max=%d vallen_max=%d\n",
               PMI_KEY_MAX + 1, PMI_KEY_MAX + 1, PMI_VALUE_MAX + 1);
    return 0;
}

static int
on_get_my_kvsname(struct call *c)
{
    buf_printf(&c->client->output, "cmd=my_kvsname rc=0 kvsname=%s\n", c->s->kvsname);
    return 0;
}

static int
on_get_appnum(struct call *c)
{
    buf_add_str(&c->client->output, "cmd=appnum rc=0 appnum=0\n");
    return 0;
}

static int
on_get_universe_size(struct call *c)
{
    buf_printf(&c->client->output, "cmd=universe_size rc=0 size=%u\n", c->s->size);
    return 0;
}

/* Why a value cannot be put; NULL: it can. */
static const char *
refuse_put(const struct call *c, const char *key, const char *value)
{
    const struct pmi_value *old = find_value(c->s, key);

    if (strcmp(get_word(c, "kvsname"), c->s->kvsname) != 0)
        return "unknown_kvsname";
    if (strlen(key) == 0 || strlen(key) > PMI_KEY_MAX)
        return "key_length";
    if (strlen(value) > PMI_VALUE_MAX)
        return "value_length";
    if (old && old->owner == NOBODY)
        return "key_is_reserved";
    return !old && c->client->nkeys == PMI_KEYS_MAX ? "too_many_keys" : NULL;
}

static int
on_put(struct call *c)
{
    const char *key = get_word(c, "key");
    const char *value = get_word(c, "value");
    const char *why = refuse_put(c, key, value);

    if (why) {
        buf_printf(&c->client->output, "cmd=put_result rc=-1 msg=%s\n", why);
        return 0;
    }
    c->client->nkeys += !find_value(c->s, key);
    set_value(c->s, c->rank, key, value);
    buf_add_str(&c->client->output, "cmd=put_result rc=0 msg=success\n");
    return 0;
}

static int
on_get(struct call *c)
{
    bool is_ours = strcmp(get_word(c, "kvsname"), c->s->kvsname) == 0;
    const struct pmi_value *v = is_ours ? find_value(c->s, get_word(c, "key")) : NULL;

    if (v)
        buf_printf(&c->client->output, "cmd=get_result rc=0 msg=success value=%s\n", v->text);
    else
        buf_add_str(&c->client->output, "cmd=get_result rc=-1 msg=key_not_found\n");
    return 0;
}

static void
let_pass(struct pmi_server *s)
{
    for (unsigned rank = 0; rank < s->size; rank++) {
        struct pmi_client *client = &s->clients[rank];

        if (client->state != PMI_WAITING || client->entered > s->barriers)
            continue;
        client->state = PMI_ACTIVE;
        buf_add_str(&client->output, "cmd=barrier_out rc=0\n");
    }
}

static int
on_barrier_in(struct call *c)
{
    struct pmi_server *s = c->s;
    unsigned least = UINT32_MAX;

    c->client->state = PMI_WAITING;
    c->client->entered++;
    c->client->most = MAX(c->client->most, c->client->entered);
    for (unsigned rank = 0; rank < s->size && least > s->barriers; rank++)
        least = MIN(least, s->clients[rank].most);
    s->barriers = MAX(s->barriers, least);
    let_pass(s);
    return 0;
}

static int
on_finalize(struct call *c)
{
    buf_add_str(&c->client->output, "cmd=finalize_ack rc=0\n");
    c->client->state = PMI_FINISHED;
    return 0;
}

static int
on_abort(struct call *c)
{
    const char *code = get_word(c, "exitcode");

    return err_set(c->err, -ECANCELED, "gives up%s%.20s", *code ? " with exit code " : "", code);
}

#define IN(state) (1u << (state))

static const struct {
    const char *name;
    int (*handle)(struct call *c);
    unsigned states; // in which the request is allowed
} requests[] = {
    {"init", on_init, IN(PMI_SILENT)},
    {"get_maxes", on_get_maxes, IN(PMI_ACTIVE)},
    {"get_my_kvsname", on_get_my_kvsname, IN(PMI_ACTIVE)},
    {"get_appnum", on_get_appnum, IN(PMI_ACTIVE)},
    {"get_universe_size", on_get_universe_size, IN(PMI_ACTIVE)},
    {"put", on_put, IN(PMI_ACTIVE)},
    {"get", on_get, IN(PMI_ACTIVE)},
    {"barrier_in", on_barrier_in, IN(PMI_ACTIVE)},
    {"finalize", on_finalize, IN(PMI_ACTIVE)},
    {"abort", on_abort, IN(PMI_SILENT) | IN(PMI_ACTIVE) | IN(PMI_WAITING)},
};

/* ---- lines ---- */

#define SHOWN_MAX 80

/* What others send is printed with anything but plain characters replaced. */
static void
fill_shown(char shown[SHOWN_MAX], const char *line)
{
    size_t len = MIN(strlen(line), SHOWN_MAX - 1);

    for (size_t i = 0; i < len; i++)
        shown[i] = line[i] >= ' ' && line[i] <= '~' ? line[i] : '?';
    shown[len] = '\0';
}

static bool
is_printable(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((line[i] < ' ' || line[i] > '~') && line[i] != '\t')
            return false;
    }
    return true;
}

static int
on_request(struct call *c, const char *shown)
{
    const char *cmd = get_word(c, "cmd");

    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        if (strcmp(requests[i].name, cmd) != 0)
            continue;
        if (!(requests[i].states & IN(c->client->state)))
            return err_set(c->err, -EPROTO, "a request out of order: '%s'", shown);
        return requests[i].handle(c);
    }
    return err_set(c->err, -EPROTO, "not a request of PMI-1: '%s'", shown);
}

/* The line is cut into words in place. */
static int
on_line(struct call *c, char *line, size_t size)
{
    char shown[SHOWN_MAX];

    if (size > LINE_MAX_BYTES)
        return err_set(c->err, -EPROTO, "a line of %zu bytes", size);
    if (c->client->output.size > OUTPUT_MAX)
        return err_set(c->err, -EPROTO, "does not read its answers");
    fill_shown(shown, line);
    if (!is_printable(line, size) || pmi_parse(line, &c->words, NULL) < 0)
        return err_set(c->err, -EPROTO, "not a line of PMI-1: '%s'", shown);
    return on_request(c, shown);
}

/* ---- input ---- */

static bool
is_listening(const struct pmi_client *client)
{
    return client->state != PMI_FINISHED && client->state != PMI_FAILED;
}

/* All complete lines of the input. */
static int
take_lines(struct call *c)
{
    struct buf *input = &c->client->input;
    size_t begin = 0;
    char *end;
    int rc = 0;

    while (rc == 0 && is_listening(c->client) && begin < input->size &&
           (end = memchr(input->data + begin, '\n', input->size - begin))) {
        size_t size = (size_t)(end - (input->data + begin));

        *end = '\0';
        rc = on_line(c, input->data + begin, size);
        begin += size + 1;
    }
    if (begin > 0) {
        input->size -= begin;
        memmove(input->data, input->data + begin, input->size + 1);
    }
    return rc;
}

int
pmi_server_feed(struct pmi_server *s, unsigned rank, const void *data, size_t size, struct err *err)
{
    struct call c = {.s = s, .client = &s->clients[rank], .rank = rank, .err = err};
    int rc;

    if (!is_listening(c.client))
        return 0;
    buf_add(&c.client->input, data, size);
    rc = take_lines(&c);
    if (rc == 0 && is_listening(c.client) && c.client->input.size > LINE_MAX_BYTES)
        rc = err_set(err, -EPROTO, "a line of more than %d bytes", LINE_MAX_BYTES);
    if (rc < 0)
        c.client->state = PMI_FAILED;
    if (!is_listening(c.client))
        buf_reset(&c.client->input);
    return rc;
}

/* ---- what the launcher wants to know ---- */

struct buf *
pmi_server_output(struct pmi_server *s, unsigned rank)
{
    return &s->clients[rank].output;
}

enum pmi_state
pmi_server_state(const struct pmi_server *s, unsigned rank)
{
    return s->clients[rank].state;
}

unsigned
pmi_server_barriers(const struct pmi_server *s)
{
    return s->barriers;
}

bool
pmi_server_has_entered(const struct pmi_server *s, unsigned rank, unsigned nth)
{
    return s->clients[rank].most >= nth;
}

void
pmi_server_restart(struct pmi_server *s, unsigned rank)
{
    struct pmi_client *client = &s->clients[rank];

    client->state = PMI_SILENT;
    client->entered = 0;
    buf_reset(&client->input);
    buf_reset(&client->output);
}
