/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "activation.h"

static int
count_for(int pid, const char *fds)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	setenv("LISTEN_PID", text, 1);
	if (fds != NULL)
		setenv("LISTEN_FDS", fds, 1);
	else
		unsetenv("LISTEN_FDS");
	return activation_count();
}

static void
test_count(void **state)
{
	(void)state;
	assert_int_equal(count_for(getpid(), "1"), 1);
	assert_int_equal(count_for(getpid(), "64"), 64);
	assert_int_equal(count_for(getpid(), NULL), 0);
	assert_int_equal(count_for(getppid(), "1"), 0);
	assert_int_equal(count_for(getppid(), "x"), 0);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "", 1);
	assert_int_equal(activation_count(), 0);
	unsetenv("LISTEN_PID");
	assert_int_equal(activation_count(), 0);
}

static void
test_bad_count(void **state)
{
	static const char *const bad[] = { "", "0", "-1", "65", "1x", "x" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(count_for(getpid(), bad[i]), -1);
}

static void
test_names(void **state)
{
	(void)state;
	setenv("LISTEN_FDNAMES", "ws:http::wsx", 1);
	assert_true(activation_is_named(0, "ws"));
	assert_true(activation_is_named(1, "http"));
	assert_true(activation_is_named(2, ""));
	assert_true(activation_is_named(3, "wsx"));
	assert_false(activation_is_named(0, "w"));
	assert_false(activation_is_named(0, "ws:http"));
	assert_false(activation_is_named(1, "ws"));
	assert_false(activation_is_named(3, "ws"));
	assert_false(activation_is_named(4, "ws"));
	assert_false(activation_is_named(4, ""));
	unsetenv("LISTEN_FDNAMES");
	assert_false(activation_is_named(0, ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_bad_count),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
