/* SPDX-License-Identifier: ISC */
/*
 * backoff - how long to wait before the next try: doubling, with full jitter,
 * so that a thousand clients do not come back at once.
 * Pure: any thread; chance is given by the caller.
 */
#ifndef MPUSHD_BACKOFF_H
#define MPUSHD_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST 500   /* milliseconds: the most before the first retry */
#define BACKOFF_MAX   60000 /* milliseconds: the most of all */
#define BACKOFF_LEAST 50    /* milliseconds: never less */

/* All zero bytes is the start, and a success sets it back to that. */
struct backoff {
	unsigned int tries;
};

/*
 * Milliseconds to wait now: evenly between BACKOFF_LEAST and a bound that
 * doubles each time.  CHANCE is any 32 random bits.
 */
uint32_t backoff_next(struct backoff *, uint32_t chance);

#endif
