/* SPDX-License-Identifier: ISC */
/*
 * wheel - many timers at O(1) each: a hashed timing wheel (Varghese and
 * Lauck 1987, scheme 6).
 * Thread: its owner's; pure, the time is given in milliseconds of any clock
 * that never goes back.
 * Limits: a timer fires up to WHEEL_TICK late, never early.
 */
#ifndef MPUSHD_WHEEL_H
#define MPUSHD_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define WHEEL_TICK  8    /* milliseconds */
#define WHEEL_SLOTS 1024 /* a power of two; 8 s a turn */

/* Embedded in what is timed; all zero bytes is a timer that is not set. */
struct wheel_timer {
	LIST_ENTRY(wheel_timer) link;
	uint64_t due; /* tick; 0 when not set */
	int kind;     /* its owner's */
};

LIST_HEAD(wheel_list, wheel_timer);

struct wheel {
	struct wheel_list slots[WHEEL_SLOTS];
	struct wheel_list expired;
	uint64_t used[WHEEL_SLOTS / 64]; /* slots with timers */
	uint64_t tick;                   /* the last one that was looked at */
};

/* Start a wheel at NOW. */
void wheel_init(struct wheel *, uint64_t now);

/* Set a timer, set or not before, to fire at DUE. */
void wheel_set(struct wheel *, struct wheel_timer *, uint64_t due);

/* Unset a timer, set or not. */
void wheel_cancel(struct wheel *, struct wheel_timer *);

/* True when a timer is set. */
bool wheel_is_set(const struct wheel_timer *);

/* When a set timer fires, in milliseconds. */
uint64_t wheel_due(const struct wheel_timer *);

/* Take one timer that is due at NOW; NULL when there is none. */
struct wheel_timer *wheel_pop(struct wheel *, uint64_t now);

/* Milliseconds from NOW until wheel_pop should be asked again; -1: never. */
int wheel_wait(const struct wheel *, uint64_t now);

#endif
