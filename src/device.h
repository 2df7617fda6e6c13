/* SPDX-License-Identifier: ISC */
/*
 * device - one registered device: its outbox, the session that holds it, the
 * window of messages in flight and the rules of resending.
 * Thread: broker.  Owns: its id and its outbox.
 * Limits: DEVICE_WINDOW_* in flight, DEVICE_FRAME_* in one delivery; a larger
 * message travels alone.
 */
#ifndef MPUSHD_DEVICE_H
#define MPUSHD_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "handle.h"
#include "outbox.h"
#include "table.h"
#include "wheel.h"

#define DEVICE_WINDOW_MESSAGES 1000
#define DEVICE_WINDOW_BYTES    (1 << 20)
#define DEVICE_FRAME_BYTES     (256 << 10)
#define DEVICE_RESEND_MAX      60000 /* milliseconds between resends */

struct dedup;
struct message;
struct tevent_deliver;

struct device {
	struct table_node node;
	struct wheel_timer resend; /* lazy: may fire for nothing */
	STAILQ_ENTRY(device) pump; /* broker: has unsent ones */
	bool pumping;
	bool listed;           /* in REGISTERS */
	bool enrolled;         /* its registration is on disk */
	uint64_t key;          /* of that in the store; 0: none was given */
	uint64_t mid_reserved; /* the store was told of mids up to there, */
	uint64_t mid_kept;     /* and has them on disk up to there */
	uint64_t seen;         /* ms since the epoch: last login or logout */
	uint64_t seen_kept;    /* and what is on disk of it */
	struct handle session; /* none while offline */
	struct dedup *dedup;   /* owned */
	struct outbox outbox;
	uint64_t last_mid;
	uint64_t alive_at; /* a sign of life counts from then */
	uint32_t window;   /* messages in flight */
	uint32_t window_bytes;
	char id[];
};

/* Make an offline device with an empty outbox.  NULL: no memory. */
struct device *device_new(const char *id, size_t len);

/* Free a device with its messages and set the pointer to NULL. */
void device_free(struct device **);

/* The device whose node this is. */
struct device *device_of_node(struct table_node *);

/*
 * Queue a message: takes the caller's reference, sets *MP to NULL and gives
 * it the next mid.  MAX is the most unconfirmed messages that may be there.
 * Returns the entry, or NULL with errno ENOBUFS or ENOMEM.
 */
struct outbox_entry *
device_put(struct device *, struct message **mp, size_t max);

/* Confirm an entry of its outbox. */
void device_confirm(struct device *, struct outbox_entry *);

/* A session takes the device over; all unconfirmed is unsent again. */
void device_attach(struct device *, struct handle session);

/* The device is offline. */
void device_detach(struct device *);

bool device_is_online(const struct device *);

/*
 * The next unsent messages that the window lets out, oldest first, none above
 * MID_MAX, as an event for its session, or NULL when there are none.  NOW and
 * INTERVAL (first resend) are milliseconds.
 */
struct tevent_deliver *device_take_unsent(struct device *, uint64_t now,
    uint64_t interval, uint64_t mid_max);

/*
 * What is to be sent again now, oldest first, or NULL: by the timer (doubled
 * intervals), or, with ALIVE, because the device gave a sign of life INTERVAL
 * after the last sending.  *NEXT is set to when the timer is due, 0: never.
 */
struct tevent_deliver *device_take_due(struct device *, uint64_t now,
    uint64_t interval, bool alive, uint64_t *next);

#endif
