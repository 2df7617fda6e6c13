/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "broker_impl.h"
#include "channel.h"
#include "check.h"
#include "clock.h"
#include "collapse.h"
#include "conf.h"
#include "log.h"
#include "message.h"
#include "store.h"

#define BROKER_MIDS     10000 /* reserved at once */
#define BROKER_MID_LEAD 200   /* milliseconds ahead of the clock, unreserved */
#define BROKER_SET_BACK 86400000 /* milliseconds, as far as that is believed */
#define BROKER_SEEN_MAX 86400000 /* milliseconds that "seen" may be behind */

void
broker_connect_store(struct broker *b, struct channel *from, struct channel *to)
{
	b->from_store = from;
	b->to_store = to;
}

static struct tevent_keep *
broker_new_keep(enum tevent_type type, const struct device *d, uint64_t key)
{
	struct tevent_keep *ev = tevent_new(type, d->node.id_len);

	ev->device = d->node.ref;
	ev->key = key;
	ev->id_len = d->node.id_len;
	memcpy(ev->id, d->id, ev->id_len);
	return ev;
}

static void
broker_keep_one(struct broker *b, struct device *d, struct outbox_entry *e)
{
	struct tevent_keep *ev = broker_new_keep(TEVENT_KEEP, d, b->next_key);

	e->key = b->next_key++;
	e->kept = OUTBOX_KEEPING;
	ev->message = message_ref(e->message);
	ev->mid = e->mid;
	ev->time = message_time(e->message);
	CHANNEL_SEND(b->to_store, ev);
}

void
broker_keep(struct broker *b, struct device *d, struct outbox_entry *last)
{
	uint32_t i, end = d->outbox.count;
	struct outbox_entry *e;

	/* Back to the last that is kept: the rest goes in order. */
	for (i = end; i > 0; i--) {
		e = outbox_entry_at(&d->outbox, i - 1);
		if (e != NULL && e->mid < last->mid && e->kept != OUTBOX_UNKEPT)
			break;
	}
	for (; i < end; i++) {
		e = outbox_entry_at(&d->outbox, i);
		if (e != NULL && e->mid > last->mid)
			break;
		if (e != NULL && e->kept == OUTBOX_UNKEPT)
			broker_keep_one(b, d, e);
	}
}

void
broker_discard(struct broker *b, uint64_t key)
{
	struct tevent_discard *ev = tevent_new(TEVENT_DISCARD, 0);

	ev->key = key;
	CHANNEL_SEND(b->to_store, ev);
}

void
broker_enrol(struct broker *b, struct device *d, struct handle session)
{
	struct tevent_keep *ev;

	if (d->key == 0)
		d->key = b->next_key++;
	if (d->mid_reserved < d->last_mid)
		d->mid_reserved = d->last_mid;
	ev = broker_new_keep(TEVENT_ENROL, d, d->key);
	ev->from = session;
	ev->mid = d->mid_reserved;
	ev->time = d->seen;
	CHANNEL_SEND(b->to_store, ev);
}

/* The registration could not be written. */
static void
broker_not_enrolled(struct broker *b, struct device *d,
    const struct tevent_keep *ev)
{
	if (!handle_is_none(ev->from))
		broker_refuse_login(b, ev->from, ev->id, ev->id_len, true);
	/* A device that was made for this login only. */
	if (d != NULL && !d->enrolled && !d->listed && d->outbox.live == 0 &&
	    !device_is_online(d) && !d->pumping)
		broker_drop_device(b, d);
}

void
broker_on_enrolled(struct broker *b, struct tevent *head)
{
	struct tevent_keep *ev = (struct tevent_keep *)head;
	struct device *d = device_of_node(table_get(b->table, ev->device));

	/* While nothing can be written deliveries go on all the same. */
	if (d != NULL) {
		d->mid_kept = d->mid_kept < ev->mid ? ev->mid : d->mid_kept;
		broker_want_pump(b, d);
	}
	if (d == NULL || (ev->error != 0 && !d->enrolled)) {
		broker_not_enrolled(b, d, ev);
		return;
	}
	if (ev->error == 0) {
		d->enrolled = true;
		d->seen_kept = ev->time;
	}
	if (!handle_is_none(ev->from))
		broker_welcome(b, d, ev->from);
}

/*
 * A mid is the time of day, so that after a restart all new ones are higher,
 * without a word on disk.  In a burst they run ahead of the clock: a little
 * is nothing, since a daemon that starts leaves that much out; one further
 * ahead must be on disk before it goes out.
 */
void
broker_skip_lead(struct broker *b, struct device *d)
{
	/* Whatever the push's own time: it may have waited for the start. */
	if (b->restored_at != 0 &&
	    d->last_mid < b->restored_at + BROKER_MID_LEAD)
		d->last_mid = b->restored_at + BROKER_MID_LEAD;
}

