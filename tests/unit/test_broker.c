/* SPDX-License-Identifier: ISC */
/*
 * The broker's rules, without threads or sockets: events in, time given,
 * events out.
 */
#include "config.h"

#include "broker_fixture.h"
#include "metrics.h"
#include "device.h"

static void
test_push_to_unknown_device_is_dropped(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	expect_answer(f, push(f, "nobody", "a", 1), ANSWER_UNKNOWN);
	finish(f);
}

static void
test_push_to_offline_device_waits_for_it(void **state)
{
	struct fixture *f = start(NULL);
	struct devref d;
	struct handle s;
	uint64_t mid;

	(void)state;
	mid = expect_answer(f, push(f, "reg", "a", 1000), ANSWER_OFFLINE);
	assert_int_equal(mid, 1000);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), 1000);
	finish(f);
}

static void
test_confirmed_push_is_ok_and_gone(void **state)
{
	struct fixture *f = start(NULL);
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push(f, "dev", "a", 5);
	assert_int_equal(expect_delivery(f, s, 1, false), 5);
	expect_nothing(f, 0);
	ack(f, s, d, 5);
	assert_int_equal(expect_answer(f, p, ANSWER_OK), 5);
	pass(f, 100000);
	expect_nothing(f, 0);
	expect_nothing(f, 1);
	finish(f);
}

static void
test_mids_are_unique_and_rise(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	assert_int_equal(expect_answer(f, push(f, "reg", "a", 50),
			     ANSWER_OFFLINE),
	    50);
	assert_int_equal(expect_answer(f, push(f, "reg", "b", 50),
			     ANSWER_OFFLINE),
	    51);
	assert_int_equal(expect_answer(f, push(f, "reg", "c", 7),
			     ANSWER_OFFLINE),
	    52);
	assert_int_equal(expect_answer(f, push(f, "reg", "d", 99),
			     ANSWER_OFFLINE),
	    99);
	finish(f);
}

static void
test_publisher_waits_ack_timeout(void **state)
{
	struct fixture *f = start("RESEND_INTERVAL=1000");
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	pass(f, ACK_TIMEOUT - 16);
	expect_nothing(f, 0);
	pass(f, 32);
	expect_answer(f, p, ANSWER_ONLINE);
	finish(f);
}

static void
test_device_that_left_makes_offline_at_ack_timeout(void **state)
{
	struct fixture *f = start(NULL);
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push(f, "dev", "a", 5);
	session_event(f, TEVENT_LOGOUT, s, d);
	pass(f, ACK_TIMEOUT - 16);
	expect_nothing(f, 0);
	pass(f, 32);
	expect_answer(f, p, ANSWER_OFFLINE);
	finish(f);
}

static void
test_confirmation_after_reconnect_still_answers(void **state)
{
	struct fixture *f = start(NULL);
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	session_event(f, TEVENT_LOGOUT, s, d);
	s = login(f, "dev", &d);
	expect_delivery(f, s, 1, false);
	ack(f, s, d, 5);
	expect_answer(f, p, ANSWER_OK);
	finish(f);
}

static void
test_resend_doubles_to_the_cap(void **state)
{
	static const uint64_t waits[] = { 2000, 4000, 8000, 16000, 32000, 60000,
		60000 };
	struct fixture *f = start("ACK_TIMEOUT=86400");
	struct devref d;
	struct handle s = login(f, "dev", &d);
	uint64_t began;
	size_t i;

	(void)state;
	push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		began = f->now;
		while (!channel_ready(f->to[1]) && f->now < began + 100000)
			pass(f, 1);
		assert_in_range(f->now - began, waits[i], waits[i] + 8);
		expect_delivery(f, s, 1, true);
	}
	finish(f);
}

static void
test_sign_of_life_resends_after_the_interval_only(void **state)
{
	struct fixture *f = start("ACK_TIMEOUT=86400");
	struct devref d;
	struct handle s = login(f, "dev", &d);

	(void)state;
	push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	pass(f, RESEND / 2);
	session_event(f, TEVENT_ALIVE, s, d);
	expect_nothing(f, 1);
	pass(f, RESEND / 2 + 16);
	expect_delivery(f, s, 1, true); /* by the timer */
	pass(f, RESEND + 16);
	expect_nothing(f, 1); /* the timer is at 4 s now */
	session_event(f, TEVENT_ALIVE, s, d);
	expect_delivery(f, s, 1, true);
	session_event(f, TEVENT_ALIVE, s, d);
	expect_nothing(f, 1);
	finish(f);
}

