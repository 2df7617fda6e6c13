/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "dedup.h"

#include <stdlib.h>

struct dedup_entry {
	uint64_t hash, mid;
	uint64_t until; /* 0: free */
};

struct dedup {
	unsigned int next; /* the oldest, which is overwritten */
	struct dedup_entry entry[DEDUP_MAX];
};

void
dedup_add(struct dedup **dp, uint64_t hash, uint64_t mid, uint64_t until)
{
	struct dedup_entry *e;

	if (*dp == NULL)
		*dp = calloc(1, sizeof(**dp));
	if (*dp == NULL)
		return;
	e = &(*dp)->entry[(*dp)->next++ % DEDUP_MAX];
	e->hash = hash;
	e->mid = mid;
	e->until = until;
}

bool
dedup_find(const struct dedup *d, uint64_t hash, uint64_t now, uint64_t *mid)
{
	unsigned int i;

	for (i = 0; d != NULL && i < DEDUP_MAX; i++) {
		if (d->entry[i].hash == hash && d->entry[i].until > now) {
			*mid = d->entry[i].mid;
			return true;
		}
	}
	return false;
}

void
dedup_forget(struct dedup *d, uint64_t mid)
{
	unsigned int i;

	for (i = 0; d != NULL && i < DEDUP_MAX; i++) {
		if (d->entry[i].mid == mid)
			d->entry[i].until = 0;
	}
}

void
dedup_replace(struct dedup *d, uint64_t mid, uint64_t new_mid)
{
	unsigned int i;

	for (i = 0; d != NULL && i < DEDUP_MAX; i++) {
		if (d->entry[i].mid == mid)
			d->entry[i].mid = new_mid;
	}
}

void
dedup_free(struct dedup **dp)
{
	free(*dp);
	*dp = NULL;
}
