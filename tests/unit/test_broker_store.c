/* SPDX-License-Identifier: ISC */
/*
 * The broker's rules with a store: what is written, what is promised, and
 * what is there after a restart.
 */
#include "config.h"

#include "broker_fixture.h"

#include <errno.h>

#include "clock.h"

#define GRACE 500
#define LATER 200 /* the store's linger, with some to spare */

/* Forget the broker without a word, as a kill does, and begin anew. */
static void
crash(struct fixture *f, const char *extra)
{
	struct store *store = f->store;
	struct fixture *fresh = start(extra);
	struct fixture old = *f;

	f->store = NULL;
	*f = *fresh;
	f->store = store;
	f->now = old.now;
	f->last_gen = old.last_gen;
	connect_store(f);
	free(fresh);
	fresh = malloc(sizeof(*fresh));
	assert_non_null(fresh);
	*fresh = old;
	fresh->store = NULL;
	finish(fresh);
}

static void
stop(struct fixture *f)
{
	struct tevent_plain *ev = tevent_new(TEVENT_STOP, 0);

	CHANNEL_SEND(f->acceptor, ev);
	turn(f);
}

static void
test_offline_is_answered_when_it_is_kept(void **state)
{
	struct fixture *f = start_store(NULL);
	struct handle p;

	(void)state;
	f->store_sleeps = true;
	p = push(f, "reg", "a", 5);
	expect_nothing(f, 0);
	f->store_sleeps = false;
	turn(f);
	assert_int_equal(expect_answer(f, p, ANSWER_OFFLINE), 5);
	assert_int_equal(store_mem_count(f->store), 1);
	finish(f);
}

static void
test_what_is_confirmed_in_time_is_never_written(void **state)
{
	struct fixture *f = start_store(NULL);
	struct devref d;
	struct handle s = login(f, "dev", &d), p;
	size_t syncs = store_mem_syncs(f->store);

	(void)state;
	p = push(f, "dev", "a", 5);
	pass(f, GRACE - 100);
	ack(f, s, d, expect_delivery(f, s, 1, false));
	expect_answer(f, p, ANSWER_OK);
	pass(f, 10000);
	assert_int_equal(store_mem_syncs(f->store), syncs);
	finish(f);
}

static void
test_what_is_not_is_written_before_online_is_said(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	struct devref d;
	struct handle s = login(f, "dev", &d), p;
	uint64_t mid;

	(void)state;
	assert_int_equal(store_mem_count(f->store), 1);
	p = push(f, "dev", "a", 5);
	mid = expect_delivery(f, s, 1, false);
	pass(f, GRACE + 16);
	assert_int_equal(store_mem_count(f->store), 2);
	expect_nothing(f, 0);
	pass(f, ACK_TIMEOUT - GRACE);
	expect_answer(f, p, ANSWER_ONLINE);
	/* And is deleted soon after it is confirmed. */
	ack(f, s, d, mid);
	pass(f, LATER);
	assert_int_equal(store_mem_count(f->store), 1);
	finish(f);
}

static void
test_messages_and_registrations_outlive_a_crash(void **state)
{
	struct fixture *f = start_store(NULL);
	struct devref d;
	struct handle s = login(f, "dev", &d);
	struct tevent_deliver *ev;
	uint64_t mid;

	(void)state;
	session_event(f, TEVENT_LOGOUT, s, d);
	expect_answer(f, push(f, "dev", "a", 5), ANSWER_OFFLINE);
	expect_answer(f, push(f, "dev", "b", 5), ANSWER_OFFLINE);
	crash(f, NULL);
	/* mids go on where they were, or later. */
	mid = expect_answer(f, push(f, "dev", "c", 5), ANSWER_OFFLINE);
	assert_true(mid > 6);
	s = login(f, "dev", &d);
	ev = next(f, 1, TEVENT_DELIVER);
	assert_non_null(ev);
	assert_int_equal(ev->count, 3);
	assert_int_equal(ev->item[0].mid, 5);
	assert_int_equal(ev->item[2].mid, mid);
	release(ev);
	ack(f, s, d, 5);
	pass(f, LATER);
	crash(f, NULL);
	s = login(f, "dev", &d);
	assert_int_equal(expect_delivery(f, s, 2, false), 6);
	/* A device that nobody has heard of is still unknown. */
	expect_answer(f, push(f, "nobody", "c", 5), ANSWER_UNKNOWN);
	finish(f);
}

