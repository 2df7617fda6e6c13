/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "backoff.h"

uint32_t
backoff_next(struct backoff *b, uint32_t chance)
{
	uint32_t bound = BACKOFF_FIRST;
	unsigned int i;

	for (i = 0; i < b->tries && bound < BACKOFF_MAX; i++)
		bound *= 2;
	if (bound >= BACKOFF_MAX)
		bound = BACKOFF_MAX;
	else
		b->tries++;
	return BACKOFF_LEAST +
	       (uint32_t)((uint64_t)chance * (bound - BACKOFF_LEAST + 1) >> 32);
}
