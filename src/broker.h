/* SPDX-License-Identifier: ISC */
/*
 * broker - the thread that owns the devices: it queues messages, gives mids,
 * hands messages to the workers that hold the devices, takes confirmations,
 * resends, and tells publishers what became of their push.
 * Thread: broker_run, broker_turn and all below them the broker's; the rest
 * the acceptor's, before the thread starts or after it has ended.
 * Owns: the device table, the outboxes, its timers and its doorbell.
 */
#ifndef MPUSHD_BROKER_H
#define MPUSHD_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker;
struct channel;
struct conf;
struct doorbell;
struct store;

/*
 * Make a broker for WORKERS workers with the devices that CONF registers; it
 * takes a reference of CONF.  NULL with errno: no memory, no descriptor.
 */
struct broker *broker_new(struct conf *, size_t workers);

/* Free a broker and all that waits in it; sets the pointer to NULL. */
void broker_free(struct broker **);

/* Who sends to the broker rings this bell. */
struct doorbell *broker_bell(struct broker *);

/* Connect worker I (borrowed): the channels from it and to it. */
void broker_connect_worker(struct broker *, size_t i, struct channel *from,
    struct channel *to);

/* Connect the acceptor (borrowed). */
void broker_connect_acceptor(struct broker *, struct channel *from);

/*
 * Connect the store thread (borrowed): from now on messages and registrations
 * are kept.  Without it they live in memory only.
 */
void
broker_connect_store(struct broker *, struct channel *from, struct channel *to);

/*
 * Fill a new broker with what the store has kept, and log how much that is.
 * Any thread, before the broker's starts.
 * Returns 0, or the errno of store_scan, which has logged it, or ENOMEM.
 */
int broker_restore(struct broker *, struct store *);

/* The thread: runs until QUIT has come.  ARG is the broker. */
void *broker_run(void *arg);

/*
 * One turn of its loop at NOW (monotonic milliseconds): a bounded share of
 * what waits.  Returns true when there may be more to do at once.
 */
bool broker_turn(struct broker *, uint64_t now);

#endif
