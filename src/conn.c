/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conn.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "conf.h"
#include "container.h"
#include "fanout.h"
#include "http.h"
#include "log.h"
#include "metrics.h"
#include "session.h"
#include "worker.h"

#define CONN_JSON      "application/json"
#define CONN_SLOTS_MIN 64 /* descriptors */

static void
conn_on_input(struct evbuffer *, const struct evbuffer_cb_info *, void *);
static void
conn_on_output(struct evbuffer *, const struct evbuffer_cb_info *, void *);
static void conn_on_evhttp_close(struct evhttp_connection *, void *);

void
conns_init(struct conns *cs, struct worker *w)
{
	memset(cs, 0, sizeof(*cs));
	cs->worker = w;
	TAILQ_INIT(&cs->fresh);
	TAILQ_INIT(&cs->dirty);
	TAILQ_INIT(&cs->dying);
	TAILQ_INIT(&cs->dead);
	TAILQ_INIT(&cs->hungry);
}

void
conns_done(struct conns *cs)
{
	conns_settle(cs);
	conns_each(cs, conn_close);
	while (conns_bury(cs))
		;
	free(cs->slots);
	cs->slots = NULL;
	cs->slot_count = 0;
}

struct bufferevent *
conns_new_bufferevent(struct conns *cs, struct event_base *base)
{
	struct conn *c;

	worker_count_accept(cs->worker);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	/* Also the option that keeps evhttp from closing the descriptor. */
	c->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL) {
		free(c);
		return NULL;
	}
	/* evhttp names the connection only after this returns. */
	bufferevent_incref(c->bev);
	c->conns = cs;
	c->fd = -1;
	TAILQ_INSERT_TAIL(&cs->fresh, c, list);
	return c->bev;
}

/* Have a slot for descriptor FD. */
static int
conns_make_slot(struct conns *cs, size_t fd)
{
	size_t count = cs->slot_count == 0 ? CONN_SLOTS_MIN : cs->slot_count;
	struct conn **slots;

	while (count <= fd)
		count *= 2;
	if (count == cs->slot_count)
		return 0;
	slots = reallocarray(cs->slots, count, sizeof(slots[0]));
	if (slots == NULL)
		return -1;
	memset(slots + cs->slot_count, 0,
	    (count - cs->slot_count) * sizeof(slots[0]));
	cs->slots = slots;
	cs->slot_count = count;
	return 0;
}

/* evhttp is the argument of its own callbacks, which is how we learn it. */
static struct evhttp_connection *
conn_find_evhttp(struct bufferevent *bev)
{
	void *arg = NULL;

	bufferevent_getcb(bev, NULL, NULL, NULL, &arg);
	return bufferevent_getfd(bev) == -1 ? NULL : arg;
}

static int
conn_watch(struct conn *c)
{
	c->input_cb =
	    evbuffer_add_cb(bufferevent_get_input(c->bev), conn_on_input, c);
	c->output_cb =
	    evbuffer_add_cb(bufferevent_get_output(c->bev), conn_on_output, c);
	return c->input_cb != NULL && c->output_cb != NULL ? 0 : -1;
}

static void
conn_unwatch(struct conn *c)
{
	if (c->input_cb != NULL)
		evbuffer_remove_cb_entry(bufferevent_get_input(c->bev),
		    c->input_cb);
	if (c->output_cb != NULL)
		evbuffer_remove_cb_entry(bufferevent_get_output(c->bev),
		    c->output_cb);
	c->input_cb = c->output_cb = NULL;
}

/* Give a connection its slot and deadline. */
static int
conns_insert(struct conns *cs, struct conn *c)
{
	if (conns_make_slot(cs, (size_t)c->fd) == -1 || conn_watch(c) == -1)
		return -1;
	CHECK(cs->slots[c->fd] == NULL);
	cs->slots[c->fd] = c;
	if (++cs->last_gen == 0)
		cs->last_gen = 1;
	c->gen = cs->last_gen;
	gauge_up(&cs->count);
	metrics_add(METRICS_ACCEPTED, 0, 1);
	metrics_add(METRICS_CONNECTIONS, METRICS_HTTP, 1);
	evhttp_connection_set_closecb(c->evcon, conn_on_evhttp_close, c);
	conn_limit_body(c);
	conn_look_ahead(c);
	conn_set_deadline(c, worker_conf(cs->worker)->auth_timeout);
	return 0;
}

