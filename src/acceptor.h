/* SPDX-License-Identifier: ISC */
/*
 * acceptor - the gate: watches the listening sockets and decides which worker
 * accepts how many connections, and when none may (R1: a connection belongs
 * to one worker from its first byte).
 * Thread: acceptor.  Owns: the events on the listening sockets.
 * Limits: the connection limit is kept exactly; when descriptors run out
 * accepting pauses, with a warning at most every ACCEPTOR_QUIET milliseconds.
 */
#ifndef MPUSHD_ACCEPTOR_H
#define MPUSHD_ACCEPTOR_H

#include <stddef.h>
#include <stdint.h>

#define ACCEPTOR_QUIET 60000 /* milliseconds between two warnings */

struct acceptor;
struct channel;
struct event_base;
struct listener;
struct tevent_accept;
struct worker;

/* A worker and the channel to it, both borrowed. */
struct acceptor_worker {
	struct worker *worker;
	struct channel *to;
};

/*
 * Make a closed gate for the COUNT listeners and the workers (all borrowed).
 * NULL: no memory.
 */
struct acceptor *acceptor_new(struct event_base *, const struct listener *,
    size_t count, const struct acceptor_worker *, size_t worker_count);

/* Free a gate and set the pointer to NULL. */
void acceptor_free(struct acceptor **);

/* Let at most LIMIT connections in at once, from now on. */
void acceptor_set_limit(struct acceptor *, size_t limit);

/* Connections that are there, or may be there in a moment. */
size_t acceptor_load(const struct acceptor *);

/* Open the gate. */
void acceptor_open(struct acceptor *);

/* Shut the gate for good; orders under way still come back. */
void acceptor_shut(struct acceptor *);

/* A worker has accepted. */
void acceptor_on_accepted(struct acceptor *, const struct tevent_accept *);

#endif
