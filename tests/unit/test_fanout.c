/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address.h"
#include "fanout.h"
#include "message.h"

static struct fanout *
start(bool require_ack)
{
	struct message *m = message_new("t", 1, "", 0, 1);
	struct address_list *list;
	struct fanout *f;

	assert_null(address_parse("a,b,c", 5, NULL, &list));
	f = fanout_new(&list, m);
	assert_non_null(f);
	assert_null(list);
	message_unref(&m);
	f->require_ack = require_ack;
	return f;
}

/* What three answers are together; by then nobody waits any more. */
static enum answer
judge(bool require_ack, enum answer a, enum answer b, enum answer c)
{
	struct fanout *f = start(require_ack);
	enum answer all;

	assert_false(fanout_answer(f, 2, c, 3));
	assert_false(fanout_answer(f, 0, a, 1));
	assert_true(fanout_answer(f, 1, b, 2));
	assert_int_equal(f->part[1].mid, 2);
	all = fanout_judge(f);
	fanout_free(&f);
	assert_null(f);
	return all;
}

static void
test_the_worst_is_the_answer_for_all(void **state)
{
	(void)state;
	assert_int_equal(judge(false, ANSWER_OK, ANSWER_OK, ANSWER_OK),
	    ANSWER_OK);
	assert_int_equal(judge(false, ANSWER_OK, ANSWER_ONLINE, ANSWER_OK),
	    ANSWER_ONLINE);
	assert_int_equal(judge(false, ANSWER_OFFLINE, ANSWER_ONLINE, ANSWER_OK),
	    ANSWER_OFFLINE);
	assert_int_equal(judge(false, ANSWER_OFFLINE, ANSWER_OK,
			     ANSWER_UNKNOWN),
	    ANSWER_UNKNOWN);
	/* There trying again helps. */
	assert_int_equal(judge(false, ANSWER_UNKNOWN, ANSWER_QUEUE_FULL,
			     ANSWER_UNKNOWN),
	    ANSWER_QUEUE_FULL);
}

static void
test_one_confirmation_is_enough_if_one_is_required(void **state)
{
	(void)state;
	assert_int_equal(judge(true, ANSWER_NOT_CONFIRMED, ANSWER_OK,
			     ANSWER_UNKNOWN),
	    ANSWER_OK);
	assert_int_equal(judge(true, ANSWER_OFFLINE, ANSWER_OK, ANSWER_ONLINE),
	    ANSWER_OFFLINE);
	assert_int_equal(judge(true, ANSWER_NOT_CONFIRMED, ANSWER_UNKNOWN,
			     ANSWER_NOT_CONFIRMED),
	    ANSWER_NOT_CONFIRMED);
	assert_int_equal(judge(true, ANSWER_UNKNOWN, ANSWER_UNKNOWN,
			     ANSWER_UNKNOWN),
	    ANSWER_UNKNOWN);
}

static void
test_then_the_others_shall_have_it_too(void **state)
{
	struct fanout *f = start(true);

	(void)state;
	fanout_answer(f, 0, ANSWER_NOT_CONFIRMED, 0);
	fanout_answer(f, 1, ANSWER_OK, 5);
	fanout_answer(f, 2, ANSWER_UNKNOWN, 0);
	assert_int_equal(fanout_again(f), 1);
	assert_true(f->part[0].waits);
	assert_false(f->part[1].waits || f->part[2].waits);
	assert_true(fanout_answer(f, 0, ANSWER_OFFLINE, 6));
	assert_int_equal(fanout_again(f), 0);
	assert_int_equal(fanout_judge(f), ANSWER_OFFLINE);
	fanout_free(&f);
}

static void
test_what_nobody_has_is_not_sent_again(void **state)
{
	struct fanout *f = start(true);

	(void)state;
	fanout_answer(f, 0, ANSWER_NOT_CONFIRMED, 0);
	fanout_answer(f, 1, ANSWER_NOT_CONFIRMED, 0);
	fanout_answer(f, 2, ANSWER_NOT_CONFIRMED, 0);
	assert_int_equal(fanout_again(f), 0);
	fanout_free(&f);
	f = start(false);
	fanout_answer(f, 0, ANSWER_OK, 1);
	fanout_answer(f, 1, ANSWER_OFFLINE, 2);
	fanout_answer(f, 2, ANSWER_QUEUE_FULL, 3);
	assert_int_equal(fanout_again(f), 0);
	fanout_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_worst_is_the_answer_for_all),
		cmocka_unit_test(
		    test_one_confirmation_is_enough_if_one_is_required),
		cmocka_unit_test(test_then_the_others_shall_have_it_too),
		cmocka_unit_test(test_what_nobody_has_is_not_sent_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
