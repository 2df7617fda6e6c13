/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "overdue.h"

#include <string.h>

/* The slot of a time that is young, or NULL. */
static uint32_t *
overdue_slot(struct overdue *o, uint64_t time, int priority)
{
	uint64_t n = time / OVERDUE_SLOT;

	if (n > o->now || n + OVERDUE_SLOTS <= o->now)
		return NULL;
	return &o->slot[n % OVERDUE_SLOTS][priority];
}

/* What is in the slot of number N is old. */
static void
overdue_age(struct overdue *o, uint64_t n)
{
	uint32_t *slot = o->slot[n % OVERDUE_SLOTS];
	int i;

	for (i = 0; i < OVERDUE_PRIORITIES; i++) {
		o->old[i] += slot[i];
		o->young -= slot[i];
		slot[i] = 0;
	}
}

void
overdue_advance(struct overdue *o, uint64_t now)
{
	uint64_t n = now / OVERDUE_SLOT, steps, i;

	if (n == o->now)
		return;
	/* Also when the clock was set back: then all of them are. */
	steps = n - o->now;
	if (steps > OVERDUE_SLOTS)
		steps = OVERDUE_SLOTS;
	for (i = 1; i <= steps; i++)
		overdue_age(o, o->now + i);
	o->now = n;
}

void
overdue_add(struct overdue *o, uint64_t time, int priority)
{
	uint32_t *slot = overdue_slot(o, time, priority);

	if (slot == NULL) {
		o->old[priority]++;
		return;
	}
	(*slot)++;
	o->young++;
}

void
overdue_remove(struct overdue *o, uint64_t time, int priority)
{
	uint32_t *slot = overdue_slot(o, time, priority);

	/* Neither is empty, but after the clock was set back. */
	if (slot != NULL && *slot > 0) {
		(*slot)--;
		o->young--;
	} else if (o->old[priority] > 0) {
		o->old[priority]--;
	}
}

uint64_t
overdue_count(const struct overdue *o, int priority)
{
	return o->old[priority];
}

bool
overdue_ripens(const struct overdue *o)
{
	return o->young > 0;
}
