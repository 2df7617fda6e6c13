/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "broker.h"

#include <stdlib.h>
#include <string.h>

#include "broker_impl.h"
#include "channel.h"
#include "check.h"
#include "clock.h"
#include "collapse.h"
#include "conf.h"
#include "container.h"
#include "doorbell.h"
#include "log.h"
#include "metrics.h"
#include "record.h"
#include "table.h"
#include "thread.h"

#define BROKER_BATCH     1024 /* events in a turn */
#define BROKER_TIMERS    1024 /* timers in a turn */
#define BROKER_RETRY     1    /* milliseconds, while a pipe is full */
#define BROKER_STOP      2000 /* milliseconds that the store has at the end */
#define BROKER_STOP_LOOK 10   /* milliseconds between two looks meanwhile */

struct device *
broker_add_device(struct broker *b, const char *id, size_t len)
{
	struct device *d = device_new(id, len);

	if (d != NULL && table_add(b->table, &d->node) == -1)
		device_free(&d);
	if (d != NULL)
		d->seen = b->wall;
	return d;
}

void
broker_drop_device(struct broker *b, struct device *d)
{
	CHECK(!d->pumping && d->outbox.live == 0);
	wheel_cancel(&b->wheel, &d->resend);
	table_remove(b->table, &d->node);
	device_free(&d);
}

