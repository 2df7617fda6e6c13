/* SPDX-License-Identifier: ISC */
/*
 * test_pipe - the pipe as one thread sees it; tests/stress has two.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipe.h"

#define ROUNDS 20000

static char items[ROUNDS * 16];

static void
test_full_and_empty(void **state)
{
	static const size_t capacities[] = { 1, 2, 8, 4096 };
	struct pipe *p;
	size_t i, k;

	(void)state;
	for (k = 0; k < sizeof(capacities) / sizeof(capacities[0]); k++) {
		p = pipe_new(capacities[k]);
		assert_non_null(p);
		assert_false(pipe_ready(p));
		assert_null(pipe_get(p));
		for (i = 0; i < capacities[k]; i++)
			assert_true(pipe_put(p, &items[i]));
		assert_false(pipe_put(p, &items[i]));
		/* Room for exactly one once one is out. */
		assert_ptr_equal(pipe_get(p), &items[0]);
		assert_true(pipe_put(p, &items[i]));
		assert_false(pipe_put(p, &items[i]));
		for (i = 1; i <= capacities[k]; i++) {
			assert_true(pipe_ready(p));
			assert_ptr_equal(pipe_get(p), &items[i]);
		}
		assert_false(pipe_ready(p));
		assert_null(pipe_get(p));
		pipe_free(&p);
		assert_null(p);
	}
}

/* Puts and gets by uneven steps, many times around the ring. */
static void
test_order(void **state)
{
	size_t put = 0, got = 0, i, k;
	struct pipe *p = pipe_new(16);

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		for (k = 0; k < i * 7 % 11; k++) {
			if (put - got == 16) {
				assert_false(pipe_put(p, &items[put]));
				break;
			}
			assert_true(pipe_put(p, &items[put++]));
		}
		for (k = 0; k < i * 5 % 13; k++) {
			assert_int_equal(pipe_ready(p), got < put);
			if (got == put) {
				assert_null(pipe_get(p));
				break;
			}
			assert_ptr_equal(pipe_get(p), &items[got++]);
		}
	}
	assert_true(put > ROUNDS);
	while (got < put)
		assert_ptr_equal(pipe_get(p), &items[got++]);
	pipe_free(&p);
	pipe_free(&p);
}

/* FN in a child must die of a broken invariant. */
static void
expect_abort(void (*fn)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
new_of_no_power(void)
{
	(void)pipe_new(12);
}

static void
new_of_nothing(void)
{
	(void)pipe_new(0);
}

static void
put_null(void)
{
	struct pipe *p = pipe_new(4);

	(void)pipe_put(p, NULL);
}

static void
free_with_content(void)
{
	struct pipe *p = pipe_new(4);

	(void)pipe_put(p, items);
	pipe_free(&p);
}

static void
test_invariants(void **state)
{
	(void)state;
	expect_abort(new_of_no_power);
	expect_abort(new_of_nothing);
	expect_abort(put_null);
	expect_abort(free_with_content);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_and_empty),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_invariants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
