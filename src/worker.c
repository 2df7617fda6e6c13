/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "worker.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "channel.h"
#include "check.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "doorbell.h"
#include "gauge.h"
#include "http.h"
#include "log.h"
#include "session.h"
#include "metrics.h"
#include "tevent.h"
#include "thread.h"
#include "wheel.h"

#define WORKER_BATCH  512  /* events of one channel in a turn */
#define WORKER_TIMERS 1024 /* timers in a turn */
#define WORKER_HOLD   4    /* turns without waking the broker, at most */
#define WORKER_GRACE  3000 /* milliseconds from STOP to the end */
#define WORKER_RETRY  1    /* milliseconds, while a pipe is full */

struct worker_listener {
	struct evconnlistener *lev;
	unsigned int ordered; /* connections to accept when its turn comes */
};

struct worker {
	uint32_t index;
	struct conf *conf;
	struct event_base *base;
	struct evhttp *http;
	struct event *bell_event, *tick_event;
	struct doorbell *bell;
	struct worker_links links;
	struct conns conns;
	struct wheel wheel;
	uint64_t now;
	uint64_t tick_at; /* when tick_event fires; 0: it is not set */
	uint64_t stop_at; /* when the last connections are cut */
	time_t date_at;   /* second for which it is the date */
	char date[32];    /* Date header */
	bool stopping, stopped, quit;
	bool mourning;     /* connections wait to be buried */
	size_t unrung;     /* events the broker has not been woken for */
	unsigned int held; /* turns for which that was put off */
	/* The accept that is under way; one at a time. */
	struct tevent_accept *accepting;
	unsigned int accept_left;
	size_t listener_count;
	struct worker_listener listeners[];
};

/* For the one callback of libevent that evhttp has taken the argument of. */
static _Thread_local struct worker *self;

static void
worker_on_bell(evutil_socket_t fd, short what, void *arg)
{
	/* Edge-triggered: that the loop woke up is all that it is for. */
	(void)fd;
	(void)what;
	(void)arg;
}

static void
worker_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	w->tick_at = 0;
}

/* accept(2) failed: the acceptor decides what to do. */
static void
worker_on_accept_error(struct evconnlistener *lev, void *arg)
{
	(void)arg; /* evhttp's */
	evconnlistener_disable(lev);
	CHECK(self != NULL && self->accepting != NULL);
	self->accepting->error = errno;
}

static struct event_base *
worker_new_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	if (cfg == NULL)
		return NULL;
	event_config_set_flag(cfg,
	    EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

static int
worker_new_events(struct worker *w)
{
	w->bell_event = event_new(w->base, doorbell_fd(w->bell),
	    EV_READ | EV_PERSIST | EV_ET, worker_on_bell, w);
	w->tick_event = evtimer_new(w->base, worker_on_tick, w);
	if (w->bell_event == NULL || w->tick_event == NULL)
		return -1;
	return event_add(w->bell_event, NULL);
}

/* A listener of our own on each shared socket, which never opens by itself. */
static int
worker_new_listeners(struct worker *w, const int *fds, size_t count)
{
	struct evconnlistener *lev;
	size_t i;

	for (i = 0; i < count; i++) {
		lev = evconnlistener_new(w->base, NULL, NULL,
		    LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fds[i]);
		if (lev == NULL)
			return -1;
		if (evhttp_bind_listener(w->http, lev) == NULL) {
			evconnlistener_free(lev);
			return -1;
		}
		evconnlistener_set_error_cb(lev, worker_on_accept_error);
		w->listeners[i].lev = lev;
		w->listener_count++;
	}
	return 0;
}

struct worker *
worker_new(uint32_t index, struct conf *conf, const int *fds, size_t count)
{
	struct worker *w;

	w = calloc(1, sizeof(*w) + count * sizeof(w->listeners[0]));
	if (w == NULL)
		return NULL;
	w->index = index;
	w->conf = conf_ref(conf);
	w->now = clock_mono_ms();
	wheel_init(&w->wheel, w->now);
	conns_init(&w->conns, w);
	w->bell = doorbell_new();
	w->base = worker_new_base();
	w->http = w->base == NULL ? NULL : evhttp_new(w->base);
	if (w->bell == NULL || w->http == NULL || worker_new_events(w) == -1 ||
	    worker_new_listeners(w, fds, count) == -1) {
		worker_free(&w);
		return NULL;
	}
	http_setup(w->http, &w->conns, conf);
	return w;
}

void
worker_free(struct worker **wp)
{
	struct worker *w = *wp;

	if (w == NULL)
		return;
	conns_done(&w->conns);
	if (w->http != NULL)
		evhttp_free(w->http);
	if (w->bell_event != NULL)
		event_free(w->bell_event);
	if (w->tick_event != NULL)
		event_free(w->tick_event);
	if (w->base != NULL) {
		/* Bufferevents are finalized by a turn of the loop. */
		event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		event_base_free(w->base);
	}
	doorbell_free(&w->bell);
	free(w->accepting);
	conf_unref(&w->conf);
	free(w);
	*wp = NULL;
}

struct doorbell *
worker_bell(struct worker *w)
{
	return w->bell;
}

void
worker_connect(struct worker *w, const struct worker_links *links)
{
	w->links = *links;
}

size_t
worker_load(struct worker *w)
{
	return gauge_read(&w->conns.count);
}

uint32_t
worker_index(const struct worker *w)
{
	return w->index;
}

const struct conf *
worker_conf(const struct worker *w)
{
	return w->conf;
}

struct wheel *
worker_wheel(struct worker *w)
{
	return &w->wheel;
}

uint64_t
worker_now(const struct worker *w)
{
	(void)w;
	return clock_mono_ms();
}

const char *
worker_date(struct worker *w)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != w->date_at && gmtime_r(&now, &tm) != NULL) {
		evutil_date_rfc1123(w->date, sizeof(w->date), &tm);
		w->date_at = now;
	}
	return w->date;
}

