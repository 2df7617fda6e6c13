/* SPDX-License-Identifier: ISC */
/*
 * test_channel - channels, doorbells and the events that travel in them, as
 * one thread sees them; tests/stress has several.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "doorbell.h"
#include "message.h"
#include "tevent.h"

#define MANY 10000 /* more than a pipe holds */

struct fixture {
	struct doorbell *bell;
	struct channel *ch;
};

static int
setup(void **state)
{
	static struct fixture f;

	f.bell = doorbell_new();
	f.ch = channel_new(f.bell);
	*state = &f;
	return f.bell == NULL || f.ch == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	channel_free(&f->ch);
	channel_free(&f->ch);
	doorbell_free(&f->bell);
	doorbell_free(&f->bell);
	return f->ch != NULL || f->bell != NULL ? -1 : 0;
}

/* How often the bell has rung since the last call. */
static uint64_t
count_rings(struct doorbell *bell)
{
	uint64_t n;

	if (read(doorbell_fd(bell), &n, sizeof(n)) == (ssize_t)sizeof(n))
		return n;
	assert_int_equal(errno, EAGAIN);
	return 0;
}

static void
send_number(struct channel *ch, uint64_t number)
{
	struct tevent_answer *ev = tevent_new(TEVENT_ANSWER, 0);

	ev->mid = number;
	CHANNEL_SEND(ch, ev);
	assert_null(ev);
}

static void
receive_number(struct channel *ch, uint64_t number)
{
	struct tevent *ev;

	assert_true(channel_ready(ch));
	ev = channel_receive(ch);
	assert_non_null(ev);
	assert_int_equal(ev->type, TEVENT_ANSWER);
	assert_true(((struct tevent_answer *)ev)->mid == number);
	tevent_free(&ev);
	assert_null(ev);
}

static void
receive_nothing(struct channel *ch)
{
	assert_false(channel_ready(ch));
	assert_null(channel_receive(ch));
}

static void
test_bell_rings_once(void **state)
{
	struct fixture *f = *state;

	doorbell_ring(f->bell);
	assert_int_equal(count_rings(f->bell), 0);
	doorbell_arm(f->bell);
	doorbell_ring(f->bell);
	doorbell_ring(f->bell);
	assert_int_equal(count_rings(f->bell), 1);
	doorbell_arm(f->bell);
	doorbell_disarm(f->bell);
	doorbell_ring(f->bell);
	assert_int_equal(count_rings(f->bell), 0);
}

/* Each ring ends one wait, though nobody reads the descriptor. */
static void
test_bell_wakes(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 3; i++) {
		doorbell_arm(f->bell);
		doorbell_ring(f->bell);
		doorbell_wait(f->bell, -1);
	}
	assert_int_equal(count_rings(f->bell), 3);
	doorbell_arm(f->bell);
	doorbell_wait(f->bell, 1);
}

/* The receiver is woken at a flush, and only if it sleeps. */
static void
test_flush_rings(void **state)
{
	struct fixture *f = *state;

	doorbell_arm(f->bell);
	channel_flush(f->ch);
	assert_int_equal(count_rings(f->bell), 0);
	send_number(f->ch, 1);
	send_number(f->ch, 2);
	assert_int_equal(count_rings(f->bell), 0);
	channel_flush(f->ch);
	assert_int_equal(count_rings(f->bell), 1);
	receive_number(f->ch, 1);
	receive_number(f->ch, 2);
	receive_nothing(f->ch);

	send_number(f->ch, 3);
	channel_flush(f->ch);
	assert_int_equal(count_rings(f->bell), 0);
	doorbell_arm(f->bell);
	channel_flush(f->ch);
	assert_int_equal(count_rings(f->bell), 0);
	receive_number(f->ch, 3);
}

