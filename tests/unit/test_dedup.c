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
	dedup_add(&d, 7, 70, 0, 100);
	dedup_add(&d, 8, 80, 0, 200);
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
	dedup_add(&d, 7, 70, 0, 100);
	dedup_add(&d, 8, 80, 0, 100);
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
		dedup_add(&d, i, i * 10, 0, 100);
	assert_false(dedup_find(d, 1, 0, &mid));
	for (i = 2; i <= DEDUP_MAX + 1; i++)
		assert_true(dedup_find(d, i, 0, &mid) && mid == i * 10);
	dedup_free(&d);
}

/* It grows only for what is remembered still, and from any place of the ring. */
static void
test_what_is_over_makes_room_first(void **state)
{
	struct dedup *d = NULL;
	uint64_t mid, i;

	(void)state;
	for (i = 1; i <= DEDUP_MIN + 5; i++)
		dedup_add(&d, i, i, i <= 5 ? 0 : 100, i <= 5 ? 100 : 200);
	for (i = 1; i <= 5; i++)
		assert_false(dedup_find(d, i, 0, &mid));
	dedup_add(&d, 1000, 1, 150, 300);
	for (i = 6; i <= DEDUP_MIN + 5; i++)
		assert_true(dedup_find(d, i, 150, &mid) && mid == i);
	assert_true(dedup_find(d, 1000, 150, &mid));
	dedup_free(&d);
}

static void
test_it_is_freed_when_all_is_over(void **state)
{
	struct dedup *d = NULL;

	(void)state;
	dedup_expire(&d, 0);
	dedup_add(&d, 7, 70, 0, 200);
	dedup_add(&d, 8, 80, 0, 100);
	dedup_expire(&d, 199);
	assert_non_null(d);
	dedup_expire(&d, 200);
	assert_null(d);
}

static void
test_what_happens_again_is_no_repetition(void **state)
{
	uint64_t fires = dedup_hash(1, 5, 1000), ends = dedup_hash(2, 5, 1000);
	uint64_t again = dedup_hash(1, 5, 31000), other = dedup_hash(3, 6, 0);
	struct dedup *d = NULL;
	uint64_t mid;

	(void)state;
	dedup_add(&d, other, 10, 0, 100);
	dedup_add(&d, fires, 20, 0, 100);
	/* Another's clock may differ. */
	assert_true(dedup_find(d, again, 0, &mid) && mid == 20);
	dedup_add(&d, ends, 30, 0, 100);
	assert_true(dedup_find(d, fires, 0, &mid) && mid == 20);
	assert_true(dedup_find(d, ends, 0, &mid) && mid == 30);
	assert_false(dedup_find(d, again, 0, &mid));
	dedup_add(&d, again, 40, 0, 100);
	assert_true(dedup_find(d, again, 0, &mid) && mid == 40);
	assert_true(dedup_find(d, other, 0, &mid) && mid == 10);
	assert_true(dedup_find(d, dedup_hash(3, 6, 9), 0, &mid));
	dedup_free(&d);
}

/* Without a group nothing is known of what came between. */
static void
test_without_a_group_the_same_is_the_same(void **state)
{
	struct dedup *d = NULL;
	uint64_t mid;

	(void)state;
	dedup_add(&d, dedup_hash(1, 0, 1000), 20, 0, 100);
	dedup_add(&d, dedup_hash(2, 0, 1000), 30, 0, 100);
	assert_true(dedup_find(d, dedup_hash(1, 0, 2000), 0, &mid));
	assert_true(dedup_hash(0, 0, 0) != 0);
	dedup_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_added_is_found_until_its_time),
		cmocka_unit_test(test_what_is_forgotten_is_not_found),
		cmocka_unit_test(test_the_oldest_makes_room),
		cmocka_unit_test(test_what_is_over_makes_room_first),
		cmocka_unit_test(test_it_is_freed_when_all_is_over),
		cmocka_unit_test(test_what_happens_again_is_no_repetition),
		cmocka_unit_test(test_without_a_group_the_same_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
