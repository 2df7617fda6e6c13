/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "broker_impl.h"
#include "check.h"
#include "collapse.h"
#include "conf.h"
#include "dedup.h"
#include "message.h"
#include "metrics.h"
#include "record.h"

/*
 * How long a message is not written that its device may confirm: long enough
 * for a phone, short enough for ACK_TIMEOUT's answer not to wait for a disk.
 */
#define BROKER_GRACE 500 /* milliseconds */

/* How long who waits for the disk alone waits for it. */
#define BROKER_KEEP_MAX 30000 /* milliseconds */

static uint64_t
broker_message_bytes(const struct device *d, const struct message *m)
{
	struct record r = { .id_len = d->node.id_len,
		.collapse = message_collapse(m) };

	(void)message_text(m, &r.text_len);
	return record_size(&r);
}

static void
broker_answer_waiter(struct broker *b, struct waiter *w, enum answer answer)
{
	broker_answer_part(b, w->publisher, w->part, answer, w->mid);
	wheel_cancel(&b->wheel, &w->timer);
	LIST_REMOVE(w, link);
	free(w);
}

/* Answer who waits for an entry that is kept: by where the device is now. */
static void
broker_answer_kept(struct broker *b, struct outbox_entry *e)
{
	struct waiter *w = e->waiter;

	e->waiter = NULL;
	broker_answer_waiter(b, w,
	    device_is_online(w->device) ? ANSWER_ONLINE : ANSWER_OFFLINE);
}

/* It cannot be promised: answer so, and drop the message. */
static void
broker_refuse_waiter(struct broker *b, struct outbox_entry *e,
    enum answer answer)
{
	struct waiter *w = e->waiter;
	struct device *d = w->device;

	e->waiter = NULL;
	w->mid = 0;
	dedup_forget(d->dedup, e->mid);
	broker_answer_waiter(b, w, answer);
	broker_remove(b, d, e);
}

static struct waiter *
broker_add_waiter(struct broker *b, struct device *d,
    const struct tevent_push *ev, uint64_t mid)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->timer.kind = BROKER_TIMER_WAIT;
	w->publisher = ev->from;
	w->part = ev->part;
	w->device = d;
	w->mid = mid;
	w->until = b->now + (uint64_t)b->conf->ack_timeout;
	LIST_INSERT_HEAD(&b->waiters, w, link);
	return w;
}

static void
broker_set_wait(struct broker *b, struct waiter *w)
{
	uint64_t due = w->until;

	/* What is dropped unless it is confirmed need not be written. */
	if (b->to_store != NULL && !w->require && b->now + BROKER_GRACE < due)
		due = b->now + BROKER_GRACE;
	wheel_set(&b->wheel, &w->timer, due);
}

/* What became of an earlier push of which this one is a repetition. */
static enum answer
broker_judge_repeated(const struct broker *b, const struct device *d,
    const struct outbox_entry *e, const struct tevent_push *ev)
{
	if (e == NULL)
		return ANSWER_OK;
	/* Nothing is promised for it yet. */
	if (e->waiter != NULL ||
	    (b->to_store != NULL && e->kept != OUTBOX_KEPT))
		return ANSWER_REPEATED;
	if (ev->require_ack)
		return ANSWER_NOT_CONFIRMED;
	return device_is_online(d) ? ANSWER_ONLINE : ANSWER_OFFLINE;
}

/* True when a push only repeats another: it is answered as that one. */
static bool
broker_is_repeated(struct broker *b, struct device *d,
    const struct tevent_push *ev)
{
	enum answer answer;
	uint64_t mid;

	if (ev->dedup == 0 || !dedup_find(d->dedup, ev->dedup, b->now, &mid))
		return false;
	metrics_add(METRICS_REPEATED, 0, 1);
	answer = broker_judge_repeated(b, d, outbox_find(&d->outbox, mid), ev);
	broker_answer(b, ev, answer, answer <= ANSWER_OFFLINE ? mid : 0);
	return true;
}