/* What does not fit waits, in order, and goes out as room comes. */
static void
test_spill(void **state)
{
	struct fixture *f = *state;
	uint64_t sent, got = 0;
	size_t stuck = 0;
	bool news;

	for (sent = 0; sent < MANY; sent++)
		send_number(f->ch, sent);
	assert_true(channel_stuck(f->ch));
	doorbell_arm(f->bell);
	channel_flush(f->ch);
	assert_int_equal(count_rings(f->bell), 1);
	while (got < sent) {
		while (channel_ready(f->ch))
			receive_number(f->ch, got++);
		news = channel_stuck(f->ch);
		stuck += news;
		/* New ones must not overtake those that wait. */
		if (sent < MANY + 10) {
			send_number(f->ch, sent++);
			news = true;
		}
		doorbell_arm(f->bell);
		channel_flush(f->ch);
		assert_int_equal(count_rings(f->bell), news);
	}
	assert_true(stuck > 1);
	assert_false(channel_stuck(f->ch));
	receive_nothing(f->ch);
}

/* One at a time across the edge of the pipe. */
static void
test_spill_by_one(void **state)
{
	struct fixture *f = *state;
	uint64_t sent = 0, got = 0;

	while (!channel_stuck(f->ch)) {
		send_number(f->ch, sent++);
		channel_flush(f->ch);
		assert_true(sent < MANY);
	}
	for (; got < MANY; sent++) {
		receive_number(f->ch, got++);
		assert_true(channel_stuck(f->ch));
		channel_flush(f->ch);
		assert_false(channel_stuck(f->ch));
		send_number(f->ch, sent);
		assert_true(channel_stuck(f->ch));
	}
}

static void
send_push(struct channel *ch)
{
	struct tevent_push *ev = tevent_new(TEVENT_PUSH, 4);

	ev->message = message_new("t", 1, "c", 1, 1);
	ev->id_len = 4;
	memcpy(ev->id, "test", 4);
	CHANNEL_SEND(ch, ev);
}

static void
send_deliver(struct channel *ch)
{
	struct tevent_deliver *ev;
	size_t i;

	ev = tevent_new(TEVENT_DELIVER, 3 * sizeof(ev->item[0]));
	/* The third place stays empty. */
	for (i = 0; i < 2; i++) {
		ev->item[i].message = message_new("t", 1, "c", 1, 1);
		ev->count++;
	}
	CHANNEL_SEND(ch, ev);
}

static void
send_ack(struct channel *ch)
{
	struct tevent_ack *ev = tevent_new(TEVENT_ACK, 0);

	ev->mids = calloc(2, sizeof(ev->mids[0]));
	ev->count = 2;
	CHANNEL_SEND(ch, ev);
}

/* What nobody has received is freed, in the pipe and behind it (leaks). */
static void
test_free_with_content(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < MANY / 3; i++) {
		send_push(f->ch);
		send_deliver(f->ch);
		send_ack(f->ch);
	}
	assert_true(channel_stuck(f->ch));
}

static void
test_event_types(void **state)
{
	struct tevent *ev;
	int type, other;

	(void)state;
	for (type = 0; type < TEVENT_TYPES; type++) {
		ev = tevent_new((enum tevent_type)type, 10);
		assert_int_equal(ev->type, type);
		tevent_free(&ev);
		assert_null(ev);
		for (other = 0; other < type; other++)
			assert_string_not_equal(tevent_name(
						    (enum tevent_type)type),
			    tevent_name((enum tevent_type)other));
	}
	tevent_free(&ev);
	assert_string_equal(tevent_name(TEVENT_PUSH), "PUSH");
	assert_string_equal(tevent_name(TEVENT_TYPES), "?");
}

int
main(void)
{
#define CHANNEL_TEST(test)                                                     \
	cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CHANNEL_TEST(test_bell_rings_once),
		CHANNEL_TEST(test_bell_wakes),
		CHANNEL_TEST(test_flush_rings),
		CHANNEL_TEST(test_spill),
		CHANNEL_TEST(test_spill_by_one),
		CHANNEL_TEST(test_free_with_content),
		cmocka_unit_test(test_event_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
