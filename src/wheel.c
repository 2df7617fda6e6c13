/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "wheel.h"

#include <string.h>

#define WHEEL_MASK  (WHEEL_SLOTS - 1)
#define WHEEL_WORDS (WHEEL_SLOTS / 64)

void
wheel_init(struct wheel *w, uint64_t now)
{
	memset(w, 0, sizeof(*w));
	w->tick = now / WHEEL_TICK;
}

void
wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t due)
{
	uint64_t tick = due / WHEEL_TICK + (due % WHEEL_TICK != 0);
	size_t slot;

	wheel_cancel(w, t);
	if (tick <= w->tick)
		tick = w->tick + 1;
	slot = tick & WHEEL_MASK;
	t->due = tick;
	LIST_INSERT_HEAD(&w->slots[slot], t, link);
	w->used[slot / 64] |= UINT64_C(1) << (slot % 64);
}

void
wheel_cancel(struct wheel *w, struct wheel_timer *t)
{
	size_t slot = t->due & WHEEL_MASK;

	if (t->due == 0)
		return;
	LIST_REMOVE(t, link);
	if (LIST_EMPTY(&w->slots[slot]))
		w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	t->due = 0;
}

bool
wheel_is_set(const struct wheel_timer *t)
{
	return t->due != 0;
}

uint64_t
wheel_due(const struct wheel_timer *t)
{
	return t->due * WHEEL_TICK;
}

/* Move what is due out of the slot of the current tick. */
static void
wheel_collect(struct wheel *w)
{
	size_t slot = w->tick & WHEEL_MASK;
	struct wheel_timer *t, *next;

	for (t = LIST_FIRST(&w->slots[slot]); t != NULL; t = next) {
		next = LIST_NEXT(t, link);
		if (t->due > w->tick)
			continue;
		LIST_REMOVE(t, link);
		LIST_INSERT_HEAD(&w->expired, t, link);
	}
	if (LIST_EMPTY(&w->slots[slot]))
		w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* Ticks from the current one to the next with a timer in its slot; 0: none. */
static unsigned int
wheel_next_used(const struct wheel *w)
{
	size_t start = (w->tick + 1) & WHEEL_MASK;
	uint64_t word = w->used[start / 64] >> (start % 64);
	size_t i, at;

	if (word != 0)
		return 1 + (unsigned int)__builtin_ctzll(word);
	for (i = 1; i <= WHEEL_WORDS; i++) {
		at = (start / 64 + i) % WHEEL_WORDS;
		if (w->used[at] != 0)
			return 1 + (unsigned int)(i * 64 - start % 64) +
			       (unsigned int)__builtin_ctzll(w->used[at]);
	}
	return 0;
}

struct wheel_timer *
wheel_pop(struct wheel *w, uint64_t now)
{
	uint64_t until = now / WHEEL_TICK;
	struct wheel_timer *t;
	unsigned int skip;

	while (LIST_EMPTY(&w->expired) && w->tick < until) {
		skip = wheel_next_used(w);
		if (skip == 0 || w->tick + skip > until) {
			w->tick = until;
			break;
		}
		w->tick += skip;
		wheel_collect(w);
	}
	t = LIST_FIRST(&w->expired);
	if (t != NULL) {
		LIST_REMOVE(t, link);
		t->due = 0;
	}
	return t;
}

int
wheel_wait(const struct wheel *w, uint64_t now)
{
	unsigned int skip = wheel_next_used(w);
	uint64_t at;

	if (!LIST_EMPTY(&w->expired))
		return 0;
	if (skip == 0)
		return -1;
	at = (w->tick + skip) * WHEEL_TICK;
	return at > now ? (int)(at - now) : 0;
}