static void
test_new_session_replaces_the_old_one(void **state)
{
	struct fixture *f = start(NULL);
	struct tevent_session *replaced;
	struct devref d;
	struct handle old = login(f, "dev", &d), s = new_handle(f, 0), p;
	struct tevent_login *ev = tevent_new(TEVENT_LOGIN, 3);

	(void)state;
	ev->from = s;
	ev->id_len = 3;
	memcpy(ev->id, "dev", 3);
	CHANNEL_SEND(f->from[0], ev);
	turn(f);
	replaced = next(f, 1, TEVENT_REPLACED);
	assert_non_null(replaced);
	assert_true(handle_equal(replaced->session, old));
	release(replaced);
	release(next(f, 0, TEVENT_WELCOME));
	/* What the old one does now has no effect but its confirmations. */
	session_event(f, TEVENT_LOGOUT, old, d);
	p = push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	ack(f, old, d, 5);
	expect_answer(f, p, ANSWER_OK);
	finish(f);
}

static void
test_other_device_cannot_confirm(void **state)
{
	struct fixture *f = start(NULL);
	struct devref d1, d2;
	struct handle s1 = login(f, "one", &d1), s2 = login(f, "two", &d2), p;

	(void)state;
	p = push(f, "one", "a", 5);
	expect_delivery(f, s1, 1, false);
	ack(f, s2, d2, 5);
	expect_nothing(f, 0);
	ack(f, s1, d1, 5);
	expect_answer(f, p, ANSWER_OK);
	finish(f);
}

static void
test_full_queue_refuses(void **state)
{
	struct fixture *f = start("MAX_QUEUE=2");

	(void)state;
	expect_answer(f, push(f, "reg", "a", 1), ANSWER_OFFLINE);
	expect_answer(f, push(f, "reg", "b", 2), ANSWER_OFFLINE);
	expect_answer(f, push(f, "reg", "c", 3), ANSWER_QUEUE_FULL);
	finish(f);
}

static void
test_what_was_sent_first_is_known_first(void **state)
{
	struct fixture *f = start("MAX_QUEUE=1");
	struct tevent_ack *confirm = tevent_new(TEVENT_ACK, 0);
	struct devref d;
	struct handle s = login(f, "reg", &d), p;

	(void)state;
	push(f, "reg", "a", 5);
	expect_delivery(f, s, 1, false);
	/* Both wait in the pipes: worker 1 was first, worker 0 stands first. */
	confirm->session = s;
	confirm->device = d;
	confirm->count = 1;
	confirm->mids = calloc(1, sizeof(uint64_t));
	assert_non_null(confirm->mids);
	confirm->mids[0] = 5;
	CHANNEL_SEND(f->from[1], confirm);
	p = push(f, "reg", "b", 6);
	release(next(f, 0, TEVENT_ANSWER));
	expect_delivery(f, s, 1, false);
	ack(f, s, d, 6);
	expect_answer(f, p, ANSWER_OK);
	finish(f);
}

static void
test_too_many_devices_are_refused(void **state)
{
	struct fixture *f = start("MAX_DEVICES=1");
	struct devref d;

	(void)state;
	login(f, "reg", &d);
	assert_int_not_equal(d.gen, 0);
	login(f, "more", &d);
	assert_int_equal(d.gen, 0);
	finish(f);
}

static void
test_window_bounds_what_is_in_flight(void **state)
{
	struct fixture *f = start(NULL);
	struct devref d;
	struct handle s;
	uint64_t i;

	(void)state;
	for (i = 1; i <= DEVICE_WINDOW_MESSAGES + 10; i++)
		expect_answer(f, push(f, "reg", "a", i), ANSWER_OFFLINE);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, DEVICE_WINDOW_MESSAGES, false),
	    1);
	expect_nothing(f, 1);
	ack(f, s, d, 500);
	assert_int_equal(expect_delivery(f, s, 1, false),
	    DEVICE_WINDOW_MESSAGES + 1);
	/* A confirmation of what is not out yet keeps it from going out. */
	ack(f, s, d, DEVICE_WINDOW_MESSAGES + 2);
	expect_nothing(f, 1);
	ack(f, s, d, 1);
	assert_int_equal(expect_delivery(f, s, 1, false),
	    DEVICE_WINDOW_MESSAGES + 3);
	finish(f);
}

static void
test_stop_answers_every_waiter_first(void **state)
{
	struct fixture *f = start(NULL);
	struct tevent_plain *stop = tevent_new(TEVENT_STOP, 0);
	struct devref d;
	struct handle s = login(f, "dev", &d), p;

	(void)state;
	p = push(f, "dev", "a", 5);
	expect_delivery(f, s, 1, false);
	CHANNEL_SEND(f->acceptor, stop);
	turn(f);
	expect_answer(f, p, ANSWER_STOPPING);
	release(next(f, 0, TEVENT_STOP));
	release(next(f, 1, TEVENT_STOP));
	expect_answer(f, push(f, "dev", "b", 6), ANSWER_STOPPING);
	finish(f);
}

