/* SPDX-License-Identifier: ISC */
/*
 * test_wheel - the timing wheel against a plain array of what was set.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "wheel.h"

#define TIMERS 300
#define ROUNDS 60000
#define START  123456789 /* milliseconds */

struct model {
	struct wheel wheel;
	struct wheel_timer timer[TIMERS];
	uint64_t due[TIMERS]; /* or when it was set, if that is later */
	bool set[TIMERS];
	uint64_t now;
	uint64_t fired;
};

static uint64_t seed;

static uint64_t
random_below(uint64_t n)
{
	uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

static void
model_init(struct model *m, uint64_t now)
{
	memset(m, 0, sizeof(*m));
	m->now = now;
	wheel_init(&m->wheel, now);
}

static void
model_set(struct model *m, size_t i, uint64_t due)
{
	wheel_set(&m->wheel, &m->timer[i], due);
	m->due[i] = due > m->now ? due : m->now;
	m->set[i] = true;
}

static void
model_cancel(struct model *m, size_t i)
{
	wheel_cancel(&m->wheel, &m->timer[i]);
	m->set[i] = false;
}

/* Take one timer; it must be one that is set and due.  False: none came. */
static bool
model_pop(struct model *m)
{
	struct wheel_timer *t = wheel_pop(&m->wheel, m->now);
	size_t i;

	if (t == NULL)
		return false;
	assert_true(t >= m->timer && t < m->timer + TIMERS);
	i = (size_t)(t - m->timer);
	assert_true(m->set[i]);
	assert_true(m->due[i] <= m->now);
	assert_false(wheel_is_set(t));
	m->set[i] = false;
	m->fired++;
	return true;
}

/* After this nothing may be left that was due a tick ago. */
static void
model_pop_all(struct model *m)
{
	size_t i;

	while (model_pop(m))
		;
	for (i = 0; i < TIMERS; i++) {
		if (m->set[i])
			assert_true(m->due[i] + WHEEL_TICK > m->now);
	}
}

/* wheel_wait and wheel_is_set must agree with the model. */
static int
model_check_wait(struct model *m)
{
	int wait = wheel_wait(&m->wheel, m->now);
	bool any = false;
	size_t i;

	for (i = 0; i < TIMERS; i++) {
		assert_int_equal(wheel_is_set(&m->timer[i]), m->set[i]);
		if (!m->set[i])
			continue;
		any = true;
		assert_true(wait >= 0);
		if (m->now < m->due[i] + WHEEL_TICK)
			assert_true(
			    m->now + (uint64_t)wait <= m->due[i] + WHEEL_TICK);
		else
			assert_int_equal(wait, 0);
	}
	if (!any)
		assert_int_equal(wait, -1);
	return wait;
}

/* A time before, at, near, within a turn of the wheel, or many turns away. */
static uint64_t
model_random_due(const struct model *m)
{
	switch (random_below(6)) {
	case 0:
		return m->now - random_below(20000);
	case 1:
		return m->now;
	case 2:
		return m->now + random_below(3 * WHEEL_TICK);
	case 3:
		return m->now +
		       (WHEEL_SLOTS - 2 + random_below(5)) * WHEEL_TICK;
	case 4:
		return m->now + random_below(100000);
	default:
		return m->now + random_below(5000);
	}
}

static uint64_t
model_random_step(void)
{
	switch (random_below(16)) {
	case 0:
		return random_below(30000);
	case 1:
		return WHEEL_SLOTS * WHEEL_TICK;
	case 2:
	case 3:
		return random_below(500);
	default:
		return random_below(2 * WHEEL_TICK);
	}
}

static void
model_random_operation(struct model *m, size_t timers)
{
	size_t i = random_below(timers);

	switch (random_below(8)) {
	case 0:
	case 1:
	case 2:
		model_set(m, i, model_random_due(m));
		break;
	case 3:
		model_cancel(m, i);
		break;
	case 4:
	case 5:
		m->now += model_random_step();
		break;
	case 6:
		/* Some stay behind, expired, to be set or cancelled there. */
		for (i = random_below(4); i > 0 && model_pop(m); i--)
			;
		break;
	default:
		model_pop_all(m);
		break;
	}
}

static void
test_against_model(void **state)
{
	static const size_t timers[] = { 1, 3, 20, TIMERS };
	struct model m;
	size_t i, k;

	(void)state;
	for (k = 0; k < sizeof(timers) / sizeof(timers[0]); k++) {
		seed = 1000 + k;
		model_init(&m, k == 0 ? 20000 : START + k);
		for (i = 0; i < ROUNDS; i++) {
			model_random_operation(&m, timers[k]);
			if (i % 4 == 0)
				(void)model_check_wait(&m);
		}
		assert_true(m.fired > ROUNDS / 100);
	}
}

/* Who sleeps exactly as long as wheel_wait says is never late or idle. */
static void
test_sleeper(void **state)
{
	struct model m;
	size_t i, turns = 0;
	int wait;

	(void)state;
	seed = 7;
	model_init(&m, START);
	for (i = 0; i < TIMERS; i++)
		model_set(&m, i, m.now + random_below(60000));
	while ((wait = model_check_wait(&m)) != -1) {
		m.now += (uint64_t)wait;
		model_pop_all(&m);
		wait = wheel_wait(&m.wheel, m.now);
		assert_int_not_equal(wait, 0);
		turns++;
	}
	assert_int_equal(m.fired, TIMERS);
	/* Once for each timer and once for each turn that it waits. */
	assert_true(turns <= TIMERS * 9);
}

/* A timer that its owner sets again each time it fires keeps its period. */
static void
test_periodic(void **state)
{
	const uint64_t period = 100;
	struct model m;
	uint64_t end;

	(void)state;
	model_init(&m, START);
	model_set(&m, 0, m.now + period);
	for (end = m.now + 100000; m.now < end; m.now++) {
		if (model_pop(&m))
			model_set(&m, 0, m.due[0] + period);
	}
	assert_in_range(m.fired, 998, 1000);
}

static void
test_boundaries(void **state)
{
	struct wheel_timer t;
	struct wheel w;
	uint64_t at;

	(void)state;
	memset(&t, 0, sizeof(t));
	for (at = START; at < START + WHEEL_TICK; at++) {
		wheel_init(&w, START);
		wheel_set(&w, &t, at + WHEEL_TICK);
		assert_null(wheel_pop(&w, at + WHEEL_TICK - 1));
		assert_ptr_equal(wheel_pop(&w, at + 2 * WHEEL_TICK), &t);
		assert_null(wheel_pop(&w, at + 2 * WHEEL_TICK));
	}
	/* At time 0 tick 0, which also means "not set", is never used. */
	wheel_init(&w, 0);
	wheel_set(&w, &t, 0);
	assert_true(wheel_is_set(&t));
	assert_ptr_equal(wheel_pop(&w, WHEEL_TICK), &t);
}

/* Each place in the ring of slots, seen from each other place. */
static void
test_every_slot(void **state)
{
	struct wheel_timer t;
	struct wheel w;
	uint64_t now, away;

	(void)state;
	memset(&t, 0, sizeof(t));
	for (now = 0; now < WHEEL_SLOTS; now += 61) {
		for (away = 1; away <= WHEEL_SLOTS + 1; away++) {
			wheel_init(&w, now * WHEEL_TICK);
			wheel_set(&w, &t, (now + away) * WHEEL_TICK);
			assert_int_equal(wheel_wait(&w, now * WHEEL_TICK),
			    (away > WHEEL_SLOTS ? away - WHEEL_SLOTS : away) *
				WHEEL_TICK);
			assert_null(
			    wheel_pop(&w, (now + away) * WHEEL_TICK - 1));
			assert_ptr_equal(wheel_pop(&w,
					     (now + away) * WHEEL_TICK),
			    &t);
			assert_int_equal(wheel_wait(&w, 0), -1);
		}
	}
}

static void
test_cancel(void **state)
{
	struct wheel_timer a, b;
	struct wheel w;

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	wheel_init(&w, START);
	wheel_cancel(&w, &a);
	assert_false(wheel_is_set(&a));
	wheel_set(&w, &a, START + 50);
	wheel_set(&w, &a, START + 5000);
	assert_null(wheel_pop(&w, START + 100));
	wheel_cancel(&w, &a);
	wheel_cancel(&w, &a);
	assert_int_equal(wheel_wait(&w, START + 100), -1);

	/* One of two that have expired together, before it was taken. */
	wheel_set(&w, &a, START + 200);
	wheel_set(&w, &b, START + 200);
	if (wheel_pop(&w, START + 300) == &a) {
		assert_int_equal(wheel_wait(&w, START + 300), 0);
		wheel_cancel(&w, &b);
	} else {
		wheel_cancel(&w, &a);
	}
	assert_null(wheel_pop(&w, START + 100000));
	assert_int_equal(wheel_wait(&w, START + 100000), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_sleeper),
		cmocka_unit_test(test_periodic),
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_every_slot),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
