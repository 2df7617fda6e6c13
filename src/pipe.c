/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "pipe.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"

#define PIPE_CACHE_LINE 64 /* bytes */

/*
 * Each side writes one index and keeps a copy of the other's, which it renews
 * only when the ring looks full or empty: so the lines bounce once a batch.
 */
struct pipe {
	alignas(PIPE_CACHE_LINE) atomic_size_t tail; /* producer writes */
	size_t head_seen;                            /* producer's copy */
	alignas(PIPE_CACHE_LINE) atomic_size_t head; /* consumer writes */
	size_t tail_seen;                            /* consumer's copy */
	alignas(PIPE_CACHE_LINE) size_t mask;
	void *ring[];
};

struct pipe *
pipe_new(size_t capacity)
{
	struct pipe *p;
	size_t size;

	CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
	size = sizeof(*p) + capacity * sizeof(p->ring[0]);
	size = (size + PIPE_CACHE_LINE - 1) & ~(size_t)(PIPE_CACHE_LINE - 1);
	p = aligned_alloc(PIPE_CACHE_LINE, size);
	if (p == NULL)
		return NULL;
	atomic_init(&p->tail, 0);
	atomic_init(&p->head, 0);
	p->head_seen = p->tail_seen = 0;
	p->mask = capacity - 1;
	return p;
}

void
pipe_free(struct pipe **pp)
{
	if (*pp == NULL)
		return;
	CHECK(!pipe_ready(*pp));
	free(*pp);
	*pp = NULL;
}

bool
pipe_put(struct pipe *p, void *item)
{
	size_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

	CHECK(item != NULL);
	if (tail - p->head_seen > p->mask) {
		p->head_seen =
		    atomic_load_explicit(&p->head, memory_order_acquire);
		if (tail - p->head_seen > p->mask)
			return false;
	}
	p->ring[tail & p->mask] = item;
	atomic_store_explicit(&p->tail, tail + 1, memory_order_release);
	return true;
}

bool
pipe_ready(struct pipe *p)
{
	size_t head = atomic_load_explicit(&p->head, memory_order_relaxed);

	if (head != p->tail_seen)
		return true;
	p->tail_seen = atomic_load_explicit(&p->tail, memory_order_acquire);
	return head != p->tail_seen;
}

void *
pipe_peek(struct pipe *p)
{
	if (!pipe_ready(p))
		return NULL;
	return p->ring[atomic_load_explicit(&p->head, memory_order_relaxed) &
		       p->mask];
}

void *
pipe_get(struct pipe *p)
{
	size_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
	void *item;

	if (!pipe_ready(p))
		return NULL;
	item = p->ring[head & p->mask];
	atomic_store_explicit(&p->head, head + 1, memory_order_release);
	return item;
}

size_t
pipe_depth(struct pipe *p)
{
	size_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

	/* The two are not of the same moment. */
	return tail - head <= p->mask + 1 ? tail - head : 0;
}