static void
conns_adopt(struct conns *cs, struct conn *c)
{
	struct bufferevent *bev = c->bev;

	c->evcon = conn_find_evhttp(bev);
	c->fd = bufferevent_getfd(bev);
	if (c->evcon == NULL) {
		free(c);
	} else if (conns_insert(cs, c) == -1) {
		conn_unwatch(c);
		evhttp_connection_free(c->evcon);
		free(c);
	}
	bufferevent_decref(bev);
}

static void
conns_adopt_fresh(struct conns *cs)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&cs->fresh)) != NULL) {
		TAILQ_REMOVE(&cs->fresh, c, list);
		conns_adopt(cs, c);
	}
}

struct conn *
conns_get(struct conns *cs, struct handle h)
{
	struct conn *c;

	if (h.slot >= cs->slot_count)
		return NULL;
	c = cs->slots[h.slot];
	return c != NULL && c->gen == h.gen ? c : NULL;
}

struct conn *
conns_of_request(struct conns *cs, struct evhttp_request *req)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));

	/* libevent may read from what it accepted in the same turn. */
	conns_adopt_fresh(cs);
	if (fd < 0 || (size_t)fd >= cs->slot_count)
		return NULL;
	return cs->slots[fd];
}

void
conns_each(struct conns *cs, void (*fn)(struct conn *))
{
	size_t i;

	for (i = 0; i < cs->slot_count; i++) {
		if (cs->slots[i] != NULL)
			fn(cs->slots[i]);
	}
}

struct handle
conn_handle(const struct conn *c)
{
	struct handle h = { worker_index(c->conns->worker), (uint32_t)c->fd,
		c->gen };

	return h;
}

const char *
conn_peer(const struct conn *c)
{
	char *address;
	ev_uint16_t port;

	evhttp_connection_get_peer(c->evcon, &address, &port);
	return address;
}

void
conn_mark_dirty(struct conn *c)
{
	if (c->dirty || c->state == CONN_DEAD)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&c->conns->dirty, c, list);
}

void
conn_set_deadline(struct conn *c, int64_t ms)
{
	struct worker *w = c->conns->worker;

	wheel_set(worker_wheel(w), &c->timer, worker_now(w) + (uint64_t)ms);
}

void
conn_clear_deadline(struct conn *c)
{
	wheel_cancel(worker_wheel(c->conns->worker), &c->timer);
}

void
conn_on_deadline(struct wheel_timer *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn, timer);

	switch (c->state) {
	case CONN_READING:
		log_event(LOG_DEBUG, LOG_FIELDS(log_text("peer", conn_peer(c))),
		    "http: no whole request in time");
		if (c->request_bytes > 0 || !c->served)
			metrics_count_refusal(METRICS_WHY_TIMEOUT);
		/* Into evhttp, which frees the connection. */
		bufferevent_trigger_event(c->bev,
		    BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
		break;
	case CONN_SESSION:
		session_on_deadline(c);
		break;
	case CONN_WAITING:
	case CONN_LINGER:
		conn_close(c);
		break;
	case CONN_DEAD:
		break;
	}
}

/* More requests, behind the one that waits: only so much is taken in. */
static void
conn_on_waiting_read(struct bufferevent *bev, void *arg)
{
	(void)arg;
	if (evbuffer_get_length(bufferevent_get_input(bev)) > CONN_HEAD_MAX)
		bufferevent_disable(bev, EV_READ);
}

static void
conn_on_waiting_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	/* A publisher may have ended its side and still wait for the answer. */
	if (what & BEV_EVENT_ERROR)
		conn_close(c);
}

void
conn_wait(struct conn *c)
{
	c->state = CONN_WAITING;
	conn_clear_deadline(c);
	bufferevent_setcb(c->bev, conn_on_waiting_read, NULL,
	    conn_on_waiting_event, c);
	bufferevent_enable(c->bev, EV_READ);
}

/* How much may come for a request before it has a large body. */
static size_t
conn_input_max(const struct conn *c)
{
	return (size_t)http_body_large(worker_conf(c->conns->worker)) +
	       CONN_HEAD_MAX;
}

/*
 * What came is that of a large body, if evhttp reads one: stop until there is
 * room.  (Not by the watermark: there libevent would call evhttp again and
 * again until something is taken out.)
 */
