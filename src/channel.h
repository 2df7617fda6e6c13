/* SPDX-License-Identifier: ISC */
/*
 * channel - one direction of events between two threads: a pipe, the
 * receiver's doorbell, and a list of what did not fit into the pipe (R5).
 * Thread: send, flush and stuck the sender's; receive and ready the
 * receiver's.
 * Owns: the events in it.
 * Limits: the list is as long as what its sender makes in one turn of its
 * loop: a worker that is stuck reads no more from its clients, and what the
 * broker sends is bounded by the windows of the sessions and by the
 * publishers that wait.
 */
#ifndef MPUSHD_CHANNEL_H
#define MPUSHD_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;
struct doorbell;
struct tevent;

/* Make a channel whose receiver is woken by BELL (borrowed).  NULL: no memory. */
struct channel *channel_new(struct doorbell *bell);

/* Free a channel, and what is still in it, when both threads have ended. */
void channel_free(struct channel **);

/*
 * Send the event whose head *EVP is and set *EVP to NULL.  It arrives at
 * the latest after the next channel_flush.
 */
void channel_send(struct channel *, struct tevent **evp);

/* Hand over what was sent and wake the receiver; once a loop turn. */
void channel_flush(struct channel *);

/* How many events were sent since the last channel_flush. */
size_t channel_unflushed(const struct channel *);

/*
 * True while the pipe is too full for what was sent.  Nobody wakes the
 * sender when there is room again: it flushes again by a timer.
 */
bool channel_stuck(const struct channel *);

/* The next event, which the caller frees; NULL when there is none. */
struct tevent *channel_receive(struct channel *);

/*
 * When the event was sent that channel_receive would return: nanoseconds;
 * UINT64_MAX when there is none.
 */
uint64_t channel_head_time(struct channel *);

/* True when channel_receive would return one. */
bool channel_ready(struct channel *);

/* How many events are in it, about; any thread. */
size_t channel_depth(struct channel *);

/* Send the event EV of any body type. */
#define CHANNEL_SEND(ch, ev)                                                   \
	do {                                                                   \
		struct channel *channel_to_ = (ch);                            \
		struct tevent *channel_head_ = &(ev)->head;                    \
		(ev) = NULL;                                                   \
		channel_send(channel_to_, &channel_head_);                     \
	} while (0)

#endif