/* Put a push into the outbox, or answer why not and return NULL. */
static struct outbox_entry *
broker_queue(struct broker *b, struct device *d, struct tevent_push *ev)
{
	uint64_t bytes = broker_message_bytes(d, ev->message), room;
	size_t max = (size_t)b->conf->max_queue;
	struct outbox_entry *e;

	room = b->max_store > b->bytes ? b->max_store - b->bytes : 0;
	e = broker_find_collapsible(b, d, ev->message);
	/* What it will replace has room for it. */
	if (e != NULL) {
		room += broker_message_bytes(d, e->message);
		max++;
	}
	if (bytes > room) {
		broker_answer(b, ev, ANSWER_STORE_FULL, 0);
		return NULL;
	}
	broker_skip_lead(b, d);
	e = device_put(d, &ev->message, max);
	if (e == NULL) {
		broker_answer(b, ev,
		    errno == ENOBUFS ? ANSWER_QUEUE_FULL : ANSWER_NO_MEMORY, 0);
		return NULL;
	}
	broker_count_in(b, e, bytes);
	if (ev->dedup != 0 && b->conf->dedup_window > 0)
		dedup_add(&d->dedup, ev->dedup, e->mid, b->now,
		    b->now + (uint64_t)b->conf->dedup_window);
	return e;
}

/* Nothing but the disk is waited for any more; refused if that hangs. */
static bool
broker_wait_for_store(struct broker *b, struct device *d,
    struct outbox_entry *e)
{
	e->waiter->overdue = true;
	if (e->kept == OUTBOX_UNKEPT && b->store_hangs) {
		broker_refuse_waiter(b, e, ANSWER_NOT_KEPT);
		return false;
	}
	wheel_set(&b->wheel, &e->waiter->timer, b->now + BROKER_KEEP_MAX);
	if (e->kept == OUTBOX_UNKEPT)
		broker_keep(b, d, e);
	return true;
}

/* The publisher of an entry waits; false when it is answered, and why not. */
static bool
broker_wait(struct broker *b, struct device *d, struct outbox_entry *e,
    const struct tevent_push *ev)
{
	e->waiter = broker_add_waiter(b, d, ev, e->mid);
	if (e->waiter == NULL) {
		broker_answer(b, ev, ANSWER_NO_MEMORY, 0);
		dedup_forget(d->dedup, e->mid);
		broker_remove(b, d, e);
		return false;
	}
	e->waiter->require = ev->require_ack;
	if (device_is_online(d) && !ev->no_wait) {
		broker_set_wait(b, e->waiter);
		return true;
	}
	return broker_wait_for_store(b, d, e);
}

void
broker_push(struct broker *b, struct device *d, struct tevent_push *ev)
{
	struct outbox_entry *e;
	uint64_t mid;

	if (broker_is_repeated(b, d, ev))
		return;
	if (ev->require_ack && !device_is_online(d)) {
		broker_answer(b, ev, ANSWER_NOT_CONFIRMED, 0);
		return;
	}
	e = broker_queue(b, d, ev);
	if (e == NULL)
		return;
	mid = e->mid;
	if (b->to_store == NULL && (!device_is_online(d) || ev->no_wait))
		broker_answer(b, ev,
		    device_is_online(d) ? ANSWER_ONLINE : ANSWER_OFFLINE, mid);
	else if (!broker_wait(b, d, e, ev))
		return;
	broker_reserve_mid(b, d, mid);
	broker_want_pump(b, d);
	if (b->to_store == NULL && !ev->require_ack)
		broker_collapse(b, d, mid);
}

void
broker_on_wait(struct broker *b, struct waiter *w)
{
	struct outbox_entry *e = outbox_find(&w->device->outbox, w->mid);

	CHECK(e != NULL && e->waiter == w);
	if (w->require) {
		broker_refuse_waiter(b, e, ANSWER_NOT_CONFIRMED);
		return;
	}
	if (w->overdue) {
		b->store_hangs = true;
		broker_refuse_waiter(b, e, ANSWER_NOT_KEPT);
	} else if (b->now < w->until) {
		if (e->kept == OUTBOX_UNKEPT && !b->store_hangs)
			broker_keep(b, w->device, e);
		wheel_set(&b->wheel, &w->timer, w->until);
	} else if (b->to_store == NULL || e->kept == OUTBOX_KEPT) {
		broker_answer_kept(b, e);
	} else {
		(void)broker_wait_for_store(b, w->device, e);
	}
}

