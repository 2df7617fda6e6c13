/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "container.h"
#include "dedup.h"
#include "message.h"
#include "metrics.h"
#include "tevent.h"

#define DEVICE_ATTEMPTS_MAX 24 /* 2^24 times any interval is over the cap */

struct device *
device_new(const char *id, size_t len)
{
	struct device *d;

	d = calloc(1, sizeof(*d) + len + 1);
	if (d == NULL)
		return NULL;
	memcpy(d->id, id, len);
	d->node.id = d->id;
	d->node.id_len = (uint32_t)len;
	return d;
}

void
device_free(struct device **dp)
{
	if (*dp == NULL)
		return;
	outbox_done(&(*dp)->outbox);
	dedup_free(&(*dp)->dedup);
	free(*dp);
	*dp = NULL;
}

struct device *
device_of_node(struct table_node *n)
{
	if (n == NULL)
		return NULL;
	return CONTAINER_OF(n, struct device, node);
}

static uint32_t
device_message_bytes(const struct message *m)
{
	size_t len;

	(void)message_text(m, &len);
	return (uint32_t)len;
}

struct outbox_entry *
device_put(struct device *d, struct message **mp, size_t max)
{
	uint64_t mid = message_time(*mp);
	struct outbox_entry *e;

	if (mid <= d->last_mid)
		mid = d->last_mid + 1;
	e = outbox_put(&d->outbox, mp, mid, max);
	if (e != NULL)
		d->last_mid = mid;
	return e;
}

void
device_confirm(struct device *d, struct outbox_entry *e)
{
	if (device_is_online(d) && outbox_was_sent(&d->outbox, e)) {
		CHECK(d->window > 0);
		d->window--;
		metrics_add(METRICS_IN_FLIGHT, 0, -1);
		d->window_bytes -= device_message_bytes(e->message);
	}
	outbox_confirm(&d->outbox, e);
}

static void
device_rewind(struct device *d)
{
	outbox_rewind(&d->outbox);
	metrics_add(METRICS_IN_FLIGHT, 0, -(int64_t)d->window);
	d->window = 0;
	d->window_bytes = 0;
}

void
device_attach(struct device *d, struct handle session)
{
	device_rewind(d);
	if (!device_is_online(d))
		metrics_add(METRICS_DEVICES_ONLINE, 0, 1);
	d->session = session;
}

void
device_detach(struct device *d)
{
	device_rewind(d);
	metrics_add(METRICS_DEVICES_ONLINE, 0, -1);
	memset(&d->session, 0, sizeof(d->session));
}

bool
device_is_online(const struct device *d)
{
	return !handle_is_none(d->session);
}

static struct tevent_deliver *
device_new_delivery(const struct device *d, size_t room)
{
	struct tevent_deliver *out;

	out = tevent_new(TEVENT_DELIVER, room * sizeof(out->item[0]));
	out->to = d->session;
	return out;
}

/* Put one entry into a delivery; returns its bytes. */
static size_t
device_add_item(struct tevent_deliver *out, struct outbox_entry *e,
    uint64_t now)
{
	out->item[out->count].message = message_ref(e->message);
	out->item[out->count].mid = e->mid;
	out->count++;
	e->sent_at = (uint32_t)now;
	return device_message_bytes(e->message);
}

static bool
device_window_open(const struct device *d, const struct outbox_entry *e,
    uint64_t mid_max)
{
	if (e->mid > mid_max)
		return false;
	if (d->window == 0)
		return true;
	return d->window < DEVICE_WINDOW_MESSAGES &&
	       d->window_bytes + device_message_bytes(e->message) <=
		   DEVICE_WINDOW_BYTES;
}

struct tevent_deliver *
device_take_unsent(struct device *d, uint64_t now, uint64_t interval,
    uint64_t mid_max)
{
	struct outbox_entry *e = outbox_unsent(&d->outbox);
	struct tevent_deliver *out;
	size_t room, bytes = 0;

	if (e == NULL || !device_is_online(d) ||
	    !device_window_open(d, e, mid_max))
		return NULL;
	room = d->outbox.count - d->outbox.sent;
	if (room > DEVICE_WINDOW_MESSAGES - d->window)
		room = DEVICE_WINDOW_MESSAGES - d->window;
	if (d->window == 0)
		d->alive_at = now + interval;
	out = device_new_delivery(d, room);
	while (e != NULL && out->count < room &&
	       device_window_open(d, e, mid_max)) {
		if (out->count > 0 && bytes + device_message_bytes(e->message) >
					  DEVICE_FRAME_BYTES)
			break;
		bytes += device_add_item(out, e, now);
		d->window++;
		metrics_add(METRICS_IN_FLIGHT, 0, 1);
		d->window_bytes += device_message_bytes(e->message);
		outbox_advance(&d->outbox);
		e = outbox_unsent(&d->outbox);
	}
	return out;
}

/* Milliseconds from the last sending of an entry to the next by the timer. */
static uint64_t
device_backoff(const struct outbox_entry *e, uint64_t interval)
{
	uint64_t max =
	    interval > DEVICE_RESEND_MAX ? interval : DEVICE_RESEND_MAX;
	uint64_t wait = interval << e->attempts;

	return wait < max ? wait : max;
}

/* The walk of device_take_due over what is in flight. */
struct device_walk {
	struct tevent_deliver *out;
	uint64_t now, interval;
	size_t room, bytes;
	uint64_t next;   /* least time at which the timer is due */
	uint64_t oldest; /* least time of a last sending */
};

static bool
device_walk_resend(struct device *d, struct device_walk *w,
    struct outbox_entry *e)
{
	uint32_t bytes = device_message_bytes(e->message);

	if (w->bytes > 0 && w->bytes + bytes > DEVICE_FRAME_BYTES)
		return false;
	if (w->out == NULL) {
		w->out = device_new_delivery(d, w->room);
		w->out->again = true;
	}
	w->bytes += device_add_item(w->out, e, w->now);
	if (e->attempts < DEVICE_ATTEMPTS_MAX)
		e->attempts++;
	return true;
}

static void
device_walk_entry(struct device *d, struct device_walk *w,
    struct outbox_entry *e, bool alive)
{
	uint64_t age = (uint32_t)((uint32_t)w->now - e->sent_at);
	uint64_t due;

	if (age >= (alive ? w->interval : device_backoff(e, w->interval)) &&
	    device_walk_resend(d, w, e))
		age = 0;
	due = w->now - age + device_backoff(e, w->interval);
	if (w->next == 0 || due < w->next)
		w->next = due;
	if (w->oldest == 0 || w->now - age < w->oldest)
		w->oldest = w->now - age;
}

struct tevent_deliver *
device_take_due(struct device *d, uint64_t now, uint64_t interval, bool alive,
    uint64_t *next)
{
	struct device_walk w = { .now = now, .interval = interval };
	struct outbox_entry *e;
	uint32_t i;

	*next = 0;
	if (!device_is_online(d) || d->window == 0)
		return NULL;
	w.room = d->window;
	for (i = 0; i < d->outbox.sent; i++) {
		e = outbox_sent_at(&d->outbox, i);
		if (e != NULL)
			device_walk_entry(d, &w, e, alive);
	}
	*next = w.next;
	d->alive_at = w.oldest + interval;
	return w.out;
}
