/* SPDX-License-Identifier: ISC */
/*
 * The store thread's rules, without the thread: events in, time given,
 * events out, on a store that can fail.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "channel.h"
#include "doorbell.h"
#include "keeper.h"
#include "message.h"
#include "store.h"
#include "store_mem.h"
#include "tevent.h"

#define START 1000000

struct fixture {
	struct store *store;
	struct keeper *keeper;
	struct doorbell *bell;
	struct channel *to, *from;
	uint64_t now;
};

static struct fixture *
start(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->store = store_mem_new();
	f->keeper = keeper_new(f->store);
	f->bell = doorbell_new();
	assert_true(f->store && f->keeper && f->bell);
	f->to = channel_new(keeper_bell(f->keeper));
	f->from = channel_new(f->bell);
	keeper_connect(f->keeper, f->to, f->from);
	f->now = START;
	return f;
}

static void
finish(struct fixture *f)
{
	assert_null(channel_receive(f->from));
	channel_free(&f->to);
	channel_free(&f->from);
	keeper_free(&f->keeper);
	store_free(&f->store);
	doorbell_free(&f->bell);
	free(f);
}

static void
turn(struct fixture *f, uint64_t later)
{
	f->now += later;
	while (keeper_turn(f->keeper, f->now))
		;
}

static void
send(struct fixture *f, enum tevent_type type, uint64_t key)
{
	struct tevent_keep *ev = tevent_new(type, 1);

	ev->key = key;
	ev->mid = key * 10;
	ev->id_len = 1;
	ev->id[0] = 'd';
	if (type == TEVENT_KEEP)
		ev->message = message_new("t", 1, "c", 1, 5);
	CHANNEL_SEND(f->to, ev);
}

static void
discard(struct fixture *f, uint64_t key)
{
	struct tevent_discard *ev = tevent_new(TEVENT_DISCARD, 0);

	ev->key = key;
	CHANNEL_SEND(f->to, ev);
}

static void
expect(struct fixture *f, enum tevent_type type, uint64_t key, int error)
{
	struct tevent *ev = channel_receive(f->from);

	assert_non_null(ev);
	assert_string_equal(tevent_name(ev->type), tevent_name(type));
	assert_int_equal(((struct tevent_keep *)ev)->key, key);
	assert_int_equal(((struct tevent_keep *)ev)->error, error);
	tevent_free(&ev);
}

static void
test_what_waits_is_one_commit(void **state)
{
	struct fixture *f = start();
	uint64_t key;

	(void)state;
	for (key = 1; key <= 100; key++)
		send(f, key % 10 == 0 ? TEVENT_ENROL : TEVENT_KEEP, key);
	turn(f, 0);
	assert_int_equal(store_mem_syncs(f->store), 1);
	assert_int_equal(store_mem_count(f->store), 100);
	for (key = 1; key <= 100; key++)
		expect(f, key % 10 == 0 ? TEVENT_ENROLLED : TEVENT_KEPT, key,
		    0);
	finish(f);
}

static void
test_confirmations_wait_for_company_but_not_long(void **state)
{
	struct fixture *f = start();

	(void)state;
	send(f, TEVENT_KEEP, 1);
	send(f, TEVENT_KEEP, 2);
	turn(f, 0);
	expect(f, TEVENT_KEPT, 1, 0);
	expect(f, TEVENT_KEPT, 2, 0);
	discard(f, 1);
	turn(f, 1);
	assert_int_equal(store_mem_syncs(f->store), 1);
	/* With the next group. */
	send(f, TEVENT_KEEP, 3);
	turn(f, 1);
	expect(f, TEVENT_KEPT, 3, 0);
	assert_int_equal(store_mem_syncs(f->store), 2);
	assert_int_equal(store_mem_count(f->store), 2);
	/* By itself. */
	discard(f, 2);
	turn(f, 1);
	turn(f, KEEPER_LINGER - 1);
	assert_int_equal(store_mem_syncs(f->store), 2);
	turn(f, 1);
	assert_int_equal(store_mem_syncs(f->store), 3);
	assert_int_equal(store_mem_count(f->store), 1);
	finish(f);
}

static void
test_what_is_confirmed_before_its_commit_is_not_written(void **state)
{
	struct fixture *f = start();

	(void)state;
	send(f, TEVENT_KEEP, 1);
	send(f, TEVENT_KEEP, 2);
	discard(f, 1);
	discard(f, 2);
	turn(f, 0);
	expect(f, TEVENT_KEPT, 1, 0);
	expect(f, TEVENT_KEPT, 2, 0);
	turn(f, KEEPER_LINGER);
	assert_int_equal(store_mem_syncs(f->store), 0);
	finish(f);
}