/* The devices that CONF lists, and no others, are listed. */
static int
broker_register(struct broker *b, const struct conf *conf)
{
	struct device *d;
	const char *id;
	size_t i;

	for (i = 0; i < table_slots(b->table); i++) {
		d = device_of_node(table_at(b->table, i));
		if (d != NULL)
			d->listed = false;
	}
	for (i = 0; i < conf->registers.count; i++) {
		id = conf->registers.item[i];
		d = device_of_node(table_find(b->table, id, strlen(id)));
		if (d == NULL)
			d = broker_add_device(b, id, strlen(id));
		if (d == NULL)
			return -1;
		d->listed = true;
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
	b->max_store = (uint64_t)conf->max_store;
	b->next_key = RECORD_KEY_HEAD + 1;
	b->now = clock_mono_ms();
	b->wall = clock_real_ms();
	wheel_init(&b->wheel, b->now);
	LIST_INIT(&b->waiters);
	STAILQ_INIT(&b->pumps);
	b->table = table_new();
	b->collapse = collapse_new();
	b->bell = doorbell_new();
	if (b->table == NULL || b->collapse == NULL || b->bell == NULL ||
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
	for (i = 0; b->table != NULL && i < table_slots(b->table); i++) {
		d = device_of_node(table_at(b->table, i));
		device_free(&d);
	}
	table_free(&b->table);
	collapse_free(&b->collapse);
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

struct channel *
broker_to(struct broker *b, struct handle h)
{
	CHECK(h.worker < b->worker_count);
	return b->workers[h.worker].to;
}

void
broker_answer_part(struct broker *b, struct handle to, uint32_t part,
    enum answer answer, uint64_t mid)
{
	struct tevent_answer *ev = tevent_new(TEVENT_ANSWER, 0);

	ev->to = to;
	ev->part = part;
	ev->answer = answer;
	ev->mid = mid;
	CHANNEL_SEND(broker_to(b, to), ev);
}

void
broker_answer(struct broker *b, const struct tevent_push *push,
    enum answer answer, uint64_t mid)
{
	broker_answer_part(b, push->from, push->part, answer, mid);
}

void
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
		while ((ev = device_take_unsent(d, b->now, interval,
			    broker_mid_max(b, d))) != NULL)
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
	struct tevent_deliver *ev;
	uint64_t next;

	ev = device_take_due(d, b->now, (uint64_t)b->conf->resend_interval,
	    alive, &next);
	if (ev != NULL)
		metrics_add(METRICS_RESENT, 0, (int64_t)ev->count);
	broker_send_delivery(b, ev);
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
broker_on_push(struct broker *b, struct tevent *head)
{
	struct tevent_push *ev = (struct tevent_push *)head;
	struct table_node *n;

	n = table_find(b->table, ev->id, ev->id_len);
	if (b->stopping)
		broker_answer(b, ev, ANSWER_STOPPING, 0);
	else if (n == NULL)
		broker_answer(b, ev, ANSWER_UNKNOWN, 0);
	else
		broker_push(b, device_of_node(n), ev);
}

static void
broker_on_query(struct broker *b, struct tevent *head)
{
	struct tevent_push *ev = (struct tevent_push *)head;

	broker_answer(b, ev,
	    table_find(b->table, ev->id, ev->id_len) != NULL ? ANSWER_OK :
							       ANSWER_UNKNOWN,
	    0);
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

static struct tevent_welcome *
broker_new_welcome(struct handle session, const char *id, size_t len)
{
	struct tevent_welcome *ev = tevent_new(TEVENT_WELCOME, len);

	ev->to = session;
	ev->id_len = len;
	memcpy(ev->id, id, len);
	return ev;
}

void
broker_refuse_login(struct broker *b, struct handle session, const char *id,
    size_t len, bool not_kept)
{
	struct tevent_welcome *ev = broker_new_welcome(session, id, len);

	ev->not_kept = not_kept;
	CHANNEL_SEND(broker_to(b, session), ev);
}

void
broker_welcome(struct broker *b, struct device *d, struct handle session)
{
	struct tevent_welcome *ev;

	ev = broker_new_welcome(session, d->id, d->node.id_len);
	ev->device = d->node.ref;
	if (device_is_online(d))
		broker_send_session(b, TEVENT_REPLACED, d->session, d);
	device_attach(d, session);
	broker_touch(b, d);
	broker_expire_messages(b, d);
	broker_collapse_all(b, d);
	broker_want_pump(b, d);
	CHANNEL_SEND(broker_to(b, session), ev);
}

static void
broker_on_login(struct broker *b, struct tevent *head)
{
	struct tevent_login *ev = (struct tevent_login *)head;
	struct device *d;

	d = device_of_node(table_find(b->table, ev->id, ev->id_len));
	if (d == NULL && table_count(b->table) < (size_t)b->conf->max_devices)
		d = broker_add_device(b, ev->id, ev->id_len);
	if (d == NULL) {
		log_event(LOG_DEBUG,
		    LOG_FIELDS(log_bytes("device", ev->id, ev->id_len)),
		    "broker: too many devices");
		broker_refuse_login(b, ev->from, ev->id, ev->id_len, false);
	} else if (b->to_store != NULL && !d->enrolled && !d->listed) {
		d->seen = b->wall;
		broker_enrol(b, d, ev->from);
	} else {
		broker_welcome(b, d, ev->from);
	}
}

static void
broker_on_logout(struct broker *b, struct tevent *head)
{
	struct tevent_session *ev = (struct tevent_session *)head;
	struct device *d = device_of_node(table_get(b->table, ev->device));

	/* A session that was replaced has no say any more. */
	if (d == NULL || !handle_equal(d->session, ev->session))
		return;
	log_event(LOG_DEBUG,
	    LOG_FIELDS(log_bytes("device", d->id, d->node.id_len),
		log_number("queued", d->outbox.live)),
	    "broker: device offline");
	device_detach(d);
	broker_touch(b, d);
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
	struct tevent_conf *ev = (struct tevent_conf *)head, *out;
	size_t i;

	if (broker_register(b, ev->conf) == -1)
		log_err("broker: no memory to register devices");
	conf_unref(&b->conf);
	b->conf = ev->conf;
	ev->conf = NULL;
	b->watch_due = b->now;
	b->sweep.due = b->now;
	for (i = 0; i < b->worker_count; i++) {
		out = tevent_new(TEVENT_CONF, 0);
		out->conf = conf_ref(b->conf);
		CHANNEL_SEND(b->workers[i].to, out);
	}
}

/* Every publisher that waits is answered before the workers hear of it. */
static void
broker_pass_stop(struct broker *b)
{
	size_t i;

	broker_refuse_waiters(b);
	for (i = 0; i < b->worker_count; i++) {
		struct tevent_plain *ev = tevent_new(TEVENT_STOP, 0);

		CHANNEL_SEND(b->workers[i].to, ev);
	}
	b->stopped = true;
}

static void
broker_on_stop(struct broker *b, struct tevent *head)
{
	(void)head;
	b->stopping = true;
	b->stop_by = b->now;
	if (b->to_store != NULL) {
		broker_hurry_waiters(b);
		b->stop_by += BROKER_STOP;
	}
}

/* Stop when all is kept that publishers wait for, or it takes too long. */
static void
broker_stop(struct broker *b)
{
	if (b->stopping && !b->stopped &&
	    (LIST_EMPTY(&b->waiters) || b->now >= b->stop_by))
		broker_pass_stop(b);
}

static void
broker_on_beat(struct broker *b, struct tevent *head)
{
	size_t i;

	(void)head;
	for (i = 0; i < b->worker_count; i++) {
		struct tevent_plain *ev = tevent_new(TEVENT_BEAT, 0);

		CHANNEL_SEND(b->workers[i].to, ev);
	}
}

static void
broker_on_quit(struct broker *b, struct tevent *head)
{
	(void)head;
	broker_keep_mids(b);
	b->quit = true;
}

static void (*const handlers[TEVENT_TYPES])(struct broker *,
    struct tevent *) = {
	[TEVENT_CONF] = broker_on_conf,
	[TEVENT_STOP] = broker_on_stop,
	[TEVENT_QUIT] = broker_on_quit,
	[TEVENT_BEAT] = broker_on_beat,
	[TEVENT_PUSH] = broker_on_push,
	[TEVENT_QUERY] = broker_on_query,
	[TEVENT_LOGIN] = broker_on_login,
	[TEVENT_LOGOUT] = broker_on_logout,
	[TEVENT_ACK] = broker_on_ack,
	[TEVENT_ALIVE] = broker_on_alive,
	[TEVENT_KEPT] = broker_on_kept,
	[TEVENT_ENROLLED] = broker_on_enrolled,
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
	if (b->from_store != NULL && channel_ready(b->from_store))
		return b->from_store;
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
			broker_on_wait(b,
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
	if (b->to_store != NULL)
		channel_flush(b->to_store);
}

bool
broker_turn(struct broker *b, uint64_t now)
{
	bool busy;

	THREAD_CHECK(THREAD_BROKER);
	b->now = now;
	b->wall = clock_real_ms();
	busy = broker_drain(b);
	busy |= broker_expire(b);
	broker_sweep(b);
	broker_stop(b);
	broker_pump(b);
	broker_publish(b, busy);
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
	if (b->from_store != NULL && channel_ready(b->from_store))
		return true;
	for (i = 0; i < b->worker_count; i++) {
		if (channel_ready(b->workers[i].from))
			return true;
	}
	return false;
}

static bool
broker_stuck(const struct broker *b)
{
	size_t i;

	for (i = 0; i < b->worker_count; i++) {
		if (channel_stuck(b->workers[i].to))
			return true;
	}
	return b->to_store != NULL && channel_stuck(b->to_store);
}

/* The shorter of two times, of which -1 is for ever. */
static int
broker_sooner(int a, int b)
{
	if (a == -1 || b == -1)
		return a == -1 ? b : a;
	return a < b ? a : b;
}

/* How long to sleep when no event comes: milliseconds, -1 for ever. */
static int
broker_patience(const struct broker *b)
{
	uint64_t now = clock_mono_ms();
	int timer, sweep;

	if (broker_stuck(b))
		return BROKER_RETRY;
	if (b->stopping && !b->stopped)
		return BROKER_STOP_LOOK;
	timer = wheel_wait(&b->wheel, now);
	if (b->stopping)
		return timer;
	sweep = b->sweep.due > now ? (int)(b->sweep.due - now) : 0;
	return broker_sooner(broker_sooner(timer, sweep),
	    broker_publish_wait(b));
}

void *
broker_run(void *arg)
{
	struct broker *b = arg;

	thread_become(THREAD_BROKER);
	CHECK(metrics_attach() == 0);
	while (!b->quit) {
		if (broker_turn(b, clock_mono_ms()))
			continue;
		doorbell_arm(b->bell);
		if (!broker_ready(b))
			doorbell_wait(b->bell, broker_patience(b));
		doorbell_disarm(b->bell);
	}
	/* What is for the store must get there. */
	while (broker_stuck(b)) {
		doorbell_wait(b->bell, BROKER_RETRY);
		broker_flush(b);
	}
	return NULL;
}
