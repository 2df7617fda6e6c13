/* SPDX-License-Identifier: ISC */
/*
 * worker - a thread with an event loop that serves its share of the
 * connections: pushes through evhttp, WebSockets on bufferevents.
 * Thread: worker_run and the functions marked [worker] its own; the rest the
 * acceptor's, before the thread starts or after it has ended.
 * Owns: its connections, buffers and timers.
 */
#ifndef MPUSHD_WORKER_H
#define MPUSHD_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;
struct conf;
struct doorbell;
struct gauge;
struct tevent;
struct wheel;
struct worker;

/* The ends of a worker's channels, all borrowed. */
struct worker_links {
	struct channel *from_acceptor, *to_acceptor;
	struct channel *from_broker, *to_broker;
	struct gauge *store_failing; /* NULL: there is no store */
	struct gauge *starting;      /* not 0: the broker does not run yet */
};

/*
 * Make worker INDEX with the configuration, of which it takes a reference,
 * and the COUNT listening sockets FDS (borrowed).  NULL with errno: no
 * memory, no descriptor.
 */
struct worker *
worker_new(uint32_t index, struct conf *, const int *fds, size_t count);

/* Free a worker with its connections; sets the pointer to NULL. */
void worker_free(struct worker **);

struct doorbell *worker_bell(struct worker *);

void worker_connect(struct worker *, const struct worker_links *);

/* How many connections it has; any thread. */
size_t worker_load(struct worker *);

/* The thread: runs until QUIT has come.  ARG is the worker. */
void *worker_run(void *arg);

/* [worker] Its index, for handles. */
uint32_t worker_index(const struct worker *);

/* [worker] The configuration in force; good until the next event. */
const struct conf *worker_conf(const struct worker *);

/* [worker] Its timers: each is a conn's. */
struct wheel *worker_wheel(struct worker *);

/* [worker] Monotonic milliseconds. */
uint64_t worker_now(const struct worker *);

/* [worker] The time of day as a Date header has it (RFC 9110 5.6.7). */
const char *worker_date(struct worker *);

/* [worker] True once the daemon stops. */
bool worker_is_stopping(const struct worker *);

/* [worker] True until what was kept has been found: pushes wait. */
bool worker_is_starting(const struct worker *);

/* [worker] True when messages are kept on disk. */
bool worker_has_store(const struct worker *);

/* [worker] True while what has to be kept cannot be. */
bool worker_store_fails(const struct worker *);

/* [worker] One connection has been accepted: stop when that were enough. */
void worker_count_accept(struct worker *);

/* [worker] Send an event to the broker and set the pointer to NULL. */
void worker_tell_broker(struct worker *, struct tevent **);

#define WORKER_TELL_BROKER(w, ev)                                              \
	do {                                                                   \
		struct worker *worker_of_ = (w);                               \
		struct tevent *worker_head_ = &(ev)->head;                     \
		(ev) = NULL;                                                   \
		worker_tell_broker(worker_of_, &worker_head_);                 \
	} while (0)

#endif
