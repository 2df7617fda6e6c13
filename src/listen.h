/* SPDX-License-Identifier: ISC */
/*
 * listen - the listening sockets: TCP over IPv4 and IPv6, and socket files,
 * opened here or by the service manager.
 * Thread: acceptor.
 */
#ifndef MPUSHD_LISTEN_H
#define MPUSHD_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

struct conf;

struct listener {
	int fd;
	int port;      /* 0 for a socket file */
	char *address; /* as in a URL: "127.0.0.1", "[::1]"; or a path */
	bool ws, http; /* which port of the configuration it is */
	bool file;     /* a socket file */
	bool passed;   /* the service manager's: it lives on without us */
};

/*
 * Take the listeners that the service manager has passed, if any, or else
 * open those that CONF asks for, all bound, listening and not blocking.  Sets *OUT, which listen_close frees, and returns their count; 0
 * when one could not be opened, which is logged.  Of the default addresses
 * those that the machine does not have are left out.
 */
size_t listen_open(const struct conf *, struct listener **out);

/*
 * Refuse new connections from now on; the descriptors stay open.  What
 * arrives at a passed listener waits there for the next daemon.
 */
void listen_shut(struct listener *, size_t count);

/* Close and free the listeners, remove socket files, set *LP to NULL. */
void listen_close(struct listener **lp, size_t count);

/* Log one "listening on" line a listener and protocol. */
void listen_announce(const struct listener *, size_t count);

#endif
