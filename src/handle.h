/* SPDX-License-Identifier: ISC */
/*
 * handle - names that may cross threads instead of pointers (R4).  A handle
 * whose generation no longer fits its slot is stale, which is normal: what
 * it named is gone.
 * Thread: any; plain values.
 */
#ifndef MPUSHD_HANDLE_H
#define MPUSHD_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

/* A connection: worker, slot in the worker's table; generation 0 is none. */
struct handle {
	uint32_t worker;
	uint32_t slot;
	uint32_t gen;
};

/* A device: slot in the broker's table; generation 0 is none. */
struct devref {
	uint32_t slot;
	uint32_t gen;
};

static inline bool
handle_equal(struct handle a, struct handle b)
{
	return a.gen == b.gen && a.slot == b.slot && a.worker == b.worker;
}

static inline bool
handle_is_none(struct handle h)
{
	return h.gen == 0;
}

#endif
