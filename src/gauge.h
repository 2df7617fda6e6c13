/* SPDX-License-Identifier: ISC */
/*
 * gauge - a number that one thread changes and others read, such as how many
 * connections a worker has.
 * Thread: any; relaxed, so a reader may be a moment behind.
 */
#ifndef MPUSHD_GAUGE_H
#define MPUSHD_GAUGE_H

#include <stdatomic.h>
#include <stddef.h>

struct gauge {
	atomic_size_t value;
};

/* Add one. */
static inline void
gauge_up(struct gauge *g)
{
	atomic_fetch_add_explicit(&g->value, 1, memory_order_relaxed);
}

/* Take one away. */
static inline void
gauge_down(struct gauge *g)
{
	atomic_fetch_sub_explicit(&g->value, 1, memory_order_relaxed);
}

/* The number. */
static inline size_t
gauge_read(struct gauge *g)
{
	return atomic_load_explicit(&g->value, memory_order_relaxed);
}

#endif