void
broker_reserve_mid(struct broker *b, struct device *d, uint64_t mid)
{
	struct handle none = { 0, 0, 0 };

	if (b->to_store == NULL || mid <= b->wall + BROKER_MID_LEAD ||
	    mid <= d->mid_reserved)
		return;
	d->mid_reserved = mid + BROKER_MIDS;
	broker_enrol(b, d, none);
}

uint64_t
broker_mid_max(const struct broker *b, const struct device *d)
{
	uint64_t free = b->wall + BROKER_MID_LEAD;

	if (b->to_store == NULL)
		return UINT64_MAX;
	return d->mid_kept > free ? d->mid_kept : free;
}

void
broker_touch(struct broker *b, struct device *d)
{
	uint64_t behind = (uint64_t)b->conf->device_ttl / 8;
	struct handle none = { 0, 0, 0 };

	d->seen = b->wall;
	if (behind == 0 || behind > BROKER_SEEN_MAX)
		behind = BROKER_SEEN_MAX;
	/* One in REGISTERS is on disk only from its first login on. */
	if (b->to_store != NULL && (d->enrolled || d->listed) &&
	    d->seen_kept + behind <= d->seen) {
		d->seen_kept = d->seen;
		broker_enrol(b, d, none);
	}
}

void
broker_keep_mids(struct broker *b)
{
	struct handle none = { 0, 0, 0 };
	struct device *d;
	size_t i;

	if (b->to_store == NULL)
		return;
	for (i = 0; i < table_slots(b->table); i++) {
		d = device_of_node(table_at(b->table, i));
		/* A login that is not answered yet is no registration. */
		if (d == NULL || !d->enrolled || d->mid_reserved <= b->wall)
			continue;
		d->mid_reserved = d->last_mid;
		broker_enrol(b, d, none);
	}
}

/* What a scan of the store has found. */
struct broker_restore {
	struct broker *broker;
	size_t messages, devices;
};

static int
broker_restore_message(struct broker *b, struct device *d,
    const struct store_item *item)
{
	const struct record *r = &item->record;
	struct outbox_entry *e;
	struct message *m;

	m = message_restore(r->text, r->text_len, r->time, r->collapse);
	e = m == NULL ? NULL : outbox_restore(&d->outbox, &m, r->mid);
	if (e == NULL) {
		message_unref(&m);
		return errno == EEXIST ? 0 : ENOMEM;
	}
	e->key = item->key;
	e->kept = OUTBOX_KEPT;
	broker_count_in(b, e, record_size(r));
	if (r->collapse != 0)
		collapse_set(b->collapse, d->node.ref, r->collapse, r->mid);
	if (d->last_mid < r->mid)
		d->last_mid = r->mid;
	return 0;
}

static void
broker_restore_device(struct device *d, const struct store_item *item)
{
	const struct record *r = &item->record;

	d->key = item->key;
	d->enrolled = true;
	d->seen = d->seen_kept = r->time;
	d->mid_reserved = d->mid_kept = r->mid;
	if (d->last_mid < r->mid)
		d->last_mid = r->mid;
}

static int
broker_restore_item(void *arg, const struct store_item *item)
{
	struct broker_restore *found = arg;
	struct broker *b = found->broker;
	const struct record *r = &item->record;
	struct device *d;

	d = device_of_node(table_find(b->table, r->id, r->id_len));
	if (d == NULL)
		d = broker_add_device(b, r->id, r->id_len);
	if (d == NULL)
		return ENOMEM;
	if (b->next_key <= item->key)
		b->next_key = item->key + 1;
	found->devices += d->key == 0 && d->outbox.live == 0;
	if (r->kind == RECORD_DEVICE) {
		broker_restore_device(d, item);
		return 0;
	}
	found->messages++;
	return broker_restore_message(b, d, item);
}

/*
 * The time of day from which on new mids are higher than those of the last run:
 * now, but for a clock that was set back.  Further back than a day it is more
 * likely that the clock was wrong before.
 */
static uint64_t
broker_restore_time(const struct broker *b, const struct store *store)
{
	uint64_t written = store_written(store);

	if (written <= b->wall || written - b->wall > BROKER_SET_BACK)
		return b->wall;
	log_event(LOG_WARNING,
	    LOG_FIELDS(log_number("seconds", (written - b->wall) / 1000)),
	    "store: the clock was set back since the last run; message ids go "
	    "on from before");
	return written;
}

int
broker_restore(struct broker *b, struct store *store)
{
	struct broker_restore found = { .broker = b };
	uint64_t began = clock_mono_ms(), took;
	int error;

	b->wall = clock_real_ms();
	error = store_scan(store, broker_restore_item, &found);
	if (error != 0)
		return error;
	took = clock_mono_ms() - began;
	if (found.devices > 0)
		b->restored_at = broker_restore_time(b, store) + 1;
	log_event(LOG_NOTICE,
	    LOG_FIELDS(log_number("messages", found.messages),
		log_number("devices", found.devices),
		log_number("milliseconds", took)),
	    "store: found what was kept");
	return 0;
}
