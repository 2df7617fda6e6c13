/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <errno.h>

#include "broker_fixture.h"

/* Push a message whose collapse key is KEY; its mid is TIME. */
static struct handle
push_key(struct fixture *f, uint64_t key, uint64_t time, bool require_ack)
{
	struct tevent_push *ev = tevent_new(TEVENT_PUSH, 3);
	struct message_parts parts = { .title = "t",
		.title_len = 1,
		.content = "",
		.collapse = key };
	struct handle h = new_handle(f, 0);

	ev->from = h;
	ev->dedup = time;
	ev->require_ack = require_ack;
	ev->message = message_make(&parts, time);
	ev->id_len = 3;
	memcpy(ev->id, "reg", 3);
	CHANNEL_SEND(f->from[0], ev);
	turn(f);
	return h;
}

static void
push_kept(struct fixture *f, uint64_t key, uint64_t time)
{
	expect_answer(f, push_key(f, key, time, false), ANSWER_OFFLINE);
}

/* A login that is sent these messages. */
static void
expect_login(struct fixture *f, const uint64_t *mids, size_t count)
{
	struct tevent_deliver *ev;
	struct devref d;
	struct handle s = login(f, "reg", &d);
	size_t i;

	ev = next(f, s.worker, TEVENT_DELIVER);
	assert_non_null(ev);
	assert_int_equal(ev->count, count);
	for (i = 0; i < count; i++)
		assert_int_equal(ev->item[i].mid, mids[i]);
	release(ev);
	session_event(f, TEVENT_LOGOUT, s, d);
}

static void
check_the_state_not_the_history(struct fixture *f)
{
	static const uint64_t mids[] = { 3, 4, 5, 9 };

	push_kept(f, 7, 1);
	push_kept(f, 7, 2);
	push_kept(f, 8, 3);
	push_kept(f, 0, 4);
	push_kept(f, 0, 5);
	push_kept(f, 7, 9);
	expect_login(f, mids, 4);
	/* What came of the one that is gone is what comes of the newer. */
	expect_answer(f, push_key(f, 7, 2, false), ANSWER_OFFLINE);
	expect_login(f, mids, 4);
	finish(f);
}

static void
test_a_newer_message_replaces_what_was_not_sent(void **state)
{
	(void)state;
	check_the_state_not_the_history(start("DEDUP_WINDOW=120"));
	check_the_state_not_the_history(start_store("DEDUP_WINDOW=120"));
}

static void
test_without_the_switch_nothing_is_replaced(void **state)
{
	static const uint64_t mids[] = { 1, 2 };
	struct fixture *f = start_store("COLLAPSE=false");

	(void)state;
	push_kept(f, 7, 1);
	push_kept(f, 7, 2);
	expect_login(f, mids, 2);
	finish(f);
}

/* It may have been shown: but when it would be sent again it is old. */
static void
test_what_was_sent_is_replaced_at_the_next_login(void **state)
{
	static const uint64_t mids[] = { 3 };
	struct fixture *f = start_store(NULL);
	struct devref d;
	struct handle s, p;

	(void)state;
	s = login(f, "reg", &d);
	p = push_key(f, 7, 2, false);
	assert_int_equal(expect_delivery(f, s, 1, false), 2);
	session_event(f, TEVENT_LOGOUT, s, d);
	pass(f, ACK_TIMEOUT + 16);
	expect_answer(f, p, ANSWER_OFFLINE);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), 2);
	p = push_key(f, 7, 3, false);
	assert_int_equal(expect_delivery(f, s, 1, false), 3);
	session_event(f, TEVENT_LOGOUT, s, d);
	pass(f, ACK_TIMEOUT + 16);
	expect_answer(f, p, ANSWER_OFFLINE);
	expect_login(f, mids, 1);
	finish(f);
}

static void
test_nothing_is_replaced_before_the_newer_one_is_kept(void **state)
{
	static const uint64_t both[] = { 1, 2 }, last[] = { 3 };
	struct fixture *f = start_store(NULL);
	struct handle p;

	(void)state;
	push_kept(f, 7, 1);
	f->store_sleeps = true;
	p = push_key(f, 7, 2, false);
	expect_login(f, both, 2);
	f->store_sleeps = false;
	store_mem_fail(f->store, ENOSPC, 0);
	pass(f, 10);
	expect_answer(f, p, ANSWER_NOT_KEPT);
	expect_login(f, both, 1);
	store_mem_fail(f->store, 0, 0);
	pass(f, 2000);
	push_kept(f, 7, 3);
	expect_login(f, last, 1);
	finish(f);
}

/* It is dropped if it is not confirmed, and would leave nothing. */
static void
test_a_message_that_may_be_dropped_replaces_nothing(void **state)
{
	static const uint64_t mids[] = { 1 };
	struct fixture *f = start(NULL);
	struct devref d;
	struct handle s, p;

	(void)state;
	push_kept(f, 7, 1);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), 1);
	p = push_key(f, 7, 2, true);
	assert_int_equal(expect_delivery(f, s, 1, false), 2);
	session_event(f, TEVENT_LOGOUT, s, d);
	pass(f, ACK_TIMEOUT + 16);
	expect_answer(f, p, ANSWER_NOT_CONFIRMED);
	expect_login(f, mids, 1);
	finish(f);
}

static void
test_a_full_queue_takes_what_replaces(void **state)
{
	static const uint64_t mids[] = { 2, 4 };
	struct fixture *f = start_store("MAX_QUEUE=2");

	(void)state;
	push_kept(f, 7, 1);
	push_kept(f, 8, 2);
	expect_answer(f, push_key(f, 9, 3, false), ANSWER_QUEUE_FULL);
	push_kept(f, 7, 4);
	expect_answer(f, push_key(f, 9, 5, false), ANSWER_QUEUE_FULL);
	expect_login(f, mids, 2);
	finish(f);
}

/* Confirmed, the older one comes again all the same, if it was not. */
static void
test_a_key_is_forgotten_with_its_last_message(void **state)
{
	static const uint64_t mids[] = { 3 };
	struct fixture *f = start_store(NULL);
	struct devref d;
	struct handle s;

	(void)state;
	push_kept(f, 7, 1);
	s = login(f, "reg", &d);
	assert_int_equal(expect_delivery(f, s, 1, false), 1);
	ack(f, s, d, 1);
	session_event(f, TEVENT_LOGOUT, s, d);
	push_kept(f, 7, 3);
	expect_login(f, mids, 1);
	finish(f);
}

static void
test_a_key_outlives_a_restart(void **state)
{
	struct fixture *f = start_store(NULL), *g = start(NULL);
	uint64_t mid;

	(void)state;
	push_kept(f, 7, 1);
	g->store = f->store;
	f->store = NULL;
	finish(f);
	connect_store(g);
	mid = expect_answer(g, push_key(g, 7, 2, false), ANSWER_OFFLINE);
	expect_login(g, &mid, 1);
	finish(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_newer_message_replaces_what_was_not_sent),
		cmocka_unit_test(test_without_the_switch_nothing_is_replaced),
		cmocka_unit_test(
		    test_what_was_sent_is_replaced_at_the_next_login),
		cmocka_unit_test(
		    test_nothing_is_replaced_before_the_newer_one_is_kept),
		cmocka_unit_test(
		    test_a_message_that_may_be_dropped_replaces_nothing),
		cmocka_unit_test(test_a_full_queue_takes_what_replaces),
		cmocka_unit_test(test_a_key_is_forgotten_with_its_last_message),
		cmocka_unit_test(test_a_key_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
