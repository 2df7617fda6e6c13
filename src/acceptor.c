/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "acceptor.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "check.h"
#include "clock.h"
#include "listen.h"
#include "log.h"
#include "tevent.h"
#include "thread.h"
#include "worker.h"

#define ACCEPTOR_BATCH 64 /* connections in one order */
#define ACCEPTOR_PAUSE 50 /* milliseconds between looks while paused */

struct acceptor_gate {
	struct acceptor *acceptor;
	struct event *event;
	unsigned int index;
	bool ordered;         /* a worker is accepting from it */
	unsigned int granted; /* connections of that order */
};

struct acceptor {
	const struct acceptor_worker *workers;
	size_t worker_count;
	size_t limit;
	struct event *pause;
	bool open;
	uint64_t warned_at; /* 0: never */
	size_t gate_count;
	struct acceptor_gate gates[];
};

static void acceptor_on_ready(evutil_socket_t, short, void *);
static void acceptor_on_pause_over(evutil_socket_t, short, void *);

struct acceptor *
acceptor_new(struct event_base *base, const struct listener *l, size_t count,
    const struct acceptor_worker *workers, size_t worker_count)
{
	struct acceptor *a;
	size_t i;

	a = calloc(1, sizeof(*a) + count * sizeof(a->gates[0]));
	if (a == NULL)
		return NULL;
	a->workers = workers;
	a->worker_count = worker_count;
	a->gate_count = count;
	a->pause = evtimer_new(base, acceptor_on_pause_over, a);
	if (a->pause == NULL)
		acceptor_free(&a);
	for (i = 0; a != NULL && i < count; i++) {
		a->gates[i].acceptor = a;
		a->gates[i].index = (unsigned int)i;
		a->gates[i].event = event_new(base, l[i].fd, EV_READ,
		    acceptor_on_ready, &a->gates[i]);
		if (a->gates[i].event == NULL)
			acceptor_free(&a);
	}
	return a;
}

void
acceptor_free(struct acceptor **ap)
{
	struct acceptor *a = *ap;
	size_t i;

	if (a == NULL)
		return;
	for (i = 0; i < a->gate_count; i++) {
		if (a->gates[i].event != NULL)
			event_free(a->gates[i].event);
	}
	if (a->pause != NULL)
		event_free(a->pause);
	free(a);
	*ap = NULL;
}

void
acceptor_set_limit(struct acceptor *a, size_t limit)
{
	a->limit = limit;
}

/* Watch every listening socket that no worker is busy with. */
static void
acceptor_watch(struct acceptor *a)
{
	size_t i;

	for (i = 0; i < a->gate_count; i++) {
		if (a->open && !a->gates[i].ordered)
			event_add(a->gates[i].event, NULL);
	}
}

void
acceptor_open(struct acceptor *a)
{
	THREAD_CHECK(THREAD_ACCEPTOR);
	a->open = true;
	acceptor_watch(a);
}

void
acceptor_shut(struct acceptor *a)
{
	size_t i;

	THREAD_CHECK(THREAD_ACCEPTOR);
	a->open = false;
	evtimer_del(a->pause);
	for (i = 0; i < a->gate_count; i++)
		event_del(a->gates[i].event);
}

size_t
acceptor_load(const struct acceptor *a)
{
	size_t i, load = 0;

	for (i = 0; i < a->worker_count; i++)
		load += worker_load(a->workers[i].worker);
	for (i = 0; i < a->gate_count; i++)
		load += a->gates[i].granted;
	return load;
}

static const struct acceptor_worker *
acceptor_pick(const struct acceptor *a)
{
	const struct acceptor_worker *best = &a->workers[0];
	size_t i;

	for (i = 1; i < a->worker_count; i++) {
		if (worker_load(a->workers[i].worker) <
		    worker_load(best->worker))
			best = &a->workers[i];
	}
	return best;
}

/* Accept nothing for a while; what waits, waits in the kernel. */
static void
acceptor_pause(struct acceptor *a, const char *why)
{
	struct timeval tv = { 0, ACCEPTOR_PAUSE * 1000 };
	uint64_t now = clock_mono_ms();
	size_t i;

	for (i = 0; i < a->gate_count; i++)
		event_del(a->gates[i].event);
	evtimer_add(a->pause, &tv);
	if (a->warned_at != 0 && now - a->warned_at < ACCEPTOR_QUIET)
		return;
	a->warned_at = now;
	log_event(LOG_WARNING,
	    LOG_FIELDS(log_number("connections", acceptor_load(a))),
	    "acceptor: %s, new ones have to wait", why);
}

static void
acceptor_on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;
	struct timeval tv = { 0, ACCEPTOR_PAUSE * 1000 };

	(void)fd;
	(void)what;
	if (acceptor_load(a) >= a->limit)
		evtimer_add(a->pause, &tv);
	else
		acceptor_watch(a);
}

static void
acceptor_order(struct acceptor_gate *g, const struct acceptor_worker *w,
    unsigned int count)
{
	struct tevent_accept *ev = tevent_new(TEVENT_ACCEPT, 0);

	ev->listener = g->index;
	ev->count = count;
	g->ordered = true;
	g->granted = count;
	CHANNEL_SEND(w->to, ev);
	channel_flush(w->to);
}

/* Connections wait at a listening socket. */
static void
acceptor_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor_gate *g = arg;
	struct acceptor *a = g->acceptor;
	size_t load = acceptor_load(a), room, share;

	(void)fd;
	(void)what;
	CHECK(!g->ordered);
	if (load >= a->limit) {
		acceptor_pause(a, "MAX_CONNECTIONS reached");
		return;
	}
	room = a->limit - load;
	/* A storm is dealt out in hands, so that every worker gets its part. */
	share = a->worker_count == 1 ? ACCEPTOR_BATCH : ACCEPTOR_BATCH / 4;
	acceptor_order(g, acceptor_pick(a),
	    (unsigned int)(room < share ? room : share));
}

void
acceptor_on_accepted(struct acceptor *a, const struct tevent_accept *ev)
{
	struct acceptor_gate *g;

	THREAD_CHECK(THREAD_ACCEPTOR);
	CHECK(ev->listener < a->gate_count);
	g = &a->gates[ev->listener];
	g->ordered = false;
	g->granted = 0;
	if (!a->open)
		return;
	if (ev->error != 0)
		acceptor_pause(a, strerror(ev->error));
	else if (!evtimer_pending(a->pause, NULL))
		event_add(g->event, NULL);
}