bool
worker_is_stopping(const struct worker *w)
{
	return w->stopping;
}

void
worker_tell_broker(struct worker *w, struct tevent **evp)
{
	THREAD_CHECK(THREAD_WORKER);
	/* After the end of the threads there is nobody to tell. */
	if (w->quit)
		tevent_free(evp);
	else
		channel_send(w->links.to_broker, evp);
}

bool
worker_is_starting(const struct worker *w)
{
	return gauge_read(w->links.starting) > 0;
}

bool
worker_has_store(const struct worker *w)
{
	return w->links.store_failing != NULL;
}

bool
worker_store_fails(const struct worker *w)
{
	return w->links.store_failing != NULL &&
	       gauge_read(w->links.store_failing) > 0;
}

void
worker_count_accept(struct worker *w)
{
	CHECK(w->accepting != NULL && w->accept_left > 0);
	w->accepting->count++;
	if (--w->accept_left == 0)
		evconnlistener_disable(
		    w->listeners[w->accepting->listener].lev);
}

/* Carry out the next order, if none is under way: for one loop turn. */
static void
worker_begin_accept(struct worker *w)
{
	size_t i;

	for (i = 0; w->accepting == NULL && i < w->listener_count; i++) {
		if (w->listeners[i].ordered == 0)
			continue;
		w->accepting = tevent_new(TEVENT_ACCEPTED, 0);
		w->accepting->listener = (unsigned int)i;
		w->accept_left = w->listeners[i].ordered;
		w->listeners[i].ordered = 0;
		if (!w->stopping)
			evconnlistener_enable(w->listeners[i].lev);
	}
}

/* The turn of the loop that accepted is over: report. */
static void
worker_end_accept(struct worker *w)
{
	struct tevent_accept *ev = w->accepting;

	if (ev == NULL)
		return;
	evconnlistener_disable(w->listeners[ev->listener].lev);
	w->accepting = NULL;
	CHANNEL_SEND(w->links.to_acceptor, ev);
}

static void
worker_on_accept(struct worker *w, struct tevent *head)
{
	const struct tevent_accept *ev = (struct tevent_accept *)head;

	CHECK(ev->listener < w->listener_count && ev->count > 0);
	w->listeners[ev->listener].ordered = ev->count;
}

static void
worker_limit_body(struct conn *c)
{
	if (c->state == CONN_READING || c->state == CONN_WAITING)
		conn_limit_body(c);
}

