/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"

static void
test_bound_doubles_to_the_most(void **state)
{
	static const uint32_t bounds[] = { 500, 1000, 2000, 4000, 8000, 16000,
		32000, 60000, 60000, 60000 };
	struct backoff b = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		assert_int_equal(backoff_next(&b, UINT32_MAX), bounds[i]);
}

static void
test_chance_spreads_over_the_whole_range(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	assert_int_equal(backoff_next(&b, 0), BACKOFF_LEAST);
	b.tries = 0;
	assert_in_range(backoff_next(&b, UINT32_MAX / 2), 270, 280);
}

static void
test_success_starts_over(void **state)
{
	struct backoff b = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		backoff_next(&b, 1);
	b.tries = 0;
	assert_int_equal(backoff_next(&b, UINT32_MAX), BACKOFF_FIRST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_doubles_to_the_most),
		cmocka_unit_test(test_chance_spreads_over_the_whole_range),
		cmocka_unit_test(test_success_starts_over),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