void
broker_on_kept(struct broker *b, struct tevent *head)
{
	struct tevent_keep *ev = (struct tevent_keep *)head;
	struct device *d = device_of_node(table_get(b->table, ev->device));
	struct outbox_entry *e;

	b->store_hangs = false;
	e = d != NULL ? outbox_find(&d->outbox, ev->mid) : NULL;
	/* It was confirmed meanwhile. */
	if (e == NULL || e->key != ev->key)
		return;
	if (ev->error == 0) {
		e->kept = OUTBOX_KEPT;
	} else {
		e->kept = OUTBOX_UNKEPT;
		e->key = 0;
	}
	if (e->waiter != NULL && e->waiter->overdue) {
		if (ev->error == 0)
			broker_answer_kept(b, e);
		else
			broker_refuse_waiter(b, e, ANSWER_NOT_KEPT);
	}
	/* One that may yet be dropped replaces nothing. */
	if (ev->error == 0 && (e->waiter == NULL || !e->waiter->require))
		broker_collapse(b, d, ev->mid);
}

void
broker_remove(struct broker *b, struct device *d, struct outbox_entry *e)
{
	uint64_t bytes = broker_message_bytes(d, e->message);

	broker_count_out(b, e, bytes);
	if (message_collapse(e->message) != 0)
		collapse_unset(b->collapse, d->node.ref,
		    message_collapse(e->message), e->mid);
	if (e->key != 0)
		broker_discard(b, e->key);
	device_confirm(d, e);
}

/* Of one that was sent twice nobody knows which copy was confirmed. */
static void
broker_observe_ack(struct broker *b, struct device *d,
    const struct outbox_entry *e)
{
	uint32_t ms = (uint32_t)b->now - e->sent_at;

	metrics_add(METRICS_CONFIRMED, 0, 1);
	if (e->attempts == 0 && outbox_was_sent(&d->outbox, e))
		metrics_observe(METRICS_ACK_LATENCY, (uint64_t)ms * 1000000);
}

void
broker_confirm(struct broker *b, struct device *d, uint64_t mid)
{
	struct outbox_entry *e = outbox_find(&d->outbox, mid);
	struct waiter *w;

	if (e == NULL)
		return;
	broker_observe_ack(b, d, e);
	w = e->waiter;
	if (w != NULL) {
		e->waiter = NULL;
		broker_answer_waiter(b, w, ANSWER_OK);
	}
	broker_remove(b, d, e);
}

static struct outbox_entry *
broker_entry_of(struct waiter *w)
{
	struct outbox_entry *e = outbox_find(&w->device->outbox, w->mid);

	CHECK(e != NULL && e->waiter == w);
	return e;
}

void
broker_hurry_waiters(struct broker *b)
{
	struct waiter *w, *next;
	struct outbox_entry *e;

	for (w = LIST_FIRST(&b->waiters); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		e = broker_entry_of(w);
		if (w->require) {
			broker_refuse_waiter(b, e, ANSWER_STOPPING);
			continue;
		}
		/* The stop has its own limit. */
		wheel_cancel(&b->wheel, &w->timer);
		w->overdue = true;
		if (e->kept == OUTBOX_KEPT)
			broker_answer_kept(b, e);
		else if (e->kept == OUTBOX_UNKEPT)
			broker_keep(b, w->device, e);
	}
}

void
broker_refuse_waiters(struct broker *b)
{
	struct waiter *w;

	while ((w = LIST_FIRST(&b->waiters)) != NULL)
		broker_refuse_waiter(b, broker_entry_of(w), ANSWER_STOPPING);
}