static void
conn_be_hungry(struct conn *c)
{
	if (c->large || c->replied || c->state != CONN_READING)
		return;
	/* Also when it is: evhttp reads on after the answer before this. */
	bufferevent_disable(c->bev, EV_READ);
	if (c->hungry)
		return;
	/* It is we who make it wait. */
	conn_clear_deadline(c);
	c->hungry = true;
	TAILQ_INSERT_TAIL(&c->conns->hungry, c, hunger);
}

static void
conn_stop_hunger(struct conn *c)
{
	if (c->hungry)
		TAILQ_REMOVE(&c->conns->hungry, c, hunger);
	c->hungry = false;
}

/*
 * evhttp shows a request only when it is whole.  That it is JSON is in its
 * head, or else it just gets the limit of all others.  No byte is searched
 * twice, however many requests wait before it.
 */
void
conn_look_ahead(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t len = evbuffer_get_length(in);
	struct evbuffer_ptr at;
	char first;

	if (c->roomy || c->state != CONN_READING ||
	    evbuffer_copyout(in, &first, 1) != 1 || first == 'G' ||
	    len < c->searched + strlen(CONN_JSON) ||
	    evbuffer_ptr_set(in, &at, c->searched, EVBUFFER_PTR_SET) == -1)
		return;
	at = evbuffer_search(in, CONN_JSON, strlen(CONN_JSON), &at);
	c->searched =
	    at.pos != -1 ? (size_t)at.pos : len - strlen(CONN_JSON) + 1;
	if (at.pos == -1)
		return;
	c->roomy = true;
	conn_limit_body(c);
}

void
conn_release_large(struct conn *c)
{
	conn_stop_hunger(c);
	if (c->large)
		c->conns->large--;
	c->large = false;
	if (!c->roomy)
		return;
	c->roomy = false;
	if (c->state != CONN_DEAD)
		conn_limit_body(c);
}

/* Let as many read a large body as may. */
static void
conns_feed(struct conns *cs)
{
	struct conn *c;

	while (cs->large < CONN_LARGE_MAX &&
	       (c = TAILQ_FIRST(&cs->hungry)) != NULL) {
		conn_stop_hunger(c);
		c->large = true;
		cs->large++;
		conn_limit_body(c);
		conn_set_deadline(c, worker_conf(cs->worker)->auth_timeout);
		bufferevent_enable(c->bev, EV_READ);
	}
}

/* Count what comes in for a request. */
static void
conn_on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info,
    void *arg)
{
	struct conn *c = arg;

	(void)buf;
	c->searched -=
	    c->searched < info->n_deleted ? c->searched : info->n_deleted;
	if (info->n_added == 0)
		return;
	if (c->request_bytes < CONN_HEAD_MAX)
		conn_look_ahead(c);
	/* Not what lies there: chunks go elsewhere as they come. */
	if (c->request_bytes + info->n_added >= conn_input_max(c))
		conn_be_hungry(c);
	/* Each request but the first, which has it from the connect on. */
	if (c->served && c->state == CONN_READING && c->request_bytes == 0)
		conn_set_deadline(c,
		    worker_conf(c->conns->worker)->auth_timeout);
	c->request_bytes += info->n_added;
	metrics_add(METRICS_RECEIVED, 0, (int64_t)info->n_added);
}

/* Notice what evhttp says without having been asked. */
static void
conn_on_output(struct evbuffer *buf, const struct evbuffer_cb_info *info,
    void *arg)
{
	struct conn *c = arg;

	(void)buf;
	if (info->n_added == 0 || c->answering)
		return;
	c->foreign = true;
	conn_mark_dirty(c);
}

static void
conn_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
		conn_close(c);
}

void
conn_take_over(struct conn *c, bufferevent_data_cb on_read,
    bufferevent_data_cb on_written)
{
	conn_unwatch(c);
	conn_release_large(c);
	bufferevent_setcb(c->bev, on_read, on_written, conn_on_event, c);
	bufferevent_set_timeouts(c->bev, NULL, NULL);
	bufferevent_disable(c->bev, EV_WRITE);
	bufferevent_enable(c->bev, EV_READ);
}

static void
conn_drop_input(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)arg;
	evbuffer_drain(in, evbuffer_get_length(in));
}

static void
conn_linger_drained(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	bufferevent_disable(bev, EV_WRITE);
	if (!c->shut)
		(void)shutdown(c->fd, SHUT_WR);
	c->shut = true;
}

