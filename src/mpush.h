/* SPDX-License-Identifier: ISC */
/*
 * mpush - the client for the terminal: what its subcommands share.
 * Thread: there is one.
 */
#ifndef MPUSHD_MPUSH_H
#define MPUSHD_MPUSH_H

#include "mpush_url.h"

/* Exit statuses beside 0. */
enum mpush_exit {
	MPUSH_EXIT_FAULT = 1, /* no server, no token, a fault of any kind */
	MPUSH_EXIT_USAGE = 2,
	MPUSH_EXIT_ONLINE = 3,
	MPUSH_EXIT_OFFLINE = 4,
	MPUSH_EXIT_NO = 5,
};

/* How a subcommand is to be called; on stderr, exits MPUSH_EXIT_USAGE. */
_Noreturn void mpush_usage(void);

/* The URL that -u or MPUSH_URL gives, else the default; exits on a fault. */
void
mpush_find_server(const char *option, const char *fallback, struct mpush_url *);

/* The subcommands; return the exit status. */
int mpush_listen(int argc, char **argv);
int mpush_send(int argc, char **argv);
int mpush_template(int argc, char **argv);

#endif
