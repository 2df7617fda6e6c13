/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "broker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "channel.h"
#include "check.h"
#include "clock.h"
#include "conf.h"
#include "container.h"
#include "device.h"
#include "doorbell.h"
#include "log.h"
#include "message.h"
#include "table.h"
#include "tevent.h"
#include "thread.h"
#include "wheel.h"

#define BROKER_BATCH  1024 /* events in a turn */
#define BROKER_TIMERS 1024 /* timers in a turn */
#define BROKER_RETRY  1    /* milliseconds, while a pipe is full */

enum broker_timer {
	BROKER_TIMER_WAIT,
	BROKER_TIMER_RESEND,
};

/* A publisher that waits for its device to confirm. */
struct waiter {
	struct wheel_timer timer;
	LIST_ENTRY(waiter) link;
	struct handle publisher;
	struct device *device;
	uint64_t mid;
};

struct broker_worker {
	struct channel *from, *to;
};

struct broker {
	struct conf *conf;
	struct table *table;
	struct doorbell *bell;
	struct wheel wheel;
	uint64_t now; /* of this turn */
	LIST_HEAD(, waiter) waiters;
	STAILQ_HEAD(, device) pumps;
	struct channel *acceptor;
	bool stopping, quit;
	size_t worker_count;
	struct broker_worker workers[];
};

static int
broker_register(struct broker *b, const struct conf *conf)
{
	struct device *d;
	const char *id;
	size_t i;

	for (i = 0; i < conf->registers.count; i++) {
		id = conf->registers.item[i];
		if (table_find(b->table, id, strlen(id)) != NULL)
			continue;
		d = device_new(id, strlen(id));
		if (d == NULL || table_add(b->table, &d->node) == -1) {
			device_free(&d);
			return -1;
		}
	}
	return 0;
}

struct broker *
broker_new(struct conf *conf, size_t workers)
{
	struct broker *b;

	b = calloc(1, sizeof(*b) + workers * sizeof(b->workers[0]));
	if (b == NULL)
		return NULL;
	b->worker_count = workers;
	b->conf = conf_ref(conf);
	wheel_init(&b->wheel, clock_mono_ms());
	LIST_INIT(&b->waiters);
	STAILQ_INIT(&b->pumps);
	b->table = table_new();
	b->bell = doorbell_new();
	if (b->table == NULL || b->bell == NULL ||
	    broker_register(b, conf) == -1)
		broker_free(&b);
	return b;
}

void
broker_free(struct broker **bp)
{
	struct broker *b = *bp;
	struct device *d;
	struct waiter *w;
	size_t i;

	if (b == NULL)
		return;
	while ((w = LIST_FIRST(&b->waiters)) != NULL) {
		LIST_REMOVE(w, link);
		free(w);
	}
	for (i = 0; b->table != NULL && i < table_count(b->table); i++) {
		d = device_of_node(table_at(b->table, i));
		device_free(&d);
	}
	table_free(&b->table);
	doorbell_free(&b->bell);
	conf_unref(&b->conf);
	free(b);
	*bp = NULL;
}

struct doorbell *
broker_bell(struct broker *b)
{
	return b->bell;
}

void
broker_connect_worker(struct broker *b, size_t i, struct channel *from,
    struct channel *to)
{
	CHECK(i < b->worker_count);
	b->workers[i].from = from;
	b->workers[i].to = to;
}

void
broker_connect_acceptor(struct broker *b, struct channel *from)
{
	b->acceptor = from;
}

/* The channel to the worker that a handle names. */
static struct channel *
broker_to(struct broker *b, struct handle h)
{
	CHECK(h.worker < b->worker_count);
	return b->workers[h.worker].to;
}

static void
broker_answer(struct broker *b, struct handle to, enum answer answer,
    uint64_t mid)
{
	struct tevent_answer *ev = tevent_new(TEVENT_ANSWER, 0);

	ev->to = to;
	ev->answer = answer;
	ev->mid = mid;
	CHANNEL_SEND(broker_to(b, to), ev);
}

