/* SPDX-License-Identifier: ISC */
/*
 * overdue - how many messages have waited for OVERDUE_AFTER, by priority,
 * without looking at any: the younger ones are counted in slots of time.
 * Exact to a slot while the clock goes forward; when it is set back by more
 * than that, messages count as overdue that are not, until they are gone.
 * Thread: broker; pure, the time is given.  All zero bytes is the start.
 */
#ifndef MPUSHD_OVERDUE_H
#define MPUSHD_OVERDUE_H

#include <stdbool.h>
#include <stdint.h>

#define OVERDUE_AFTER      300000 /* milliseconds */
#define OVERDUE_SLOT       10000  /* milliseconds */
#define OVERDUE_SLOTS      (OVERDUE_AFTER / OVERDUE_SLOT)
#define OVERDUE_PRIORITIES 6 /* 0, which is none, to 5 */

struct overdue {
	uint64_t now; /* the number of the newest slot */
	uint64_t young;
	uint32_t slot[OVERDUE_SLOTS][OVERDUE_PRIORITIES];
	uint64_t old[OVERDUE_PRIORITIES];
};

/* Messages grow older: it is NOW, in milliseconds since the epoch. */
void overdue_advance(struct overdue *, uint64_t now);

/* A message of that time begins to wait; overdue_advance was called. */
void overdue_add(struct overdue *, uint64_t time, int priority);

/* A message that was added waits no more. */
void overdue_remove(struct overdue *, uint64_t time, int priority);

/* How many of that priority are overdue. */
uint64_t overdue_count(const struct overdue *, int priority);

/* True when some will become overdue as time goes on. */
bool overdue_ripens(const struct overdue *);

#endif