static void
worker_on_conf(struct worker *w, struct tevent *head)
{
	struct tevent_conf *ev = (struct tevent_conf *)head;
	struct tevent_plain *done = tevent_new(TEVENT_APPLIED, 0);

	conf_unref(&w->conf);
	w->conf = ev->conf;
	ev->conf = NULL;
	evhttp_set_max_body_size(w->http, http_body_max(w->conf));
	conns_each(&w->conns, worker_limit_body);
	CHANNEL_SEND(w->links.to_acceptor, done);
}

static void
worker_stop_conn(struct conn *c)
{
	if (c->state == CONN_SESSION)
		session_stop(c);
	else
		http_stop(c);
}

static void
worker_on_stop(struct worker *w, struct tevent *head)
{
	(void)head;
	w->stopping = true;
	w->stop_at = w->now + WORKER_GRACE;
	conns_each(&w->conns, worker_stop_conn);
}

static void
worker_on_quit(struct worker *w, struct tevent *head)
{
	(void)head;
	w->quit = true;
}

static void
worker_on_answer(struct worker *w, struct tevent *head)
{
	struct tevent_answer *ev = (struct tevent_answer *)head;
	struct conn *c = conns_get(&w->conns, ev->to);

	if (c != NULL)
		http_answer(c, ev->part, ev->answer, ev->mid);
}

/* The session that a handle names, if it is still one. */
static struct conn *
worker_find_session(struct worker *w, struct handle h)
{
	struct conn *c = conns_get(&w->conns, h);

	return c != NULL && c->state == CONN_SESSION ? c : NULL;
}

static void
worker_on_welcome(struct worker *w, struct tevent *head)
{
	struct tevent_welcome *ev = (struct tevent_welcome *)head;
	struct conn *c = worker_find_session(w, ev->to);
	struct tevent_session *out;

	if ((c != NULL && session_on_welcome(c, ev)) || ev->device.gen == 0)
		return;
	/* It went while the broker logged it in. */
	out = tevent_new(TEVENT_LOGOUT, 0);
	out->session = ev->to;
	out->device = ev->device;
	WORKER_TELL_BROKER(w, out);
}

static void
worker_on_replaced(struct worker *w, struct tevent *head)
{
	struct tevent_session *ev = (struct tevent_session *)head;
	struct conn *c = worker_find_session(w, ev->session);

	if (c != NULL)
		session_on_replaced(c);
}

static void
worker_on_deliver(struct worker *w, struct tevent *head)
{
	struct tevent_deliver *ev = (struct tevent_deliver *)head;
	struct conn *c = worker_find_session(w, ev->to);

	if (c != NULL)
		session_on_deliver(c, ev);
}

static void
worker_on_beat(struct worker *w, struct tevent *head)
{
	struct tevent_plain *ev = tevent_new(TEVENT_BEAT, 0);

	(void)head;
	CHANNEL_SEND(w->links.to_acceptor, ev);
}

static void (*const handlers[TEVENT_TYPES])(struct worker *,
    struct tevent *) = {
	[TEVENT_CONF] = worker_on_conf,
	[TEVENT_ACCEPT] = worker_on_accept,
	[TEVENT_STOP] = worker_on_stop,
	[TEVENT_QUIT] = worker_on_quit,
	[TEVENT_BEAT] = worker_on_beat,
	[TEVENT_ANSWER] = worker_on_answer,
	[TEVENT_WELCOME] = worker_on_welcome,
	[TEVENT_REPLACED] = worker_on_replaced,
	[TEVENT_DELIVER] = worker_on_deliver,
};

static bool
worker_drain(struct worker *w, struct channel *from)
{
	struct tevent *ev;
	int i;

	for (i = 0; i < WORKER_BATCH; i++) {
		ev = channel_receive(from);
		if (ev == NULL)
			break;
		CHECK(handlers[ev->type] != NULL);
		handlers[ev->type](w, ev);
		tevent_free(&ev);
	}
	return i > 0;
}

static bool
worker_expire(struct worker *w)
{
	struct wheel_timer *t;
	int i;

	for (i = 0; i < WORKER_TIMERS; i++) {
		t = wheel_pop(&w->wheel, w->now);
		if (t == NULL)
			break;
		conn_on_deadline(t);
	}
	return i == WORKER_TIMERS;
}

