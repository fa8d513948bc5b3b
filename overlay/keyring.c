/* SPDX-License-Identifier: MPL-2.0 */
/* keyring.c - see keyring.h.
 *
 * A directory shows in its time that a file came or went.  Such times are coarse: when the directory is
 * younger than SETTLED_MS as it is read, a change that follows may not show, so it is read again.
 *
 * What cannot be read for want of means (descriptors, memory) stays as it was, and is tried again: a flood
 * of connections must not take anybody's key away.
 */
#include "keyring.h"
#include "elog.h"
#include "map.h"
#include "xmem.h"

#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define SETTLED_MS 2000
#define FILES_MAX 10000 // in the directory

struct known_key {
    uint8_t key[CERT_KEY_BYTES];
    char name[CERT_NAME_SIZE];
};

struct keyring {
    struct map keys;       // struct known_key, owned
    const char *directory; // borrowed; NULL: none
    bool is_read;          // what follows is valid
    int64_t looked_at;     // ms, monotonic: when the directory was
    struct timespec mtime; // of the directory, when it was read; 0: it was not there
    bool is_settled;       // a change would show in it
    struct elog_limit unreadable;
    struct elog_limit useless; // files
};

static void
init_keys(struct map *keys)
{
    map_init(keys, offsetof(struct known_key, key), CERT_KEY_BYTES);
}

static void
free_keys(struct map *keys)
{
    struct known_key *k;
    size_t pos = 0;

    while ((k = map_next(keys, &pos)))
        free(k);
    map_fini(keys);
}

struct keyring *
keyring_new(const char *directory)
{
    struct keyring *k = xcalloc(1, sizeof(*k));

    init_keys(&k->keys);
    k->directory = directory;
    return k;
}

void
keyring_free(struct keyring **keyring)
{
    struct keyring *k = TAKE(*keyring);

    if (!k)
        return;
    free_keys(&k->keys);
    free(k);
}

static int
add_key(struct map *keys, const char *text, const char *name)
{
    struct known_key *k;
    uint8_t key[CERT_KEY_BYTES];

    if (!cert_is_key(text))
        return -EINVAL;
    zmq_z85_decode(key, text);
    if (map_get(keys, key))
        return 0;
    k = xcalloc(1, sizeof(*k));
    memcpy(k->key, key, sizeof(key));
    snprintf(k->name, sizeof(k->name), "%s", name);
    map_put(keys, k);
    return 0;
}

int
keyring_add(struct keyring *k, const char *key, const char *name)
{
    return add_key(&k->keys, key, name);
}

const char *
keyring_find(const struct keyring *k, const void *key)
{
    const struct known_key *known = map_get(&k->keys, key);

    return known ? known->name : NULL;
}

size_t
keyring_count(const struct keyring *k)
{
    return k->keys.count;
}

/* --- the directory --- */

static bool
is_passing(int rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM || rc == -EIO || rc == -EINTR;
}

/* Not: hidden, left behind by an editor, or a secret key beside its public one, as zcert writes them. */
static bool
is_key_file(const char *name)
{
    static const char secret[] = "_secret";
    size_t len = strlen(name);
    size_t tail = sizeof(secret) - 1;

    return name[0] != '.' && name[len - 1] != '~' &&
           (len < tail || strcmp(name + len - tail, secret) != 0);
}

static int
read_file(struct keyring *k, const char *name, struct map *keys)
{
    AUTO(free) char *path = xasprintf("%s/%s", k->directory, name);
    struct cert c;
    struct err err;
    int rc = cert_load_public(&c, path, &err);

    if (rc == 0)
        return add_key(keys, c.public_key, cert_is_name(name) ? name : "?");
    if (is_passing(rc))
        return rc;
    elog_limited(&k->useless, ELOG_WARN, "a key is not used: %s", err.text);
    return 0;
}

static int
read_files(struct keyring *k, DIR *dir, struct map *keys)
{
    struct dirent *entry;
    size_t files = 0;
    int rc = 0;

    while (rc == 0 && (entry = readdir(dir))) {
        if (!is_key_file(entry->d_name))
            continue;
        if (++files > FILES_MAX) {
            elog_limited(&k->useless, ELOG_WARN, "%s: only %d files are looked at", k->directory,
                         FILES_MAX);
            break;
        }
        rc = read_file(k, entry->d_name, keys);
    }
    return rc;
}

static int
read_directory(struct keyring *k, struct map *keys)
{
    DIR *dir = opendir(k->directory);
    int rc;

    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    rc = read_files(k, dir, keys);
    closedir(dir);
    return rc;
}

static int64_t
age_ms(const struct timespec *when)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec - when->tv_sec) * 1000 + (now.tv_nsec - when->tv_nsec) / 1000000;
}

static int
reload(struct keyring *k, const struct stat *st)
{
    bool is_settled = age_ms(&st->st_mtim) >= SETTLED_MS; // before it is read
    struct map keys;
    int rc;

    init_keys(&keys);
    rc = read_directory(k, &keys);
    if (rc < 0) {
        free_keys(&keys);
        return rc;
    }
    free_keys(&k->keys);
    k->keys = keys;
    k->mtime = st->st_mtim;
    k->is_settled = is_settled;
    return 0;
}

static bool
has_changed(const struct keyring *k, const struct stat *st)
{
    return !k->is_settled || k->mtime.tv_sec != st->st_mtim.tv_sec ||
           k->mtime.tv_nsec != st->st_mtim.tv_nsec;
}

void
keyring_refresh(struct keyring *k, int64_t now)
{
    struct stat st = {0};
    int rc = 0;

    if (!k->directory || (k->is_read && now - k->looked_at < KEYRING_LOOK_MS))
        return;
    k->is_read = true;
    k->looked_at = now;
    if (stat(k->directory, &st) < 0 && errno != ENOENT)
        rc = -errno;
    else if (has_changed(k, &st))
        rc = reload(k, &st);
    if (rc < 0) {
        k->is_settled = false;
        elog_limited(&k->unreadable, ELOG_WARN, "%s: %s: the keys stay as they were", k->directory,
                     err_name(rc));
    }
}