static void
broker_answer_waiter(struct broker *b, struct waiter *w, enum answer answer)
{
	broker_answer(b, w->publisher, answer, w->mid);
	wheel_cancel(&b->wheel, &w->timer);
	LIST_REMOVE(w, link);
	free(w);
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
	w->device = d;
	w->mid = mid;
	LIST_INSERT_HEAD(&b->waiters, w, link);
	wheel_set(&b->wheel, &w->timer,
	    b->now + (uint64_t)b->conf->ack_timeout);
	return w;
}

/* Remember to send what the device's window lets out, at the turn's end. */
static void
broker_want_pump(struct broker *b, struct device *d)
{
	if (d->pumping || !device_is_online(d))
		return;
	d->pumping = true;
	STAILQ_INSERT_TAIL(&b->pumps, d, pump);
}

static void
broker_set_resend(struct broker *b, struct device *d, uint64_t due)
{
	d->resend.kind = BROKER_TIMER_RESEND;
	wheel_set(&b->wheel, &d->resend, due);
}

static void
broker_send_delivery(struct broker *b, struct tevent_deliver *ev)
{
	if (ev != NULL)
		CHANNEL_SEND(broker_to(b, ev->to), ev);
}

static void
broker_pump(struct broker *b)
{
	uint64_t interval = (uint64_t)b->conf->resend_interval;
	struct tevent_deliver *ev;
	struct device *d;

	while ((d = STAILQ_FIRST(&b->pumps)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->pumps, pump);
		d->pumping = false;
		while ((ev = device_take_unsent(d, b->now, interval)) != NULL)
			broker_send_delivery(b, ev);
		/* An older message may have backed off far beyond that. */
		if (d->window > 0 &&
		    (!wheel_is_set(&d->resend) ||
			wheel_due(&d->resend) > b->now + interval + WHEEL_TICK))
			broker_set_resend(b, d, b->now + interval);
	}
}

/* Send again what is due, and set the timer for the rest. */
static void
broker_resend(struct broker *b, struct device *d, bool alive)
{
	uint64_t next;

	broker_send_delivery(b,
	    device_take_due(d, b->now, (uint64_t)b->conf->resend_interval,
		alive, &next));
	if (next != 0)
		broker_set_resend(b, d, next);
}

static void
broker_sign_of_life(struct broker *b, struct device *d, struct handle session)
{
	if (handle_equal(d->session, session) && d->window > 0 &&
	    b->now >= d->alive_at)
		broker_resend(b, d, true);
}

static void
broker_queue_push(struct broker *b, struct device *d, struct tevent_push *ev)
{
	struct outbox_entry *e;

	e = device_put(d, &ev->message, (size_t)b->conf->max_queue);
	if (e == NULL) {
		broker_answer(b, ev->from,
		    errno == ENOBUFS ? ANSWER_QUEUE_FULL : ANSWER_NO_MEMORY, 0);
		return;
	}
	if (!device_is_online(d)) {
		broker_answer(b, ev->from, ANSWER_OFFLINE, e->mid);
		return;
	}
	e->waiter = broker_add_waiter(b, d, ev, e->mid);
	if (e->waiter == NULL)
		broker_answer(b, ev->from, ANSWER_ONLINE, e->mid);
	broker_want_pump(b, d);
}

static void
broker_on_push(struct broker *b, struct tevent *head)
{
	struct tevent_push *ev = (struct tevent_push *)head;
	struct table_node *n;

	n = table_find(b->table, ev->id, ev->id_len);
	if (b->stopping)
		broker_answer(b, ev->from, ANSWER_STOPPING, 0);
	else if (n == NULL)
		broker_answer(b, ev->from, ANSWER_UNKNOWN, 0);
	else
		broker_queue_push(b, device_of_node(n), ev);
}

static void
broker_on_query(struct broker *b, struct tevent *head)
{
	struct tevent_push *ev = (struct tevent_push *)head;

	broker_answer(b, ev->from,
	    table_find(b->table, ev->id, ev->id_len) != NULL ? ANSWER_OK :
							       ANSWER_UNKNOWN,
	    0);
}