/* Put, delete and sync each fail once; nothing half done stays. */
static void
test_a_failed_group_is_refused_as_a_whole(void **state)
{
	size_t after;

	(void)state;
	for (after = 0; after < 3; after++) {
		struct fixture *f = start();

		store_mem_fail(f->store, ENOSPC, after);
		send(f, TEVENT_KEEP, 1);
		send(f, TEVENT_ENROL, 2);
		discard(f, 7);
		turn(f, 0);
		expect(f, TEVENT_KEPT, 1, ENOSPC);
		expect(f, TEVENT_ENROLLED, 2, ENOSPC);
		assert_int_equal(store_mem_count(f->store), 0);
		finish(f);
	}
}

static void
test_while_it_fails_it_is_not_tried_for_each(void **state)
{
	struct fixture *f = start();

	(void)state;
	store_mem_fail(f->store, EIO, 0);
	send(f, TEVENT_KEEP, 1);
	turn(f, 0);
	expect(f, TEVENT_KEPT, 1, EIO);
	/* It would work now, but is not asked. */
	store_mem_fail(f->store, 0, 0);
	send(f, TEVENT_KEEP, 2);
	turn(f, KEEPER_RETRY - 1);
	expect(f, TEVENT_KEPT, 2, EIO);
	send(f, TEVENT_KEEP, 3);
	turn(f, 1);
	expect(f, TEVENT_KEPT, 3, 0);
	assert_int_equal(store_mem_count(f->store), 1);
	finish(f);
}

static void
test_it_recovers_by_itself_and_forgets_no_confirmation(void **state)
{
	struct fixture *f = start();

	(void)state;
	send(f, TEVENT_KEEP, 1);
	turn(f, 0);
	expect(f, TEVENT_KEPT, 1, 0);
	store_mem_fail(f->store, EROFS, 0);
	discard(f, 1);
	turn(f, 0);
	turn(f, KEEPER_LINGER);
	assert_int_equal(store_mem_count(f->store), 1);
	turn(f, KEEPER_RETRY);
	store_mem_fail(f->store, 0, 0);
	turn(f, KEEPER_RETRY);
	assert_int_equal(store_mem_count(f->store), 0);
	finish(f);
}

/* The end commits what nobody waits for, without waiting itself. */
/* A commit for a few only while it is not known that there is room. */
static void
test_many_confirmations_are_a_few_commits_when_it_recovers(void **state)
{
	struct fixture *f = start();
	size_t syncs;
	uint64_t key;

	(void)state;
	send(f, TEVENT_KEEP, 1);
	store_mem_fail(f->store, ENOSPC, 0);
	turn(f, 0);
	expect(f, TEVENT_KEPT, 1, ENOSPC);
	for (key = 1; key <= 100000; key++) {
		discard(f, key);
		if (key % 1000 == 0)
			turn(f, 0);
	}
	store_mem_fail(f->store, 0, 0);
	syncs = store_mem_syncs(f->store);
	turn(f, KEEPER_RETRY);
	assert_true(store_mem_syncs(f->store) > syncs);
	assert_true(store_mem_syncs(f->store) < syncs + 20);
	send(f, TEVENT_KEEP, 200000);
	turn(f, 0);
	expect(f, TEVENT_KEPT, 200000, 0);
	finish(f);
}

static void
test_quit_commits_all(void **state)
{
	struct fixture *f = start();
	struct tevent_plain *quit;

	(void)state;
	send(f, TEVENT_KEEP, 1);
	send(f, TEVENT_KEEP, 2);
	turn(f, 0);
	expect(f, TEVENT_KEPT, 1, 0);
	expect(f, TEVENT_KEPT, 2, 0);
	discard(f, 1);
	quit = tevent_new(TEVENT_QUIT, 0);
	CHANNEL_SEND(f->to, quit);
	assert_null(keeper_run(f->keeper));
	assert_int_equal(store_mem_count(f->store), 1);
	finish(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_waits_is_one_commit),
		cmocka_unit_test(
		    test_confirmations_wait_for_company_but_not_long),
		cmocka_unit_test(
		    test_what_is_confirmed_before_its_commit_is_not_written),
		cmocka_unit_test(test_a_failed_group_is_refused_as_a_whole),
		cmocka_unit_test(test_while_it_fails_it_is_not_tried_for_each),
		cmocka_unit_test(
		    test_it_recovers_by_itself_and_forgets_no_confirmation),
		cmocka_unit_test(
		    test_many_confirmations_are_a_few_commits_when_it_recovers),
		cmocka_unit_test(test_quit_commits_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
