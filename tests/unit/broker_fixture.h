/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the broker share: a broker without threads or sockets,
 * events in, time given, events out; with a store in memory if it is asked
 * for, whose thread is one function too.
 */
#ifndef BROKER_FIXTURE_H
#define BROKER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker.h"
#include "channel.h"
#include "clock.h"
#include "conf.h"
#include "doorbell.h"
#include "keeper.h"
#include "message.h"
#include "store.h"
#include "store_mem.h"
#include "tevent.h"

#define WORKERS     2
#define ACK_TIMEOUT 3000
#define RESEND      2000

struct fixture {
	struct broker *broker;
	struct doorbell *bell;
	struct channel *from[WORKERS], *to[WORKERS], *acceptor;
	uint64_t now;
	uint32_t last_gen;
	struct store *store; /* NULL: none; so are these */
	struct keeper *keeper;
	struct channel *to_store, *from_store;
	bool store_sleeps; /* what is sent to it waits */
};

static inline struct conf *
load(const char *extra)
{
	char token[] = "TOKEN=t", registers[] = "REGISTERS=[\"reg\"]";
	char ttl[] = "MESSAGE_TTL=0", more[64] = "";
	char *settings[] = { token, registers, ttl, more };
	struct conf_source source = { .settings = settings,
		.setting_count = extra == NULL ? 3 : 4 };
	struct conf *conf;

	if (extra != NULL)
		snprintf(more, sizeof(more), "%s", extra);
	conf = conf_load(&source, stderr);

	assert_non_null(conf);
	return conf;
}

static inline struct fixture *
start(const char *extra)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct conf *conf = load(extra);
	size_t i;

	assert_non_null(f);
	f->broker = broker_new(conf, WORKERS);
	f->bell = doorbell_new();
	assert_true(f->broker != NULL && f->bell != NULL);
	f->acceptor = channel_new(broker_bell(f->broker));
	broker_connect_acceptor(f->broker, f->acceptor);
	for (i = 0; i < WORKERS; i++) {
		f->from[i] = channel_new(broker_bell(f->broker));
		f->to[i] = channel_new(f->bell);
		broker_connect_worker(f->broker, i, f->from[i], f->to[i]);
	}
	f->now = clock_mono_ms();
	conf_unref(&conf);
	return f;
}

/* Put a broker onto the store of the fixture. */
static inline void
connect_store(struct fixture *f)
{
	assert_int_equal(broker_restore(f->broker, f->store), 0);
	f->keeper = keeper_new(f->store);
	assert_non_null(f->keeper);
	f->to_store = channel_new(keeper_bell(f->keeper));
	f->from_store = channel_new(broker_bell(f->broker));
	keeper_connect(f->keeper, f->to_store, f->from_store);
	broker_connect_store(f->broker, f->from_store, f->to_store);
}

static inline struct fixture *
start_store(const char *extra)
{
	struct fixture *f = start(extra);

	f->store = store_mem_new();
	assert_non_null(f->store);
	connect_store(f);
	return f;
}

static inline void
finish(struct fixture *f)
{
	size_t i;

	channel_free(&f->to_store);
	channel_free(&f->from_store);
	keeper_free(&f->keeper);
	store_free(&f->store);

	for (i = 0; i < WORKERS; i++) {
		channel_free(&f->from[i]);
		channel_free(&f->to[i]);
	}
	channel_free(&f->acceptor);
	broker_free(&f->broker);
	doorbell_free(&f->bell);
	free(f);
}

/* All that there is to do at this moment. */
static inline void
turn(struct fixture *f)
{
	bool busy = true;

	while (busy) {
		busy = broker_turn(f->broker, f->now);
		if (f->keeper != NULL && !f->store_sleeps)
			busy |= keeper_turn(f->keeper, f->now);
	}
}

/* Let MS milliseconds pass, in steps as the real loop would take them. */
static inline void
pass(struct fixture *f, uint64_t ms)
{
	uint64_t until = f->now + ms;

	while (f->now < until) {
		f->now += until - f->now < 8 ? until - f->now : 8;
		turn(f);
	}
}

static inline struct handle
new_handle(struct fixture *f, uint32_t worker)
{
	struct handle h = { worker, 7, ++f->last_gen };

	return h;
}