static void
test_a_login_is_answered_when_it_is_kept(void **state)
{
	struct fixture *f = start_store(NULL);
	struct tevent_login *ev = tevent_new(TEVENT_LOGIN, 3);

	(void)state;
	f->store_sleeps = true;
	ev->from = new_handle(f, 1);
	ev->id_len = 3;
	memcpy(ev->id, "new", 3);
	CHANNEL_SEND(f->from[1], ev);
	turn(f);
	expect_nothing(f, 1);
	f->store_sleeps = false;
	turn(f);
	release(next(f, 1, TEVENT_WELCOME));
	finish(f);
}

static void
test_a_broken_store_refuses_what_it_cannot_promise(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	struct devref d, none;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	store_mem_fail(f->store, ENOSPC, 0);
	expect_answer(f, push(f, "reg", "a", 5), ANSWER_NOT_KEPT);
	/* Who is there gets it, and may confirm. */
	p = push(f, "dev", "b", 6);
	ack(f, s, d, expect_delivery(f, s, 1, false));
	expect_answer(f, p, ANSWER_OK);
	/* Not confirmed and not kept is refused, and gone. */
	p = push(f, "dev", "c", 7);
	expect_delivery(f, s, 1, false);
	pass(f, ACK_TIMEOUT + 16);
	expect_answer(f, p, ANSWER_NOT_KEPT);
	pass(f, 100000);
	expect_nothing(f, 1);
	/* Nobody new is registered. */
	(void)login(f, "new", &none);
	assert_int_equal(none.gen, 0);
	expect_answer(f, push(f, "new", "a", 8), ANSWER_UNKNOWN);
	/* It comes back by itself. */
	store_mem_fail(f->store, 0, 0);
	pass(f, KEEPER_RETRY);
	expect_answer(f, push(f, "reg", "d", 9), ANSWER_OFFLINE);
	(void)login(f, "new", &none);
	assert_int_not_equal(none.gen, 0);
	crash(f, NULL);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), 9);
	finish(f);
}

/* The store comes back while the publisher still waits. */
static void
test_a_push_that_waits_gets_a_second_try(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	store_mem_fail(f->store, EIO, 0);
	p = push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	pass(f, GRACE + 100);
	store_mem_fail(f->store, 0, 0);
	pass(f, ACK_TIMEOUT);
	expect_answer(f, p, ANSWER_ONLINE);
	crash(f, NULL);
	s = login(f, "dev", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), 5);
	finish(f);
}

/* Younger ones never get into the store before older ones. */
static void
test_order_is_kept_across_a_crash(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	struct devref d;
	struct handle s = login(f, "dev", &d), p1, p2, p3;
	struct tevent_deliver *ev;

	(void)state;
	p1 = push(f, "dev", "a", 5);
	p2 = push(f, "dev", "b", 6);
	expect_delivery(f, s, 1, false);
	expect_delivery(f, s, 1, false);
	session_event(f, TEVENT_LOGOUT, s, d);
	p3 = push(f, "dev", "c", 7);
	expect_answer(f, p3, ANSWER_OFFLINE);
	/* The two older ones went with it. */
	assert_int_equal(store_mem_count(f->store), 4);
	crash(f, NULL);
	s = login(f, "dev", &d);
	ev = next(f, 1, TEVENT_DELIVER);
	assert_non_null(ev);
	assert_int_equal(ev->count, 3);
	assert_int_equal(ev->item[0].mid, 5);
	assert_int_equal(ev->item[1].mid, 6);
	assert_int_equal(ev->item[2].mid, 7);
	release(ev);
	(void)p1;
	(void)p2;
	finish(f);
}

static void
test_stop_says_online_for_what_is_on_disk(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	stop(f);
	expect_answer(f, p, ANSWER_ONLINE);
	release(next(f, 0, TEVENT_STOP));
	crash(f, NULL);
	s = login(f, "dev", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), 5);
	finish(f);
}

