/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event.h>

#include "channel.h"
#include "doorbell.h"
#include "tevent.h"
#include "watchdog.h"

#define INTERVAL 1000 /* microseconds */

struct fixture {
	struct event_base *base;
	struct doorbell *bell;
	struct channel *to_broker;
	struct watchdog *watchdog;
	unsigned int alive; /* how often on_alive was called */
};

static void
on_alive(void *arg)
{
	struct fixture *f = arg;

	f->alive++;
}

static int
setup(void **state)
{
	static struct fixture f;

	f.alive = 0;
	f.base = event_base_new();
	f.bell = doorbell_new();
	f.to_broker = channel_new(f.bell);
	f.watchdog =
	    watchdog_new(f.base, INTERVAL, f.to_broker, 2, on_alive, &f);
	*state = &f;
	return f.watchdog == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	watchdog_free(&f->watchdog);
	watchdog_free(&f->watchdog);
	channel_free(&f->to_broker);
	doorbell_free(&f->bell);
	event_base_free(f->base);
	return f->watchdog == NULL ? 0 : -1;
}

/* The timer has come once more; true when the broker got a BEAT. */
static bool
turn(struct fixture *f)
{
	struct tevent *ev;
	bool beat;

	event_base_loop(f->base, EVLOOP_ONCE);
	ev = channel_receive(f->to_broker);
	beat = ev != NULL;
	assert_true(ev == NULL || ev->type == TEVENT_BEAT);
	tevent_free(&ev);
	return beat;
}

static void
test_alive_when_all_are_back(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		assert_true(turn(f));
		watchdog_on_beat(f->watchdog);
		assert_int_equal(f->alive, i);
		watchdog_on_beat(f->watchdog);
		assert_int_equal(f->alive, i + 1);
	}
}

static void
test_silent_while_one_is_missing(void **state)
{
	struct fixture *f = *state;

	assert_true(turn(f));
	watchdog_on_beat(f->watchdog);
	assert_false(turn(f));
	assert_false(turn(f));
	assert_int_equal(f->alive, 0);
	watchdog_on_beat(f->watchdog);
	assert_int_equal(f->alive, 1);
	assert_true(turn(f));
}

static void
test_none(void **state)
{
	(void)state;
	watchdog_on_beat(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alive_when_all_are_back,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_silent_while_one_is_missing, setup, teardown),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
