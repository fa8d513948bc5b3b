/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_keygen.c - xylem keygen: make a certificate, man page xylem-keygen(1).
 *
 * Two files: PATH with both keys, and PATH.pub to be given away.  Both are written, or none. */
#include "cmd.h"
#include "cert.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *name, *server, *server_key;
static bool force;

static const struct opt options[] = {
    {'n', "name", "TEXT", OPT_STRING, &name, "whose it is, for people", 0, 0},
    {'s', "server", "FILE", OPT_STRING, &server,
     "for a client: certificate of the ranks, or the public part of it", 0, 0},
    {0, "server-key", "KEY", OPT_STRING, &server_key, "for a client: public key of the ranks", 0,
     0},
    {'f', "force", NULL, OPT_FLAG, &force, "overwrite what is there", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem keygen",
    .synopsis = "[OPTIONS] PATH",
    .description = "Write a new certificate to PATH, and its public part to PATH.pub.  Prints the\n"
                   "public key.",
    .options = options,
};

/* The key of the ranks, as the options say. */
static int
set_server(struct cert *c)
{
    struct cert of_server;
    struct err err;

    if (server_key)
        strcpy(c->server_key, server_key);
    if (!server)
        return CMD_OK;
    if (cert_load_public(&of_server, server, &err) < 0)
        return cmd_fail(&program, "%s", err.text);
    strcpy(c->server_key, of_server.public_key);
    return CMD_OK;
}

static int
save(const struct cert *c, const char *path)
{
    AUTO(free) char *public_path = xasprintf("%s.pub", path);
    struct err err;

    if (!force && access(public_path, F_OK) == 0)
        return cmd_fail(&program, "%s: there is a file: it is not overwritten", public_path);
    if (cert_save(c, CERT_WHOLE, path, force, &err) < 0)
        return cmd_fail(&program, "%s", err.text);
    if (cert_save(c, CERT_PUBLIC, public_path, force, &err) == 0)
        return CMD_OK;
    unlink(path); // a new one, that nobody knows
    return cmd_fail(&program, "%s", err.text);
}

int
cmd_keygen(int argc, char **argv)
{
    int i = cmd_parse(&program, argc, argv, 1, 1);
    struct cert c;
    int status;

    if (server && server_key)
        opt_usage_error(&program, "--server and --server-key exclude each other");
    if (server_key && !cert_is_key(server_key))
        opt_usage_error(&program, "--server-key: '%s' is no key (40 characters of Z85)",
                        server_key);
    if (name && !cert_is_name(name))
        opt_usage_error(&program, "--name: 1 to %d plain characters, without quotes",
                        CERT_NAME_SIZE - 1);
    cert_generate(&c);
    strcpy(c.name, name ? name : "");
    status = set_server(&c);
    if (status == CMD_OK)
        status = save(&c, argv[i]);
    if (status == CMD_OK)
        printf("%s\n", c.public_key);
    cert_wipe(&c);
    return status;
}
