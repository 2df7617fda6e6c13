/* SPDX-License-Identifier: ISC */
/*
 * broker_impl - what the parts of the broker share; nobody else includes it.
 * broker.c has the loop, the sessions and the stop, broker_push.c the
 * messages and those who wait for an answer, broker_keep.c the store,
 * broker_sweep.c what time takes away.
 * Thread: broker.
 */
#ifndef MPUSHD_BROKER_IMPL_H
#define MPUSHD_BROKER_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "device.h"
#include "handle.h"
#include "tevent.h"
#include "overdue.h"
#include "wheel.h"

enum broker_timer {
	BROKER_TIMER_WAIT,
	BROKER_TIMER_RESEND,
};

/* A publisher that waits for its device to confirm, or for the store. */
struct waiter {
	struct wheel_timer timer;
	LIST_ENTRY(waiter) link;
	struct handle publisher;
	uint32_t part; /* of its request */
	struct device *device;
	uint64_t mid;
	uint64_t until; /* ACK_TIMEOUT is over then */
	bool overdue;   /* answer as soon as the message is kept */
	bool require;   /* drop the message unless it is confirmed in time */
};

struct broker_worker {
	struct channel *from, *to;
};

/* How far the sweep over all devices is. */
struct broker_sweep {
	uint64_t due;
	size_t slot;
	size_t expired, forgotten; /* in this one */
};

struct broker {
	struct conf *conf;
	uint64_t max_store; /* of the start */
	struct table *table;
	struct collapse *collapse; /* the newest messages by collapse key */
	struct doorbell *bell;
	struct wheel wheel;
	uint64_t now;  /* of this turn */
	uint64_t wall; /* likewise, since the epoch */
	LIST_HEAD(, waiter) waiters;
	STAILQ_HEAD(, device) pumps;
	struct channel *acceptor;
	struct channel *to_store, *from_store; /* NULL: memory only */
	uint64_t next_key;                     /* for the store */
	bool store_hangs;     /* it has not answered for too long */
	uint64_t restored_at; /* since the epoch; 0: nothing was */
	uint64_t bytes;       /* of all messages, as the store counts */
	struct overdue overdue;
	uint64_t watch_due;  /* when METRICS_DEVICES are looked at again */
	bool watch_is_stale; /* something has happened since */
	struct broker_sweep sweep;
	uint64_t stop_by; /* the workers are told then at the latest */
	bool stopping, stopped, quit;
	size_t worker_count;
	struct broker_worker workers[];
};

/* The channel to the worker that a handle names. */
struct channel *broker_to(struct broker *, struct handle);

/* Tell the publisher of a push, or who asked. */
void broker_answer(struct broker *, const struct tevent_push *, enum answer,
    uint64_t mid);

/* The same, by what is remembered of it. */
void broker_answer_part(struct broker *, struct handle to, uint32_t part,
    enum answer, uint64_t mid);

/* Remember to send what the device's window lets out, at the turn's end. */
void broker_want_pump(struct broker *, struct device *);

/* A new device, in the table.  NULL: no memory. */
struct device *broker_add_device(struct broker *, const char *id, size_t len);

/* Take an offline device without messages out of the table, and free it. */
void broker_drop_device(struct broker *, struct device *);

/* A session has the device now: tell it, and the one that had it before. */
void broker_welcome(struct broker *, struct device *, struct handle session);

/* Refuse a login; NOT_KEPT: because of the store. */
void broker_refuse_login(struct broker *, struct handle session, const char *id,
    size_t len, bool not_kept);

/* A message for a device. */
void broker_push(struct broker *, struct device *, struct tevent_push *);

/* The timer of a waiter. */
void broker_on_wait(struct broker *, struct waiter *);

/* A device has confirmed this mid. */
void broker_confirm(struct broker *, struct device *, uint64_t mid);

/* A message of so many bytes begins to wait, and ends. */
void
broker_count_in(struct broker *, const struct outbox_entry *, uint64_t bytes);
void
broker_count_out(struct broker *, const struct outbox_entry *, uint64_t bytes);

/* At the end of a turn, in which something happened if BUSY: tell others. */
void broker_publish(struct broker *, bool busy);

/* How long what was published stays true: milliseconds, -1 for ever. */
int broker_publish_wait(const struct broker *);

/* Take a message out of an outbox, and out of the store. */
void broker_remove(struct broker *, struct device *, struct outbox_entry *);

/*
 * The older message of the same collapse key that M would replace, or NULL:
 * there is none, its device may have it, or a publisher waits for it.
 */
struct outbox_entry *broker_find_collapsible(struct broker *, struct device *,
    const struct message *m);

/*
 * The message MID is kept: it replaces the older one of its collapse key.
 * Entries may move.
 */
void broker_collapse(struct broker *, struct device *, uint64_t mid);

/*
 * All that a device had not confirmed is unsent again: drop what a newer
 * message of the same collapse key has overtaken meanwhile.
 */
void broker_collapse_all(struct broker *, struct device *);

/* The store has kept a message, or has not. */
void broker_on_kept(struct broker *, struct tevent *);

/* Answer all who wait, as soon as their messages are kept. */
void broker_hurry_waiters(struct broker *);

/* Answer all who wait: it was not done in time. */
void broker_refuse_waiters(struct broker *);

/* Send a message to the store, after all older ones of its device. */
void broker_keep(struct broker *, struct device *, struct outbox_entry *);

/*
 * Send a device's registration to the store; SESSION, or none, is welcomed
 * when it is kept.
 */
void broker_enrol(struct broker *, struct device *, struct handle session);

/* The store has kept a registration, or has not. */
void broker_on_enrolled(struct broker *, struct tevent *);

/* Delete what the store keeps under a key. */
void broker_discard(struct broker *, uint64_t key);

/* Before the first mids after a start: leave out those of the last run. */
void broker_skip_lead(struct broker *, struct device *);

/* A mid was given: see that none like it is given after a restart. */
void broker_reserve_mid(struct broker *, struct device *, uint64_t mid);

/* The highest mid of a device that may go out now. */
uint64_t broker_mid_max(const struct broker *, const struct device *);

/* The device came or went just now. */
void broker_touch(struct broker *, struct device *);

/* Before the end: the last mids, exactly. */
void broker_keep_mids(struct broker *);

/* Drop what is too old of a device's messages. */
void broker_expire_messages(struct broker *, struct device *);

/* Go on with the sweep when it is due. */
void broker_sweep(struct broker *);

#endif
