/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "watchdog.h"

#include <event2/event.h>
#include <stdlib.h>

#include "channel.h"
#include "check.h"
#include "tevent.h"
#include "thread.h"

struct watchdog {
	struct event *timer;
	struct channel *to_broker;
	size_t workers;
	size_t missing; /* workers whose BEAT has not come back */
	void (*on_alive)(void *);
	void *arg;
};

static void
watchdog_on_time(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog *w = arg;
	struct tevent_plain *ev;

	(void)fd;
	(void)what;
	/* One round at a time: who hangs is not to find a pile of them. */
	if (w->missing > 0)
		return;
	w->missing = w->workers;
	ev = tevent_new(TEVENT_BEAT, 0);
	CHANNEL_SEND(w->to_broker, ev);
	channel_flush(w->to_broker);
}

struct watchdog *
watchdog_new(struct event_base *base, uint64_t interval,
    struct channel *to_broker, size_t workers, void (*on_alive)(void *),
    void *arg)
{
	struct timeval tv = {
		.tv_sec = (time_t)(interval / 1000000),
		.tv_usec = (suseconds_t)(interval % 1000000),
	};
	struct watchdog *w = calloc(1, sizeof(*w));

	THREAD_CHECK(THREAD_ACCEPTOR);
	if (w == NULL)
		return NULL;
	w->to_broker = to_broker;
	w->workers = workers;
	w->on_alive = on_alive;
	w->arg = arg;
	w->timer = event_new(base, -1, EV_PERSIST, watchdog_on_time, w);
	if (w->timer == NULL || event_add(w->timer, &tv) == -1)
		watchdog_free(&w);
	return w;
}

void
watchdog_free(struct watchdog **wp)
{
	struct watchdog *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	if (w->timer != NULL)
		event_free(w->timer);
	free(w);
}

void
watchdog_on_beat(struct watchdog *w)
{
	THREAD_CHECK(THREAD_ACCEPTOR);
	if (w == NULL)
		return;
	CHECK(w->missing > 0);
	if (--w->missing == 0)
		w->on_alive(w->arg);
}