static void
test_stop_does_not_wait_for_ever(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	f->store_sleeps = true;
	stop(f);
	expect_nothing(f, 0);
	pass(f, 2100);
	expect_answer(f, p, ANSWER_STOPPING);
	release(next(f, 0, TEVENT_STOP));
	finish(f);
}

/* A disk that neither works nor fails. */
static void
test_a_store_that_hangs_is_not_waited_for_for_ever(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=600");
	struct handle s, p[3];
	struct devref d;
	uint64_t mid;

	(void)state;
	s = login(f, "dev", &d);
	f->store_sleeps = true;
	p[0] = push(f, "reg", "a", 5);
	p[1] = push(f, "dev", "b", 5);
	expect_delivery(f, s, 1, false);
	pass(f, 29000);
	expect_nothing(f, 0);
	pass(f, 1100);
	expect_answer(f, p[0], ANSWER_NOT_KEPT);
	/* Now it is known, and others do not wait, but for their device. */
	expect_answer(f, push(f, "reg", "c", 5), ANSWER_NOT_KEPT);
	p[2] = push(f, "dev", "d", 5);
	mid = expect_delivery(f, s, 1, false);
	pass(f, GRACE + 100);
	ack(f, s, d, mid);
	expect_answer(f, p[2], ANSWER_OK);
	p[2] = push(f, "dev", "e", 5);
	expect_delivery(f, s, 1, false);
	pass(f, ACK_TIMEOUT + 8);
	expect_answer(f, p[1], ANSWER_NOT_KEPT);
	expect_answer(f, p[2], ANSWER_NOT_KEPT);
	/* When it goes on, so do we; of what was refused nothing is kept. */
	f->store_sleeps = false;
	pass(f, LATER);
	assert_int_equal(store_mem_count(f->store), 1);
	expect_answer(f, push(f, "reg", "f", 5), ANSWER_OFFLINE);
	assert_int_equal(store_mem_count(f->store), 2);
	finish(f);
}

/* The last run may have been a little ahead, and wrote nothing of it. */
static void
test_mids_after_a_crash_leave_out_the_lead(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	uint64_t now = clock_real_ms() + 2, highest = 0, mid;
	struct devref d;
	struct handle s = login(f, "dev", &d), p;
	size_t i, syncs = store_mem_syncs(f->store);

	(void)state;
	for (i = 0; i < 100; i++) {
		p = push(f, "dev", "a", now);
		highest = expect_delivery(f, s, 1, false);
		ack(f, s, d, highest);
		expect_answer(f, p, ANSWER_OK);
	}
	assert_int_equal(store_mem_syncs(f->store), syncs);
	crash(f, NULL);
	s = login(f, "dev", &d);
	/* Even of a push that came before the store was read. */
	p = push(f, "dev", "a", 5);
	mid = expect_delivery(f, s, 1, false);
	assert_true(mid > highest);
	assert_true(mid < clock_real_ms() + 1000);
	finish(f);
}

static void
check_mids_after_a_clock_was_set_back(uint64_t by, bool is_followed)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	uint64_t then = clock_real_ms() + by, mid;
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	store_mem_set_written(f->store, then);
	crash(f, NULL);
	s = login(f, "dev", &d);
	p = push(f, "dev", "a", clock_real_ms());
	mid = expect_delivery(f, s, 1, false);
	assert_true((mid > then) == is_followed);
	ack(f, s, d, mid);
	expect_answer(f, p, ANSWER_OK);
	finish(f);
}

static void
test_mids_go_on_when_the_clock_was_set_back(void **state)
{
	(void)state;
	check_mids_after_a_clock_was_set_back(3600000, true);
	/* The clock was wrong before, rather. */
	check_mids_after_a_clock_was_set_back(UINT64_C(366) * 86400000, false);
}

