/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "privs.h"

#define OTHER "nobody" /* a user that every Debian has, with no groups */

/* The exit status of FN in a process of its own. */
static int
run(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* What is wrong about us as the user OTHER, by a number; 0: nothing. */
static int
as_other(void)
{
	const struct passwd *pw = getpwnam(OTHER);
	gid_t groups[2];

	if (pw == NULL || privs_drop(OTHER) != 0)
		return 1;
	if (getuid() != pw->pw_uid || geteuid() != pw->pw_uid)
		return 2;
	if (getgid() != pw->pw_gid || getegid() != pw->pw_gid)
		return 3;
	if (getgroups(2, groups) != 1 || groups[0] != pw->pw_gid)
		return 4;
	if (setuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
		return 5;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 6;
}

/* Who is not root stays who he is. */
static int
as_ourselves(void)
{
	uid_t uid = getuid();

	if (uid == 0 && (privs_drop(OTHER) != 0 || (uid = getuid()) == 0))
		return 1;
	return privs_drop("root") == 0 && getuid() == uid ? 0 : 2;
}

static int
as_nobody_there(void)
{
	return privs_drop("no such user") == -1 ? 0 : 1;
}

static void
test_root_becomes_the_user(void **state)
{
	(void)state;
	if (getuid() == 0)
		assert_int_equal(run(as_other), 0);
	else
		assert_int_equal(run(as_ourselves), 0);
}

static void
test_others_stay(void **state)
{
	(void)state;
	assert_int_equal(run(as_ourselves), 0);
}

static void
test_no_user(void **state)
{
	uid_t uid = getuid();

	(void)state;
	assert_int_equal(privs_drop(NULL), 0);
	assert_int_equal(getuid(), uid);
	if (uid == 0)
		assert_int_equal(run(as_nobody_there), 0);
	else
		assert_int_equal(run(as_nobody_there), 1);
}

static void
test_names(void **state)
{
	(void)state;
	assert_null(privs_user_fault("root"));
	assert_null(privs_user_fault(OTHER));
	assert_string_equal(privs_user_fault("no such user"),
	    "there is no such user");
	assert_string_equal(privs_user_fault(""), "there is no such user");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_becomes_the_user),
		cmocka_unit_test(test_others_stay),
		cmocka_unit_test(test_no_user),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
