/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dedup.h"

static void
test_what_was_added_is_found_until_its_time(void **state)
{
	struct dedup *d = NULL;
	uint64_t mid = 0;

	(void)state;
	assert_false(dedup_find(d, 7, 0, &mid));
	dedup_forget(d, 1);
	dedup_add(&d, 7, 70, 100);
	dedup_add(&d, 8, 80, 200);
	assert_true(dedup_find(d, 7, 99, &mid));
	assert_int_equal(mid, 70);
	assert_false(dedup_find(d, 7, 100, &mid));
	assert_true(dedup_find(d, 8, 100, &mid));
	assert_int_equal(mid, 80);
	assert_false(dedup_find(d, 9, 0, &mid));
	assert_false(dedup_find(d, 0, 0, &mid));
	dedup_free(&d);
	assert_null(d);
}

static void
test_what_is_forgotten_is_not_found(void **state)
{
	struct dedup *d = NULL;
	uint64_t mid;

	(void)state;
	dedup_add(&d, 7, 70, 100);
	dedup_add(&d, 8, 80, 100);
	dedup_forget(d, 70);
	assert_false(dedup_find(d, 7, 0, &mid));
	assert_true(dedup_find(d, 8, 0, &mid));
	dedup_free(&d);
}

static void
test_the_oldest_makes_room(void **state)
{
	struct dedup *d = NULL;
	uint64_t mid, i;

	(void)state;
	for (i = 1; i <= DEDUP_MAX + 1; i++)
		dedup_add(&d, i, i * 10, 100);
	assert_false(dedup_find(d, 1, 0, &mid));
	for (i = 2; i <= DEDUP_MAX + 1; i++)
		assert_true(dedup_find(d, i, 0, &mid) && mid == i * 10);
	dedup_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_added_is_found_until_its_time),
		cmocka_unit_test(test_what_is_forgotten_is_not_found),
		cmocka_unit_test(test_the_oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
