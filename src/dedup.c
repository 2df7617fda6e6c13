/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "dedup.h"

#include <stdlib.h>

/* What a hash is made of. */
#define DEDUP_SAYS   UINT64_C(0x0000ffffffffffff) /* the group among it */
#define DEDUP_GROUP  UINT64_C(0x0000ffff00000000)
#define DEDUP_NEWEST UINT64_C(0xffff000000000000)

struct dedup_entry {
	uint64_t hash, mid;
	uint64_t until; /* 0: free */
	bool outdated;  /* its group has said something else since */
};

struct dedup {
	unsigned int count, next; /* the oldest, which is overwritten */
	uint64_t until;           /* of the one that is remembered longest */
	struct dedup_entry entry[];
};

uint64_t
dedup_hash(uint32_t says, uint16_t group, uint64_t newest)
{
	/* Spread what is but a few seconds later: Fibonacci hashing. */
	newest *= UINT64_C(0x9e3779b97f4a7c15);
	return (newest & DEDUP_NEWEST) | (uint64_t)group << 32 |
	       (says != 0 ? says : 1);
}

static void
dedup_outdate_group(struct dedup *d, uint64_t hash)
{
	unsigned int i;

	for (i = 0; i < d->count && (hash & DEDUP_GROUP) != 0; i++) {
		if (((d->entry[i].hash ^ hash) & DEDUP_GROUP) == 0 &&
		    ((d->entry[i].hash ^ hash) & DEDUP_SAYS) != 0)
			d->entry[i].outdated = true;
	}
}

/* Make it, or make it larger if it may be: what it has moves, in order. */
static void
dedup_grow(struct dedup **dp)
{
	struct dedup *old = *dp, *d;
	unsigned int i, had = old != NULL ? old->count : 0;
	unsigned int count = had == 0 ? DEDUP_MIN : 2 * had;

	if (count > DEDUP_MAX)
		return;
	d = calloc(1, sizeof(*d) + count * sizeof(d->entry[0]));
	if (d == NULL)
		return;
	d->count = count;
	d->next = had;
	d->until = had != 0 ? old->until : 0;
	for (i = 0; i < had; i++)
		d->entry[i] = old->entry[(old->next + i) % had];
	free(old);
	*dp = d;
}

void
dedup_add(struct dedup **dp, uint64_t hash, uint64_t mid, uint64_t now,
    uint64_t until)
{
	struct dedup *d = *dp;
	struct dedup_entry *e;

	if (d == NULL || d->entry[d->next].until > now)
		dedup_grow(dp);
	d = *dp;
	if (d == NULL)
		return;
	dedup_outdate_group(d, hash);
	e = &d->entry[d->next];
	d->next = (d->next + 1) % d->count;
	e->hash = hash;
	e->mid = mid;
	e->until = until;
	e->outdated = false;
	if (d->until < until)
		d->until = until;
}

static bool
dedup_is_same(const struct dedup_entry *e, uint64_t hash)
{
	uint64_t differs = e->hash ^ hash;

	return e->outdated ? differs == 0 : (differs & DEDUP_SAYS) == 0;
}

bool
dedup_find(const struct dedup *d, uint64_t hash, uint64_t now, uint64_t *mid)
{
	unsigned int i;

	for (i = 0; d != NULL && i < d->count; i++) {
		if (d->entry[i].until > now &&
		    dedup_is_same(&d->entry[i], hash)) {
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

	for (i = 0; d != NULL && i < d->count; i++) {
		if (d->entry[i].mid == mid)
			d->entry[i].until = 0;
	}
}

void
dedup_replace(struct dedup *d, uint64_t mid, uint64_t new_mid)
{
	unsigned int i;

	for (i = 0; d != NULL && i < d->count; i++) {
		if (d->entry[i].mid == mid)
			d->entry[i].mid = new_mid;
	}
}

void
dedup_expire(struct dedup **dp, uint64_t now)
{
	if (*dp != NULL && (*dp)->until <= now)
		dedup_free(dp);
}

void
dedup_free(struct dedup **dp)
{
	free(*dp);
	*dp = NULL;
}