/* The device of this id, registered now if it was not; NULL: too many. */
static struct device *
broker_find_or_register(struct broker *b, const char *id, size_t len)
{
	struct table_node *n = table_find(b->table, id, len);
	struct device *d;

	if (n != NULL)
		return device_of_node(n);
	if (table_count(b->table) >= (size_t)b->conf->max_devices) {
		log_debug("broker: too many devices");
		return NULL;
	}
	d = device_new(id, len);
	if (d != NULL && table_add(b->table, &d->node) == -1)
		device_free(&d);
	return d;
}

static void
broker_send_session(struct broker *b, enum tevent_type type,
    struct handle session, const struct device *d)
{
	struct tevent_session *ev = tevent_new(type, 0);

	ev->session = session;
	ev->device = d->node.ref;
	CHANNEL_SEND(broker_to(b, session), ev);
}

static void
broker_on_login(struct broker *b, struct tevent *head)
{
	struct tevent_login *ev = (struct tevent_login *)head;
	struct tevent_welcome *out = tevent_new(TEVENT_WELCOME, ev->id_len);
	struct device *d;

	out->to = ev->from;
	out->id_len = ev->id_len;
	memcpy(out->id, ev->id, ev->id_len);
	d = broker_find_or_register(b, ev->id, ev->id_len);
	if (d != NULL) {
		out->device = d->node.ref;
		if (device_is_online(d))
			broker_send_session(b, TEVENT_REPLACED, d->session, d);
		device_attach(d, ev->from);
		broker_want_pump(b, d);
	}
	CHANNEL_SEND(broker_to(b, ev->from), out);
}

static void
broker_on_logout(struct broker *b, struct tevent *head)
{
	struct tevent_session *ev = (struct tevent_session *)head;
	struct device *d = device_of_node(table_get(b->table, ev->device));

	/* A session that was replaced has no say any more. */
	if (d != NULL && handle_equal(d->session, ev->session))
		device_detach(d);
}

static void
broker_confirm(struct broker *b, struct device *d, uint64_t mid)
{
	struct outbox_entry *e = outbox_find(&d->outbox, mid);

	if (e == NULL)
		return;
	if (e->waiter != NULL)
		broker_answer_waiter(b, e->waiter, ANSWER_OK);
	device_confirm(d, e);
}

static void
broker_on_ack(struct broker *b, struct tevent *head)
{
	struct tevent_ack *ev = (struct tevent_ack *)head;
	struct device *d = device_of_node(table_get(b->table, ev->device));
	size_t i;

	if (d == NULL)
		return;
	for (i = 0; i < ev->count; i++)
		broker_confirm(b, d, ev->mids[i]);
	broker_want_pump(b, d);
	broker_sign_of_life(b, d, ev->session);
}

static void
broker_on_alive(struct broker *b, struct tevent *head)
{
	struct tevent_session *ev = (struct tevent_session *)head;
	struct device *d = device_of_node(table_get(b->table, ev->device));

	if (d != NULL)
		broker_sign_of_life(b, d, ev->session);
}

static void
broker_on_conf(struct broker *b, struct tevent *head)
{
	struct tevent_conf *ev = (struct tevent_conf *)head;

	if (broker_register(b, ev->conf) == -1)
		log_err("broker: no memory to register devices");
	conf_unref(&b->conf);
	b->conf = ev->conf;
	ev->conf = NULL;
}

/* Every publisher that waits is answered before the workers hear of it. */
static void
broker_on_stop(struct broker *b, struct tevent *head)
{
	struct outbox_entry *e;
	struct waiter *w;
	size_t i;

	(void)head;
	b->stopping = true;
	while ((w = LIST_FIRST(&b->waiters)) != NULL) {
		e = outbox_find(&w->device->outbox, w->mid);
		CHECK(e != NULL && e->waiter == w);
		e->waiter = NULL;
		broker_answer_waiter(b, w, ANSWER_STOPPING);
	}
	for (i = 0; i < b->worker_count; i++) {
		struct tevent_plain *ev = tevent_new(TEVENT_STOP, 0);

		CHANNEL_SEND(b->workers[i].to, ev);
	}
}

static void
broker_on_quit(struct broker *b, struct tevent *head)
{
	(void)head;
	b->quit = true;
}

