/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "broker_impl.h"
#include "check.h"
#include "conf.h"
#include "dedup.h"
#include "log.h"
#include "message.h"
#include "metrics.h"
#include "table.h"

#define BROKER_SWEEP_SLOTS 1024  /* devices in a turn */
#define BROKER_SWEEP_PAUSE 1     /* milliseconds between two turns' shares */
#define BROKER_SWEEP_MIN   200   /* milliseconds between two sweeps, */
#define BROKER_SWEEP_MAX   60000 /* and at most */
#define BROKER_SWEEP_SHARE 16    /* of a lifetime: how late it may end */

/* When the next sweep begins. */
static uint64_t
broker_sweep_interval(const struct broker *b)
{
	int64_t lives[] = { b->conf->message_ttl, b->conf->device_ttl };
	uint64_t least = BROKER_SWEEP_MAX, share;
	size_t i;

	for (i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		share = (uint64_t)lives[i] / BROKER_SWEEP_SHARE;
		if (lives[i] != 0 && share < least)
			least = share;
	}
	return least > BROKER_SWEEP_MIN ? least : BROKER_SWEEP_MIN;
}

void
broker_expire_messages(struct broker *b, struct device *d)
{
	uint64_t ttl = (uint64_t)b->conf->message_ttl;
	struct outbox_entry *e;

	if (ttl == 0)
		return;
	while ((e = outbox_first(&d->outbox)) != NULL) {
		/* One that a publisher waits for is not old. */
		if (e->waiter != NULL ||
		    message_time(e->message) + ttl > b->wall)
			break;
		b->sweep.expired++;
		metrics_add(METRICS_EXPIRED, 0, 1);
		dedup_forget(d->dedup, e->mid);
		broker_remove(b, d, e);
	}
}

/* True when the device can go. */
static bool
broker_is_forgotten(const struct broker *b, const struct device *d)
{
	uint64_t ttl = (uint64_t)b->conf->device_ttl;

	return ttl != 0 && !d->listed && !device_is_online(d) &&
	       d->outbox.live == 0 && !d->pumping && d->seen + ttl <= b->wall;
}

static void
broker_sweep_device(struct broker *b, struct device *d)
{
	struct handle none = { 0, 0, 0 };

	broker_expire_messages(b, d);
	dedup_expire(&d->dedup, b->now);
	if (device_is_online(d)) {
		broker_touch(b, d);
	} else if (broker_is_forgotten(b, d)) {
		b->sweep.forgotten++;
		if (d->key != 0)
			broker_discard(b, d->key);
		broker_drop_device(b, d);
	} else if (b->to_store != NULL && !d->enrolled && !d->listed) {
		/* Its registration was lost, or could not be written. */
		broker_enrol(b, d, none);
	}
}

static void
broker_sweep_end(struct broker *b)
{
	struct broker_sweep *s = &b->sweep;

	if (s->expired > 0)
		log_event(LOG_NOTICE,
		    LOG_FIELDS(log_number("messages", s->expired)),
		    "broker: messages older than MESSAGE_TTL were dropped");
	if (s->forgotten > 0)
		log_event(LOG_INFO,
		    LOG_FIELDS(log_number("devices", s->forgotten)),
		    "broker: devices not seen for DEVICE_TTL were forgotten");
	s->expired = s->forgotten = s->slot = 0;
	s->due = b->now + broker_sweep_interval(b);
}

void
broker_sweep(struct broker *b)
{
	struct broker_sweep *s = &b->sweep;
	struct device *d;
	size_t i;

	if (b->now < s->due || b->stopping)
		return;
	for (i = 0; i < BROKER_SWEEP_SLOTS; i++) {
		if (s->slot >= table_slots(b->table)) {
			broker_sweep_end(b);
			return;
		}
		d = device_of_node(table_at(b->table, s->slot++));
		if (d != NULL)
			broker_sweep_device(b, d);
	}
	s->due = b->now + BROKER_SWEEP_PAUSE;
}
