/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "overdue.h"

#define START (UINT64_C(1795435619563) / OVERDUE_SLOT * OVERDUE_SLOT)

static uint64_t
count_all(const struct overdue *o)
{
	uint64_t sum = o->young;
	int i;

	for (i = 0; i < OVERDUE_PRIORITIES; i++)
		sum += overdue_count(o, i);
	return sum;
}

static void
test_a_message_is_overdue_after_its_time(void **state)
{
	struct overdue o = { 0 };

	(void)state;
	overdue_advance(&o, START);
	assert_false(overdue_ripens(&o));
	overdue_add(&o, START, 5);
	overdue_add(&o, START + 1, 0);
	assert_true(overdue_ripens(&o));
	overdue_advance(&o, START + OVERDUE_AFTER - OVERDUE_SLOT);
	assert_int_equal(overdue_count(&o, 5), 0);
	overdue_advance(&o, START + OVERDUE_AFTER);
	assert_int_equal(overdue_count(&o, 5), 1);
	assert_int_equal(overdue_count(&o, 0), 1);
	assert_int_equal(overdue_count(&o, 1), 0);
	assert_false(overdue_ripens(&o));
	overdue_remove(&o, START, 5);
	assert_int_equal(overdue_count(&o, 5), 0);
	assert_int_equal(overdue_count(&o, 0), 1);
}

static void
test_one_that_is_removed_in_time_never_is(void **state)
{
	struct overdue o = { 0 };

	(void)state;
	overdue_advance(&o, START);
	overdue_add(&o, START, 3);
	overdue_advance(&o, START + OVERDUE_AFTER / 2);
	overdue_add(&o, START + OVERDUE_AFTER / 2, 3);
	overdue_remove(&o, START, 3);
	overdue_advance(&o, START + OVERDUE_AFTER);
	assert_int_equal(overdue_count(&o, 3), 0);
	overdue_advance(&o, START + OVERDUE_AFTER * 3 / 2);
	assert_int_equal(overdue_count(&o, 3), 1);
}

/* As after a restart, or a long sleep. */
static void
test_old_ones_are_overdue_at_once(void **state)
{
	struct overdue o = { 0 };

	(void)state;
	overdue_advance(&o, START);
	overdue_add(&o, START - OVERDUE_AFTER, 1);
	overdue_add(&o, START - OVERDUE_AFTER + OVERDUE_SLOT, 1);
	assert_int_equal(overdue_count(&o, 1), 1);
	overdue_advance(&o, START + 100 * OVERDUE_AFTER);
	assert_int_equal(overdue_count(&o, 1), 2);
}

/* Whatever the clock does, in the end there are none left. */
static void
test_a_clock_that_jumps_loses_no_count(void **state)
{
	static const int64_t jumps[] = { 0, 3600000, -7200000, 10000, -40000,
		600000, -600000, 299999 };
	struct overdue o = { 0 };
	uint64_t now = START, times[80];
	size_t i, n = 0;
	int k;

	(void)state;
	for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		now += (uint64_t)jumps[i];
		overdue_advance(&o, now);
		for (k = 0; k < 10; k++) {
			times[n] = now - (uint64_t)k * 20000;
			overdue_add(&o, times[n++], 2);
		}
		assert_int_equal(count_all(&o), n);
	}
	while (n > 0)
		overdue_remove(&o, times[--n], 2);
	overdue_advance(&o, now + OVERDUE_AFTER);
	assert_true(count_all(&o) <= 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_is_overdue_after_its_time),
		cmocka_unit_test(test_one_that_is_removed_in_time_never_is),
		cmocka_unit_test(test_old_ones_are_overdue_at_once),
		cmocka_unit_test(test_a_clock_that_jumps_loses_no_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