static void (*const handlers[TEVENT_TYPES])(struct broker *,
    struct tevent *) = {
	[TEVENT_CONF] = broker_on_conf,
	[TEVENT_STOP] = broker_on_stop,
	[TEVENT_QUIT] = broker_on_quit,
	[TEVENT_PUSH] = broker_on_push,
	[TEVENT_QUERY] = broker_on_query,
	[TEVENT_LOGIN] = broker_on_login,
	[TEVENT_LOGOUT] = broker_on_logout,
	[TEVENT_ACK] = broker_on_ack,
	[TEVENT_ALIVE] = broker_on_alive,
};

/*
 * The channel whose next event was sent first.  A device that is gone, or a
 * confirmation, is known before the push that somebody made because of it,
 * though it came through another worker.
 */
static struct channel *
broker_first_channel(struct broker *b)
{
	struct channel *first = NULL;
	uint64_t at, first_at = UINT64_MAX;
	size_t i;

	if (b->acceptor != NULL && channel_ready(b->acceptor))
		return b->acceptor;
	for (i = 0; i < b->worker_count; i++) {
		at = channel_head_time(b->workers[i].from);
		if (at < first_at) {
			first_at = at;
			first = b->workers[i].from;
		}
	}
	return first;
}

/* Handle a share of what was sent; true when there was any. */
static bool
broker_drain(struct broker *b)
{
	struct channel *from;
	struct tevent *ev;
	int i;

	for (i = 0; i < BROKER_BATCH; i++) {
		from = broker_first_channel(b);
		if (from == NULL)
			break;
		ev = channel_receive(from);
		CHECK(handlers[ev->type] != NULL);
		handlers[ev->type](b, ev);
		tevent_free(&ev);
	}
	return i > 0;
}

/* A publisher has waited long enough. */
static void
broker_give_up(struct broker *b, struct waiter *w)
{
	struct outbox_entry *e = outbox_find(&w->device->outbox, w->mid);

	CHECK(e != NULL && e->waiter == w);
	e->waiter = NULL;
	broker_answer_waiter(b, w,
	    device_is_online(w->device) ? ANSWER_ONLINE : ANSWER_OFFLINE);
}

static bool
broker_expire(struct broker *b)
{
	struct wheel_timer *t;
	int i;

	for (i = 0; i < BROKER_TIMERS; i++) {
		t = wheel_pop(&b->wheel, b->now);
		if (t == NULL)
			break;
		if (t->kind == BROKER_TIMER_WAIT)
			broker_give_up(b,
			    CONTAINER_OF(t, struct waiter, timer));
		else
			broker_resend(b, CONTAINER_OF(t, struct device, resend),
			    false);
	}
	return i > 0;
}

static void
broker_flush(struct broker *b)
{
	size_t i;

	for (i = 0; i < b->worker_count; i++)
		channel_flush(b->workers[i].to);
}

bool
broker_turn(struct broker *b, uint64_t now)
{
	bool busy;

	THREAD_CHECK(THREAD_BROKER);
	b->now = now;
	busy = broker_drain(b);
	busy |= broker_expire(b);
	broker_pump(b);
	broker_flush(b);
	return busy;
}

/* True when an event waits. */
static bool
broker_ready(struct broker *b)
{
	size_t i;

	if (b->acceptor != NULL && channel_ready(b->acceptor))
		return true;
	for (i = 0; i < b->worker_count; i++) {
		if (channel_ready(b->workers[i].from))
			return true;
	}
	return false;
}

/* How long to sleep when no event comes: milliseconds, -1 for ever. */
static int
broker_patience(const struct broker *b)
{
	size_t i;

	for (i = 0; i < b->worker_count; i++) {
		if (channel_stuck(b->workers[i].to))
			return BROKER_RETRY;
	}
	return wheel_wait(&b->wheel, clock_mono_ms());
}

void *
broker_run(void *arg)
{
	struct broker *b = arg;

	thread_become(THREAD_BROKER);
	while (!b->quit) {
		if (broker_turn(b, clock_mono_ms()))
			continue;
		doorbell_arm(b->bell);
		if (!broker_ready(b))
			doorbell_wait(b->bell, broker_patience(b));
		doorbell_disarm(b->bell);
	}
	return NULL;
}