/* Push, with the manner of answering that is wanted. */
static inline struct handle
push_in_manner(struct fixture *f, const char *id, const char *title,
    uint64_t time, bool no_wait, bool require_ack)
{
	struct tevent_push *ev = tevent_new(TEVENT_PUSH, strlen(id));
	struct handle h = new_handle(f, 0);

	ev->no_wait = no_wait;
	ev->require_ack = require_ack;

	ev->from = h;
	ev->message = message_new(title, strlen(title), "", 0, time);
	ev->id_len = strlen(id);
	memcpy(ev->id, id, strlen(id));
	CHANNEL_SEND(f->from[0], ev);
	turn(f);
	return h;
}

/* Push a notification that HASH stands for. */
static inline struct handle
push_hash(struct fixture *f, const char *id, uint64_t time, uint64_t hash)
{
	struct tevent_push *ev = tevent_new(TEVENT_PUSH, strlen(id));
	struct handle h = new_handle(f, 0);

	ev->dedup = hash;
	ev->from = h;
	ev->message = message_new("t", 1, "", 0, time);
	ev->id_len = strlen(id);
	memcpy(ev->id, id, strlen(id));
	CHANNEL_SEND(f->from[0], ev);
	turn(f);
	return h;
}

static inline struct handle
push(struct fixture *f, const char *id, const char *title, uint64_t time)
{
	return push_in_manner(f, id, title, time, false, false);
}

/* The next event for worker W, which must be of TYPE; NULL when there is none. */
static inline void *
next(struct fixture *f, size_t w, enum tevent_type type)
{
	struct tevent *ev = channel_receive(f->to[w]);

	if (ev != NULL)
		assert_string_equal(tevent_name(ev->type), tevent_name(type));
	return ev;
}

static inline void
release(void *event)
{
	struct tevent *ev = event;

	tevent_free(&ev);
}

static inline uint64_t
expect_answer(struct fixture *f, struct handle to, enum answer answer)
{
	struct tevent_answer *ev = next(f, to.worker, TEVENT_ANSWER);
	uint64_t mid;

	assert_non_null(ev);
	assert_true(handle_equal(ev->to, to));
	assert_int_equal(ev->answer, answer);
	mid = ev->mid;
	release(ev);
	return mid;
}

static inline void
expect_nothing(struct fixture *f, size_t w)
{
	assert_null(channel_receive(f->to[w]));
}

/* Log in on worker 1; *DEVICE is set from the welcome. */
static inline struct handle
login(struct fixture *f, const char *id, struct devref *device)
{
	struct tevent_login *ev = tevent_new(TEVENT_LOGIN, strlen(id));
	struct handle h = new_handle(f, 1);
	struct tevent_welcome *in;

	ev->from = h;
	ev->id_len = strlen(id);
	memcpy(ev->id, id, strlen(id));
	CHANNEL_SEND(f->from[1], ev);
	turn(f);
	in = next(f, 1, TEVENT_WELCOME);
	assert_non_null(in);
	assert_true(handle_equal(in->to, h));
	assert_int_equal(in->id_len, strlen(id));
	*device = in->device;
	release(in);
	return h;
}

static inline void
session_event(struct fixture *f, enum tevent_type type, struct handle session,
    struct devref device)
{
	struct tevent_session *ev = tevent_new(type, 0);

	ev->session = session;
	ev->device = device;
	CHANNEL_SEND(f->from[session.worker], ev);
	turn(f);
}

static inline void
ack(struct fixture *f, struct handle session, struct devref device,
    uint64_t mid)
{
	struct tevent_ack *ev = tevent_new(TEVENT_ACK, 0);

	ev->session = session;
	ev->device = device;
	ev->count = 2; /* every mid twice: the second has no effect */
	ev->mids = calloc(2, sizeof(uint64_t));
	assert_non_null(ev->mids);
	ev->mids[0] = ev->mids[1] = mid;
	CHANNEL_SEND(f->from[session.worker], ev);
	turn(f);
}

/* A delivery of exactly these COUNT messages; returns the mid of the first. */
static inline uint64_t
expect_delivery(struct fixture *f, struct handle to, size_t count, bool again)
{
	struct tevent_deliver *ev = next(f, to.worker, TEVENT_DELIVER);
	uint64_t mid;

	assert_non_null(ev);
	assert_true(handle_equal(ev->to, to));
	assert_int_equal(ev->count, count);
	assert_int_equal(ev->again, again);
	mid = ev->item[0].mid;
	release(ev);
	return mid;
}

#endif