/* A clock that stood still, or a burst: mids run ahead of the time of day. */
static void
test_a_mid_ahead_of_the_clock_waits_until_it_is_reserved(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	uint64_t ahead = clock_real_ms() + 3600000, mid;
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	f->store_sleeps = true;
	p = push(f, "dev", "a", ahead);
	expect_nothing(f, 1);
	f->store_sleeps = false;
	turn(f);
	mid = expect_delivery(f, s, 1, false);
	assert_int_equal(mid, ahead);
	ack(f, s, d, mid);
	expect_answer(f, p, ANSWER_OK);
	/* One of a great many: no write for each. */
	p = push(f, "dev", "b", ahead);
	assert_int_equal(store_mem_syncs(f->store), 2);
	assert_int_equal(expect_delivery(f, s, 1, false), ahead + 1);
	ack(f, s, d, ahead + 1);
	expect_answer(f, p, ANSWER_OK);
	pass(f, LATER);
	/* Nothing of them was written, and still none comes again. */
	assert_int_equal(store_mem_count(f->store), 1);
	crash(f, NULL);
	s = login(f, "dev", &d);
	p = push(f, "dev", "c", ahead);
	assert_true(expect_delivery(f, s, 1, false) > ahead + 1);
	finish(f);
}

/* Also to a device whose registration has never been written. */
static void
test_deliveries_go_on_while_the_store_fails(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=600");
	struct handle s, p;
	struct devref d;

	(void)state;
	store_mem_fail(f->store, EIO, 0);
	s = login(f, "reg", &d);
	p = push(f, "reg", "a", clock_real_ms() + 3600000);
	ack(f, s, d, expect_delivery(f, s, 1, false));
	expect_answer(f, p, ANSWER_OK);
	finish(f);
}

static void
test_max_store_refuses_and_loses_nothing(void **state)
{
	struct fixture *f = start_store("MAX_STORE=200");
	struct devref d;
	struct handle s;

	(void)state;
	expect_answer(f, push(f, "reg", "a", 5), ANSWER_OFFLINE);
	expect_answer(f, push(f, "reg", "b", 6), ANSWER_OFFLINE);
	expect_answer(f, push(f, "reg", "c", 7), ANSWER_OFFLINE);
	expect_answer(f, push(f, "reg", "d", 8), ANSWER_STORE_FULL);
	crash(f, "MAX_STORE=200");
	expect_answer(f, push(f, "reg", "e", 9), ANSWER_STORE_FULL);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 3, false), 5);
	ack(f, s, d, 5);
	session_event(f, TEVENT_LOGOUT, s, d);
	expect_answer(f, push(f, "reg", "f", 10), ANSWER_OFFLINE);
	finish(f);
}

static void
test_old_messages_are_dropped(void **state)
{
	struct fixture *f = start_store("MESSAGE_TTL=60");
	uint64_t now = clock_real_ms();
	struct devref d;
	struct handle s;

	(void)state;
	expect_answer(f, push(f, "reg", "a", now - 61000), ANSWER_OFFLINE);
	expect_answer(f, push(f, "reg", "b", now), ANSWER_OFFLINE);
	/* At the login at the latest. */
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), now);
	session_event(f, TEVENT_LOGOUT, s, d);
	/* By the sweep. */
	expect_answer(f, push(f, "reg", "c", now - 61000), ANSWER_OFFLINE);
	pass(f, 5000);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 2, false), now);
	finish(f);
}

static void
test_devices_that_nobody_saw_are_forgotten(void **state)
{
	struct fixture *f = start_store("DEVICE_TTL=0.01");
	uint64_t until = clock_real_ms() + 15;
	struct devref d, queued;
	struct handle s;

	(void)state;
	s = login(f, "gone", &d);
	session_event(f, TEVENT_LOGOUT, s, d);
	s = login(f, "queued", &queued);
	session_event(f, TEVENT_LOGOUT, s, queued);
	expect_answer(f, push(f, "queued", "a", 5), ANSWER_OFFLINE);
	(void)login(f, "here", &d);
	while (clock_real_ms() < until)
		;
	pass(f, 1000);
	expect_answer(f, push(f, "gone", "a", 5), ANSWER_UNKNOWN);
	expect_answer(f, push(f, "queued", "b", 5), ANSWER_OFFLINE);
	expect_answer(f, push(f, "reg", "a", 5), ANSWER_OFFLINE);
	/* The registrations of "queued" and "here", three messages. */
	pass(f, LATER);
	assert_int_equal(store_mem_count(f->store), 5);
	/* What is late for the one that is gone finds nobody. */
	session_event(f, TEVENT_LOGOUT, s, d);
	finish(f);
}