/* While the daemon stops: cut who does not go, and report the end. */
static void
worker_check_stop(struct worker *w)
{
	struct tevent_plain *ev;

	if (!w->stopping || w->stopped)
		return;
	if (w->now >= w->stop_at) {
		conns_each(&w->conns, conn_close);
		conns_settle(&w->conns);
	}
	if (worker_load(w) > 0)
		return;
	w->stopped = true;
	ev = tevent_new(TEVENT_STOPPED, 0);
	CHANNEL_SEND(w->links.to_acceptor, ev);
}

static void
worker_flush(struct worker *w)
{
	conns_settle(&w->conns);
	channel_flush(w->links.to_acceptor);
}

/*
 * Wake the broker: not for the first event, while more keep coming in, for a
 * wake-up costs more than handling one.  True when it was put off.
 */
static bool
worker_ring_broker(struct worker *w)
{
	size_t sent = channel_unflushed(w->links.to_broker);

	if (sent > w->unrung && w->held < WORKER_HOLD) {
		w->unrung = sent;
		w->held++;
		return true;
	}
	w->unrung = 0;
	w->held = 0;
	channel_flush(w->links.to_broker);
	return false;
}

/* All of a turn but what libevent calls back; true when there may be more. */
static bool
worker_turn(struct worker *w)
{
	bool busy;

	w->now = clock_mono_ms();
	conns_settle(&w->conns);
	worker_end_accept(w);
	busy = worker_drain(w, w->links.from_broker);
	busy |= worker_drain(w, w->links.from_acceptor);
	worker_begin_accept(w);
	busy |= worker_expire(w);
	worker_flush(w);
	worker_check_stop(w);
	channel_flush(w->links.to_acceptor);
	busy |= worker_ring_broker(w);
	return busy || w->accepting != NULL;
}

/* Nothing is read from clients while the broker cannot keep up (R5). */
static void
worker_wait_for_broker(struct worker *w)
{
	while (channel_stuck(w->links.to_broker) && !w->quit) {
		doorbell_arm(w->bell);
		if (!channel_ready(w->links.from_broker))
			doorbell_wait(w->bell, WORKER_RETRY);
		doorbell_disarm(w->bell);
		(void)worker_turn(w);
	}
}

static bool
worker_ready(struct worker *w)
{
	return channel_ready(w->links.from_broker) ||
	       channel_ready(w->links.from_acceptor);
}

/* Have libevent wake us for the next timer. */
static void
worker_set_tick(struct worker *w)
{
	int wait = wheel_wait(&w->wheel, w->now);
	struct timeval tv;

	if (w->stopping && (wait < 0 || wait > 100))
		wait = 100;
	if (wait < 0 ||
	    (w->tick_at != 0 && w->tick_at <= w->now + (uint64_t)wait))
		return;
	w->tick_at = w->now + (uint64_t)wait;
	tv.tv_sec = wait / 1000;
	tv.tv_usec = wait % 1000 * 1000;
	event_add(w->tick_event, &tv);
}

/* Let libevent work: without waiting, or until something happens. */
static void
worker_poll(struct worker *w, bool busy)
{
	int flags = EVLOOP_ONCE;

	/* Without ONCE, NONBLOCK would go on as long as anything happens. */
	if (busy || w->mourning) {
		event_base_loop(w->base, flags | EVLOOP_NONBLOCK);
		w->mourning = conns_bury(&w->conns);
		return;
	}
	worker_set_tick(w);
	doorbell_arm(w->bell);
	if (worker_ready(w))
		flags |= EVLOOP_NONBLOCK;
	event_base_loop(w->base, flags);
	doorbell_disarm(w->bell);
	w->mourning = conns_bury(&w->conns);
}

void *
worker_run(void *arg)
{
	struct worker *w = arg;
	bool busy;

	thread_become(THREAD_WORKER);
	CHECK(metrics_attach() == 0);
	self = w;
	while (!w->quit) {
		busy = worker_turn(w);
		worker_wait_for_broker(w);
		worker_poll(w, busy);
	}
	conns_done(&w->conns);
	return NULL;
}