static void
test_reload_registers_devices(void **state)
{
	struct fixture *f = start(NULL);
	struct tevent_conf *ev = tevent_new(TEVENT_CONF, 0);
	size_t i;

	(void)state;
	expect_answer(f, push(f, "late", "a", 1), ANSWER_UNKNOWN);
	ev->conf = load("REGISTERS=[\"reg\",\"late\"]");
	CHANNEL_SEND(f->acceptor, ev);
	turn(f);
	/* And every worker gets it from here. */
	for (i = 0; i < WORKERS; i++) {
		ev = next(f, i, TEVENT_CONF);
		assert_non_null(ev);
		assert_int_equal(ev->conf->registers.count, 2);
		release(ev);
	}
	expect_answer(f, push(f, "late", "a", 2), ANSWER_OFFLINE);
	finish(f);
}

static void
test_query_tells_who_is_registered(void **state)
{
	struct fixture *f = start(NULL);
	static const char *const ids[] = { "reg", "not" };
	struct handle h;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct tevent_push *ev = tevent_new(TEVENT_QUERY, 3);

		h = ev->from = new_handle(f, 0);
		ev->id_len = 3;
		memcpy(ev->id, ids[i], 3);
		CHANNEL_SEND(f->from[0], ev);
		turn(f);
		expect_answer(f, h, i == 0 ? ANSWER_OK : ANSWER_UNKNOWN);
	}
	finish(f);
}

static void
test_what_waits_for_long_is_told(void **state)
{
	struct fixture *f = start(NULL);
	uint64_t now = clock_real_ms();
	struct devref d;
	struct handle s;

	(void)state;
	assert_int_equal(metrics_attach(), 0);
	push(f, "reg", "a", now - 300000);
	push(f, "reg", "b", now);
	release(next(f, 0, TEVENT_ANSWER));
	release(next(f, 0, TEVENT_ANSWER));
	assert_int_equal(metrics_sum(METRICS_QUEUED, 0), 2);
	assert_int_equal(metrics_sum(METRICS_OVERDUE, 0), 1);
	assert_int_equal(metrics_sum(METRICS_OVERDUE, 5), 0);
	s = login(f, "reg", &d);
	assert_int_equal(metrics_sum(METRICS_DEVICES_ONLINE, 0), 1);
	assert_int_equal(expect_delivery(f, s, 2, false), now - 300000);
	assert_int_equal(metrics_sum(METRICS_IN_FLIGHT, 0), 2);
	ack(f, s, d, now - 300000);
	assert_int_equal(metrics_sum(METRICS_QUEUED, 0), 1);
	assert_int_equal(metrics_sum(METRICS_IN_FLIGHT, 0), 1);
	assert_int_equal(metrics_sum(METRICS_OVERDUE, 0), 0);
	assert_int_equal(metrics_sum(METRICS_CONFIRMED, 0), 1);
	session_event(f, TEVENT_LOGOUT, s, d);
	assert_int_equal(metrics_sum(METRICS_IN_FLIGHT, 0), 0);
	assert_int_equal(metrics_sum(METRICS_DEVICES_ONLINE, 0), 0);
	metrics_reset();
	finish(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_waits_for_long_is_told),
		cmocka_unit_test(test_push_to_unknown_device_is_dropped),
		cmocka_unit_test(test_push_to_offline_device_waits_for_it),
		cmocka_unit_test(test_confirmed_push_is_ok_and_gone),
		cmocka_unit_test(test_mids_are_unique_and_rise),
		cmocka_unit_test(test_publisher_waits_ack_timeout),
		cmocka_unit_test(
		    test_device_that_left_makes_offline_at_ack_timeout),
		cmocka_unit_test(
		    test_confirmation_after_reconnect_still_answers),
		cmocka_unit_test(test_resend_doubles_to_the_cap),
		cmocka_unit_test(
		    test_sign_of_life_resends_after_the_interval_only),
		cmocka_unit_test(test_new_session_replaces_the_old_one),
		cmocka_unit_test(test_other_device_cannot_confirm),
		cmocka_unit_test(test_full_queue_refuses),
		cmocka_unit_test(test_what_was_sent_first_is_known_first),
		cmocka_unit_test(test_too_many_devices_are_refused),
		cmocka_unit_test(test_window_bounds_what_is_in_flight),
		cmocka_unit_test(test_stop_answers_every_waiter_first),
		cmocka_unit_test(test_reload_registers_devices),
		cmocka_unit_test(test_query_tells_who_is_registered),
	};

	return cmocka_run_group_tests_name("broker", tests, NULL, NULL);
}
