/* SPDX-License-Identifier: MPL-2.0 */
/* root_arg.c - see root_arg.h. */
#include "root_arg.h"
#include "blobref.h"
#include "cmd_kvs_util.h"
#include "units.h"
#include "xmem.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#define KEEPER 0u // the rank whose history is the longest

const char *
root_arg_namespace(void)
{
    const char *env = getenv("XYLEM_NAMESPACE");

    if (kvs_ns)
        return kvs_ns;
    return env && env[0] ? env : "primary";
}

json_t *
root_arg_history(const struct opt_program *prog, xylem_t *x, int64_t since, int64_t count)
{
    json_t *request = json_pack("{s:s}", "namespace", root_arg_namespace());
    AUTO(free) char *text = NULL;
    json_t *answer, *versions;

    if (since != ROOT_ARG_ALL)
        json_object_set_new(request, "since", json_integer(since));
    if (count > 0)
        json_object_set_new(request, "count", json_integer(count));
    text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text) {
        cmd_fail(prog, "arguments must be UTF-8");
        return NULL;
    }
    answer = cmd_rpc_json(prog, x, "kvs.history", KEEPER, text, NULL);
    if (!answer)
        return NULL;
    versions = json_incref(json_object_get(answer, "versions"));
    json_decref(answer);
    if (json_is_array(versions))
        return versions;
    json_decref(versions);
    cmd_fail(prog, "malformed answer to kvs.history");
    return NULL;
}

/* --- roots --- */

/* "{"ver":1,"type":"dirref","data":[BLOBREF]}" or the blobref itself. */
static bool
parse_ref(const char *text, char ret[XYLEM_BLOBREF_MAX])
{
    json_t *json = json_loads(text, 0, NULL);
    const char *ref =
        json ? json_string_value(json_array_get(json_object_get(json, "data"), 0)) : text;
    enum digest_alg alg;
    struct digest d;
    bool is_ref = ref && blobref_parse(ref, &alg, &d) == 0;

    if (is_ref)
        snprintf(ret, XYLEM_BLOBREF_MAX, "%s", ref);
    json_decref(json);
    return is_ref;
}

static bool
parse_sequence(const char *text, int64_t *ret)
{
    long n;

    if (units_parse_long(text, 0, LONG_MAX, &n) < 0)
        return false;
    *ret = n;
    return true;
}

bool
root_arg_is_valid(const char *text)
{
    char ref[XYLEM_BLOBREF_MAX];
    int64_t sequence;

    return parse_ref(text, ref) || parse_sequence(text, &sequence);
}

/* The newest one with that sequence. */
static const char *
find_version(json_t *versions, int64_t sequence)
{
    for (size_t i = json_array_size(versions); i-- > 0;) {
        json_t *version = json_array_get(versions, i);
        json_t *n = json_object_get(version, "rootseq");

        if (json_is_integer(n) && json_integer_value(n) == sequence)
            return json_string_value(json_object_get(version, "rootref"));
    }
    return NULL;
}

static int
find_sequence(const struct opt_program *prog, xylem_t *x, int64_t sequence,
              char ret[XYLEM_BLOBREF_MAX])
{
    json_t *versions = root_arg_history(prog, x, sequence - 1, 1);
    const char *ref;
    int status = CMD_OK;

    if (!versions)
        return CMD_FAILED;
    ref = find_version(versions, sequence);
    if (!ref || !parse_ref(ref, ret))
        status = cmd_fail(prog, "%" PRId64 ": not in the history of namespace %s", sequence,
                          root_arg_namespace());
    json_decref(versions);
    return status;
}

static int
find_current(const struct opt_program *prog, xylem_t *x, char ret[XYLEM_BLOBREF_MAX])
{
    struct xylem_root root;

    if (xylem_getroot(x, kvs_ns, &root) < 0)
        return cmd_fail_x(prog, x, NULL);
    snprintf(ret, XYLEM_BLOBREF_MAX, "%s", root.rootref);
    return CMD_OK;
}

int
root_arg_find(const struct opt_program *prog, xylem_t *x, const char *text,
              char ret[XYLEM_BLOBREF_MAX])
{
    int64_t sequence;

    if (!text)
        return find_current(prog, x, ret);
    if (parse_ref(text, ret))
        return CMD_OK;
    if (parse_sequence(text, &sequence))
        return find_sequence(prog, x, sequence, ret);
    opt_usage_error(prog, "'%s' is neither a blobref, a dirref nor a sequence number", text);
}
