/* SPDX-License-Identifier: MPL-2.0 */
/* replay.c - runs a fuzz target on files, and on mutations of them: the same ones every time.
 *
 *     replay_NAME MUTATIONS FILE_OR_DIRECTORY...
 *
 * The input that was running when the target failed is left in ./replay_NAME.crash.
 */
#include "buf.h"
#include "fuzz.h"
#include "xmem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUTS_MAX 1000
#define INPUT_SIZE_MAX ((size_t)1 << 20)

struct input {
    char *name; // owned
    struct buf data;
};

static struct input inputs[INPUTS_MAX];
static size_t ninputs;

/* For the report of a failure. */
static const char *program;
static const struct buf *running;

/* --- inputs --- */

static bool
read_file(const char *path)
{
    struct input *in = &inputs[ninputs];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : buf_read_fd(&in->data, fd, INPUT_SIZE_MAX);

    if (fd >= 0)
        close(fd);
    if (rc < 0 || ninputs == INPUTS_MAX - 1) {
        fprintf(stderr, "%s: %s\n", path, rc < 0 ? strerror(-rc) : "too many inputs");
        return false;
    }
    in->name = xstrdup(path);
    ninputs++;
    return true;
}

static bool
read_path(const char *path)
{
    struct dirent **entries;
    bool ok = true;
    int count = scandir(path, &entries, NULL, alphasort);

    if (count < 0)
        return read_file(path);
    for (int i = 0; i < count; i++) {
        AUTO(free) char *name = xasprintf("%s/%s", path, entries[i]->d_name);

        if (entries[i]->d_name[0] != '.')
            ok = read_file(name) && ok;
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* --- mutations --- */

static uint64_t
draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717) >> 16;
}

static size_t
draw_below(uint64_t *seed, size_t limit)
{
    return (size_t)(draw(seed) % limit);
}

/* Replace `size` bytes at `at` with those of `with`. */
static void
replace_bytes(struct buf *b, size_t at, size_t size, const char *with, size_t with_size)
{
    AUTO(buf) struct buf old = *b;

    *b = (struct buf)BUF_INIT;
    buf_add(b, old.data, at);
    buf_add(b, with, with_size);
    buf_add(b, old.data + at + size, old.size - at - size);
}

/* Bytes that mean something to one format or another. */
static void
put_token(struct buf *b, size_t at, uint64_t *seed)
{
    static const char *const tokens[] = {"\xff",
                                         "\xff\xff\xff\xff\xff",
                                         "\x12",
                                         "\x8e\x01",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         "\"",
                                         "\\u0000",
                                         "\\ud800",
                                         "null",
                                         "-1",
                                         "1e999",
                                         "9223372036854775808",
                                         ".",
                                         "..",
                                         "%2E",
                                         "%",
                                         "/",
                                         "\xc3\xa9",
                                         "\xed\xa0\x80",
                                         "\n",
                                         "true"};
    const char *token = tokens[draw_below(seed, ARRAY_SIZE(tokens))];
    size_t replaced = draw_below(seed, 4);

    replace_bytes(b, at, MIN(replaced, b->size - at), token, strlen(token));
}

static void
mutate_once(struct buf *b, uint64_t *seed)
{
    const struct buf *other = &inputs[draw_below(seed, ninputs)].data;
    size_t at = draw_below(seed, b->size + 1);
    size_t size = draw_below(seed, MIN(b->size - at, (size_t)64) + 1);
    size_t from = draw_below(seed, other->size + 1);
    char byte = (char)draw(seed);

    switch (draw_below(seed, 8)) {
    case 0:
    case 1:
        if (at < b->size)
            b->data[at] ^= (char)(1 << draw_below(seed, 8));
        break;
    case 2:
        replace_bytes(b, at, MIN(b->size - at, (size_t)1), &byte, 1);
        break;
    case 3:
        replace_bytes(b, at, size, NULL, 0);
        break;
    case 4:
        replace_bytes(b, at, 0, b->data + at, size);
        break;
    case 5:
        replace_bytes(b, at, b->size - at, other->data + from, other->size - from);
        break;
    default:
        put_token(b, at, seed);
    }
}

/* --- running --- */

/* Leave the input behind, then fail as before. */
static void
report(int signal_number)
{
    const char *slash = strrchr(program, '/');
    char path[300];
    int fd;

    snprintf(path, sizeof(path), "%s.crash", slash ? slash + 1 : program);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0 && running && write(fd, running->data, running->size) >= 0)
        fprintf(stderr, "the input was written to %s\n", path);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* In memory of exactly its size, so that a sanitizer sees every byte too far. */
static void
run(const struct buf *b)
{
    uint8_t *copy = xmalloc(b->size + (b->size == 0));

    if (b->size > 0)
        memcpy(copy, b->data, b->size);
    running = b;
    LLVMFuzzerTestOneInput(copy, b->size);
    running = NULL;
    free(copy);
}

static void
run_mutations(const struct input *in, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf b = BUF_INIT;

        buf_add(&b, in->data.data, in->data.size);
        for (size_t n = 1 + draw_below(&seed, 4); n > 0; n--)
            mutate_once(&b, &seed);
        run(&b);
    }
}

int
main(int argc, char **argv)
{
    size_t mutations = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    bool ok = true;

    program = argv[0];
    signal(SIGABRT, report);
    for (int i = 2; i < argc; i++)
        ok = read_path(argv[i]) && ok;
    for (size_t i = 0; i < ninputs; i++) {
        run(&inputs[i].data);
        run_mutations(&inputs[i], mutations, i + 1);
    }
    printf("%zu inputs, %zu mutations of each\n", ninputs, mutations);
    for (size_t i = 0; i < ninputs; i++) {
        buf_fini(&inputs[i].data);
        free(inputs[i].name);
    }
    return ok && ninputs > 0 ? 0 : 1;
}