/* A registration that was lost to damage comes back from its messages. */
static void
test_a_device_known_by_its_messages_is_registered(void **state)
{
	struct store_item item = {
		.key = 3,
		.record = { .kind = RECORD_MESSAGE,
		    .id = "lost",
		    .id_len = 4,
		    .mid = 77,
		    .time = 77,
		    .text = "\"title\":\"a\",\"content\":\"b\"",
		    .text_len = 25 },
	};
	struct fixture *f = start_store(NULL);
	struct devref d;
	struct handle s;

	(void)state;
	assert_int_equal(store_put(f->store, &item, 1), 0);
	/* The same message twice, and one out of order. */
	item.key = 4;
	assert_int_equal(store_put(f->store, &item, 1), 0);
	item.key = 5;
	item.record.mid = 76;
	assert_int_equal(store_put(f->store, &item, 1), 0);
	assert_int_equal(store_sync(f->store), 0);
	crash(f, NULL);
	pass(f, 100000);
	s = login(f, "lost", &d);
	assert_int_equal(expect_delivery(f, s, 2, false), 76);
	ack(f, s, d, 76);
	ack(f, s, d, 77);
	session_event(f, TEVENT_LOGOUT, s, d);
	pass(f, LATER);
	crash(f, NULL);
	expect_answer(f, push(f, "lost", "a", 99), ANSWER_OFFLINE);
	finish(f);
}

/* wait=0: not the device's confirmation, but the disk is waited for. */
static void
test_who_does_not_wait_is_answered_when_it_is_kept(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	struct devref d;
	struct handle s = login(f, "dev", &d), p;
	uint64_t mid;

	(void)state;
	f->store_sleeps = true;
	p = push_in_manner(f, "dev", "a", 5, true, false);
	mid = expect_delivery(f, s, 1, false);
	expect_nothing(f, 0);
	f->store_sleeps = false;
	turn(f);
	assert_int_equal(expect_answer(f, p, ANSWER_ONLINE), mid);
	assert_int_equal(store_mem_count(f->store), 2);
	ack(f, s, d, mid);
	session_event(f, TEVENT_LOGOUT, s, d);
	p = push_in_manner(f, "dev", "b", 6, true, false);
	expect_answer(f, p, ANSWER_OFFLINE);
	finish(f);
}

static void
test_who_does_not_wait_is_answered_at_once_without_a_store(void **state)
{
	struct fixture *f = start("RESEND_INTERVAL=60");
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push_in_manner(f, "dev", "a", 5, true, false);
	expect_answer(f, p, ANSWER_ONLINE);
	ack(f, s, d, expect_delivery(f, s, 1, false));
	pass(f, 100000);
	expect_nothing(f, 0);
	expect_nothing(f, 1);
	finish(f);
}

/* require=ack: without a confirmation it is as if nothing was pushed. */
static void
test_a_required_confirmation_or_nothing(void **state)
{
	struct fixture *f = start_store("RESEND_INTERVAL=60");
	size_t syncs;
	struct devref d;
	struct handle s, p;

	(void)state;
	p = push_in_manner(f, "reg", "a", 5, false, true);
	expect_answer(f, p, ANSWER_NOT_CONFIRMED);
	s = login(f, "dev", &d);
	syncs = store_mem_syncs(f->store);
	p = push_in_manner(f, "dev", "b", 6, false, true);
	ack(f, s, d, expect_delivery(f, s, 1, false));
	expect_answer(f, p, ANSWER_OK);
	p = push_in_manner(f, "dev", "c", 7, false, true);
	expect_delivery(f, s, 1, false);
	pass(f, ACK_TIMEOUT - 100);
	expect_nothing(f, 0);
	pass(f, 116);
	expect_answer(f, p, ANSWER_NOT_CONFIRMED);
	pass(f, 100000);
	expect_nothing(f, 1);
	assert_int_equal(store_mem_syncs(f->store), syncs);
	/* A stop is no confirmation. */
	p = push_in_manner(f, "dev", "d", 8, false, true);
	expect_delivery(f, s, 1, false);
	stop(f);
	expect_answer(f, p, ANSWER_STOPPING);
	release(next(f, 0, TEVENT_STOP));
	finish(f);
}

