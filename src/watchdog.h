/* SPDX-License-Identifier: ISC */
/*
 * watchdog - finds out whether the threads turn: a BEAT goes to the broker,
 * from there to every worker and back, and only when all are back does the
 * service manager hear of it.  The store thread is left out: a slow disk is
 * no reason to kill the daemon.
 * Thread: acceptor.
 */
#ifndef MPUSHD_WATCHDOG_H
#define MPUSHD_WATCHDOG_H

#include <stddef.h>
#include <stdint.h>

struct channel;
struct event_base;
struct watchdog;

/*
 * Begin to beat, every INTERVAL microseconds, for as many workers; ON_ALIVE
 * is called with ARG after each round that came back.  The base and the
 * channel are borrowed.  NULL: no memory.
 */
struct watchdog *
watchdog_new(struct event_base *, uint64_t interval, struct channel *to_broker,
    size_t workers, void (*on_alive)(void *), void *arg);

/* End it and set the pointer to NULL; NULL is fine. */
void watchdog_free(struct watchdog **);

/* A worker has sent a BEAT; NULL is fine. */
void watchdog_on_beat(struct watchdog *);

#endif
