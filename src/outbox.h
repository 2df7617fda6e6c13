/* SPDX-License-Identifier: ISC */
/*
 * outbox - the messages that wait for one device, in the order of their mids.
 * Thread: broker.  Owns: one reference of each message in it.
 * Limits: as many messages as the caller allows at each put; a full outbox
 * refuses, it never drops.  An entry costs five machine words.
 */
#ifndef MPUSHD_OUTBOX_H
#define MPUSHD_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

struct message;
struct waiter;

struct outbox_entry {
	struct message *message; /* NULL: confirmed, a hole */
	uint64_t mid;
	struct waiter *waiter; /* borrowed; who waits for the answer */
	uint32_t sent_at;      /* caller's clock, wraps */
	uint8_t attempts;      /* resends since the last login */
	uint8_t kept;          /* enum outbox_kept */
	uint64_t key;          /* in the store; 0: it knows nothing of it */
};

enum outbox_kept {
	OUTBOX_UNKEPT,  /* in memory only */
	OUTBOX_KEEPING, /* the store has it, and has not said yet */
	OUTBOX_KEPT,    /* on disk */
};

/* All zero bytes is an empty outbox. */
struct outbox {
	struct outbox_entry *ring; /* a power of two long */
	uint32_t size;             /* of the ring */
	uint32_t head;             /* free-running index of the first */
	uint32_t count;            /* entries, holes included */
	uint32_t live;             /* unconfirmed messages */
	uint32_t sent;             /* entries from the head that went out */
};

/* Free all; safe on an empty outbox. */
void outbox_done(struct outbox *);

/*
 * Put a message behind the others: takes the caller's reference and sets *MP
 * to NULL.  MID must be above all that were ever put.  Returns the entry, valid
 * until the next put or confirm, or NULL with errno ENOBUFS (MAX unconfirmed ones are there)
 * or ENOMEM, *MP untouched.
 */
struct outbox_entry *
outbox_put(struct outbox *, struct message **mp, uint64_t mid, size_t max);

/*
 * As outbox_put for a message whose mid may lie between others; errno EEXIST:
 * there is one of that mid.  For a fresh outbox, of which nothing was sent.
 */
struct outbox_entry *
outbox_restore(struct outbox *, struct message **mp, uint64_t mid);

/* The unconfirmed entry with this mid, or NULL.  O(log n). */
struct outbox_entry *outbox_find(const struct outbox *, uint64_t mid);

/* True when an entry went out since the last rewind. */
int outbox_was_sent(const struct outbox *, const struct outbox_entry *);

/* Confirm an entry: its message is given back and its room freed. */
void outbox_confirm(struct outbox *, struct outbox_entry *);

/* The oldest unconfirmed entry, or NULL. */
struct outbox_entry *outbox_first(const struct outbox *);

/* The oldest unconfirmed entry that has not gone out, or NULL. */
struct outbox_entry *outbox_unsent(struct outbox *);

/* Mark what outbox_unsent returned as gone out. */
void outbox_advance(struct outbox *);

/* Nothing has gone out: a new session begins, or the old one ended. */
void outbox_rewind(struct outbox *);

/* Entry I of all, or NULL where there is a hole; I < count. */
struct outbox_entry *outbox_entry_at(const struct outbox *, uint32_t i);

/* Entry I of those that went out, or NULL where there is a hole; I < sent. */
struct outbox_entry *outbox_sent_at(const struct outbox *, uint32_t i);

#endif