static void
test_a_repeated_notification_is_pushed_once(void **state)
{
	struct fixture *f = start_store("DEDUP_WINDOW=120");
	struct devref d;
	struct handle s, p;

	(void)state;
	/* Not before the first one is kept is the second one answered so. */
	f->store_sleeps = true;
	p = push_hash(f, "reg", 5, 77);
	expect_answer(f, push_hash(f, "reg", 6, 77), ANSWER_REPEATED);
	f->store_sleeps = false;
	turn(f);
	assert_int_equal(expect_answer(f, p, ANSWER_OFFLINE), 5);
	assert_int_equal(expect_answer(f, push_hash(f, "reg", 7, 77),
			     ANSWER_OFFLINE),
	    5);
	expect_answer(f, push_hash(f, "reg", 8, 78), ANSWER_OFFLINE);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 2, false), 5);
	expect_answer(f, push_hash(f, "reg", 9, 77), ANSWER_ONLINE);
	ack(f, s, d, 5);
	assert_int_equal(expect_answer(f, push_hash(f, "reg", 9, 77),
			     ANSWER_OK),
	    5);
	ack(f, s, d, 8);
	expect_nothing(f, 1);
	/* Another device has its own. */
	expect_answer(f, push_hash(f, "nobody", 9, 77), ANSWER_UNKNOWN);
	pass(f, 121000);
	p = push_hash(f, "reg", 10, 77);
	ack(f, s, d, expect_delivery(f, s, 1, false));
	expect_answer(f, p, ANSWER_OK);
	finish(f);
}

static void
test_a_notification_that_was_refused_may_come_again(void **state)
{
	struct fixture *f = start_store("DEDUP_WINDOW=120");

	(void)state;
	store_mem_fail(f->store, EIO, 0);
	expect_answer(f, push_hash(f, "reg", 5, 77), ANSWER_NOT_KEPT);
	expect_answer(f, push_hash(f, "reg", 6, 77), ANSWER_NOT_KEPT);
	store_mem_fail(f->store, 0, 0);
	pass(f, KEEPER_RETRY);
	expect_answer(f, push_hash(f, "reg", 7, 77), ANSWER_OFFLINE);
	finish(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offline_is_answered_when_it_is_kept),
		cmocka_unit_test(
		    test_what_is_confirmed_in_time_is_never_written),
		cmocka_unit_test(
		    test_what_is_not_is_written_before_online_is_said),
		cmocka_unit_test(
		    test_messages_and_registrations_outlive_a_crash),
		cmocka_unit_test(test_a_login_is_answered_when_it_is_kept),
		cmocka_unit_test(
		    test_a_broken_store_refuses_what_it_cannot_promise),
		cmocka_unit_test(test_a_push_that_waits_gets_a_second_try),
		cmocka_unit_test(test_order_is_kept_across_a_crash),
		cmocka_unit_test(test_stop_says_online_for_what_is_on_disk),
		cmocka_unit_test(test_stop_does_not_wait_for_ever),
		cmocka_unit_test(
		    test_a_store_that_hangs_is_not_waited_for_for_ever),
		cmocka_unit_test(test_mids_after_a_crash_leave_out_the_lead),
		cmocka_unit_test(test_mids_go_on_when_the_clock_was_set_back),
		cmocka_unit_test(
		    test_a_mid_ahead_of_the_clock_waits_until_it_is_reserved),
		cmocka_unit_test(test_deliveries_go_on_while_the_store_fails),
		cmocka_unit_test(test_max_store_refuses_and_loses_nothing),
		cmocka_unit_test(test_old_messages_are_dropped),
		cmocka_unit_test(test_devices_that_nobody_saw_are_forgotten),
		cmocka_unit_test(
		    test_who_does_not_wait_is_answered_when_it_is_kept),
		cmocka_unit_test(
		    test_who_does_not_wait_is_answered_at_once_without_a_store),
		cmocka_unit_test(test_a_required_confirmation_or_nothing),
		cmocka_unit_test(test_a_repeated_notification_is_pushed_once),
		cmocka_unit_test(
		    test_a_notification_that_was_refused_may_come_again),
		cmocka_unit_test(
		    test_a_device_known_by_its_messages_is_registered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