void
conn_linger(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	conn_take_over(c, conn_drop_input, conn_linger_drained);
	conn_drop_input(c->bev, c);
	c->state = CONN_LINGER;
	conn_set_deadline(c, CONN_LINGER_MS);
	conn_mark_dirty(c);
}

void
conn_close(struct conn *c)
{
	if (c->state != CONN_DEAD)
		evhttp_connection_free(c->evcon);
}

/* The one way out: evhttp is about to free the connection. */
static void
conn_on_evhttp_close(struct evhttp_connection *evcon, void *arg)
{
	struct conn *c = arg;
	struct conns *cs = c->conns;

	(void)evcon;
	CHECK(c->state != CONN_DEAD && cs->slots[c->fd] == c);
	session_free(&c->session);
	conn_unwatch(c);
	conn_clear_deadline(c);
	cs->slots[c->fd] = NULL;
	if (c->dirty)
		TAILQ_REMOVE(&cs->dirty, c, list);
	c->dirty = false;
	c->state = CONN_DEAD;
	c->req = NULL;
	conn_release_large(c);
	TAILQ_INSERT_TAIL(&cs->dying, c, list);
	/*
	 * libevent tells epoll of a descriptor's end only when it polls again.
	 * Until then the number must not be given to another connection, so
	 * we take it away from the bufferevent and close it ourselves.
	 */
	bufferevent_setfd(c->bev, -1);
}

/*
 * Write the output to the socket at once.  Returns 1 when it has drained, 0
 * when the socket is full, -1 when the peer is gone.
 */
static int
conn_write(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	int n;

	while (evbuffer_get_length(out) > 0) {
		evbuffer_unfreeze(out, 1);
		n = evbuffer_write(out, c->fd);
		evbuffer_freeze(out, 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
	}
	return 1;
}

/* A socket that took all needs no waiting for: evhttp goes on at once. */
static void
conn_flush_reply(struct conn *c)
{
	c->replied = false;
	metrics_add(METRICS_SENT, 0,
	    (int64_t)evbuffer_get_length(bufferevent_get_output(c->bev)));
	if (conn_write(c) != 1)
		return; /* evhttp waits, or finds the error */
	if (c->last) {
		conn_linger(c);
		return;
	}
	bufferevent_disable(c->bev, EV_WRITE);
	bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS);
}

static void
conn_flush_ours(struct conn *c)
{
	switch (conn_write(c)) {
	case 1:
		if (c->state == CONN_LINGER)
			conn_linger_drained(c->bev, c);
		break;
	case 0:
		bufferevent_enable(c->bev, EV_WRITE);
		break;
	default:
		conn_close(c);
	}
}

void
conn_limit_body(struct conn *c)
{
	const struct conf *conf = worker_conf(c->conns->worker);
	ev_ssize_t max = c->roomy ? http_body_max(conf) : http_body_large(conf);

	evhttp_connection_set_max_body_size(c->evcon, max);
	/* evhttp leaves a body in the input until it is whole. */
	bufferevent_setwatermark(c->bev, EV_READ, 0,
	    (c->large ? (size_t)max : conn_input_max(c)) + CONN_HEAD_MAX);
}

static void
conn_flush(struct conn *c)
{
	if (c->foreign) {
		c->foreign = false;
		http_replace_page(c);
	} else if (c->state == CONN_SESSION || c->state == CONN_LINGER) {
		conn_flush_ours(c);
	} else if (c->replied) {
		conn_flush_reply(c);
		if (worker_is_stopping(c->conns->worker))
			http_stop(c);
	}
}

void
conns_settle(struct conns *cs)
{
	struct conn *c;

	conns_adopt_fresh(cs);
	conns_feed(cs);
	while ((c = TAILQ_FIRST(&cs->dirty)) != NULL) {
		TAILQ_REMOVE(&cs->dirty, c, list);
		c->dirty = false;
		conn_flush(c);
	}
}

bool
conns_bury(struct conns *cs)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&cs->dead)) != NULL) {
		TAILQ_REMOVE(&cs->dead, c, list);
		close(c->fd);
		gauge_down(&cs->count);
		metrics_add(METRICS_CONNECTIONS,
		    c->upgraded ? METRICS_WEBSOCKET : METRICS_HTTP, -1);
		fanout_free(&c->fanout);
		free(c);
	}
	TAILQ_CONCAT(&cs->dead, &cs->dying, list);
	return !TAILQ_EMPTY(&cs->dead);
}
