/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "broker_impl.h"
#include "collapse.h"
#include "conf.h"
#include "dedup.h"
#include "message.h"
#include "metrics.h"

/* One that nobody waits for, and that its device has not got. */
static bool
broker_can_collapse(const struct device *d, const struct outbox_entry *e)
{
	return e->waiter == NULL && !outbox_was_sent(&d->outbox, e);
}

/* The message MID takes the place of an older one. */
static void
broker_replace(struct broker *b, struct device *d, struct outbox_entry *old,
    uint64_t mid)
{
	metrics_add(METRICS_COLLAPSED, 0, 1);
	dedup_replace(d->dedup, old->mid, mid);
	broker_remove(b, d, old);
}

struct outbox_entry *
broker_find_collapsible(struct broker *b, struct device *d,
    const struct message *m)
{
	uint64_t key = message_collapse(m), mid;
	struct outbox_entry *e;

	if (key == 0 || !b->conf->collapse)
		return NULL;
	mid = collapse_get(b->collapse, d->node.ref, key);
	e = mid == 0 ? NULL : outbox_find(&d->outbox, mid);
	return e != NULL && broker_can_collapse(d, e) ? e : NULL;
}

void
broker_collapse(struct broker *b, struct device *d, uint64_t mid)
{
	struct outbox_entry *e = outbox_find(&d->outbox, mid), *old;
	uint64_t key = message_collapse(e->message);

	if (key == 0 || !b->conf->collapse)
		return;
	old = broker_find_collapsible(b, d, e->message);
	collapse_set(b->collapse, d->node.ref, key, mid);
	if (old != NULL && old->mid < mid)
		broker_replace(b, d, old, mid);
}

void
broker_collapse_all(struct broker *b, struct device *d)
{
	uint32_t i = d->outbox.count;
	struct outbox_entry *e;
	uint64_t key, mid;

	if (!b->conf->collapse || collapse_count(b->collapse) == 0)
		return;
	/* From the end: what is removed moves only what comes after. */
	while (i > 0) {
		i = i <= d->outbox.count ? i - 1 : d->outbox.count - 1;
		e = outbox_entry_at(&d->outbox, i);
		key = e != NULL ? message_collapse(e->message) : 0;
		if (key == 0 || !broker_can_collapse(d, e))
			continue;
		mid = collapse_get(b->collapse, d->node.ref, key);
		if (mid > e->mid)
			broker_replace(b, d, e, mid);
	}
}
