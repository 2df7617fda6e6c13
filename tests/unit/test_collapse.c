/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collapse.h"

static const struct devref one = { 1, 1 }, other = { 1, 2 };

static void
test_the_newest_of_a_key_is_known(void **state)
{
	struct collapse *c = collapse_new();

	(void)state;
	assert_non_null(c);
	assert_int_equal(collapse_get(c, one, 7), 0);
	collapse_set(c, one, 7, 70);
	collapse_set(c, one, 8, 80);
	assert_int_equal(collapse_get(c, one, 7), 70);
	collapse_set(c, one, 7, 90);
	assert_int_equal(collapse_get(c, one, 7), 90);
	collapse_set(c, one, 7, 75);
	assert_int_equal(collapse_get(c, one, 7), 90);
	assert_int_equal(collapse_get(c, one, 8), 80);
	assert_int_equal(collapse_get(c, other, 7), 0);
	assert_int_equal(collapse_count(c), 2);
	collapse_free(&c);
	assert_null(c);
	collapse_free(&c);
}

static void
test_only_the_newest_makes_its_key_unknown(void **state)
{
	struct collapse *c = collapse_new();

	(void)state;
	assert_non_null(c);
	collapse_set(c, one, 7, 70);
	collapse_set(c, other, 7, 71);
	collapse_unset(c, one, 7, 69);
	assert_int_equal(collapse_get(c, one, 7), 70);
	collapse_unset(c, one, 7, 70);
	collapse_unset(c, one, 7, 70);
	assert_int_equal(collapse_get(c, one, 7), 0);
	assert_int_equal(collapse_get(c, other, 7), 71);
	assert_int_equal(collapse_count(c), 1);
	collapse_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_newest_of_a_key_is_known),
		cmocka_unit_test(test_only_the_newest_makes_its_key_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
