/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "conf_token.h"

static char directory[] = "/tmp/test_conf_token.XXXXXX";
static char file[64];
static char *report; /* of the last load */

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/t", directory);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(report);
	unlink(file);
	return rmdir(directory);
}

static void
write_file(const char *text, size_t len)
{
	FILE *fp = fopen(file, "w");

	assert_non_null(fp);
	assert_int_equal(fwrite(text, 1, len, fp), len);
	assert_int_equal(fclose(fp), 0);
}

/* A configuration with TOKEN_FILE on line 2, and MEMBERS after it. */
static struct conf *
load(const char *members)
{
	struct conf_source src = { .file = "f" };
	struct conf *c;
	char text[256];
	size_t len;
	FILE *out;

	free(report);
	out = open_memstream(&report, &len);
	snprintf(text, sizeof(text), "{\n\"TOKEN_FILE\": \"%s\"%s}", file,
	    members);
	c = conf_parse_text(&src, text, strlen(text), out);
	fclose(out);
	assert_int_equal(c == NULL, report[0] != '\0');
	return c;
}

static struct conf *
load_text(const char *text)
{
	write_file(text, strlen(text));
	return load("");
}

/* The only token in TEXT is WANT. */
static void
check_one(const char *text, const char *want)
{
	struct conf *c = load_text(text);

	if (c == NULL)
		fail_msg("%s", report);
	assert_int_equal(c->token.count, 1);
	assert_string_equal(c->token.item[0], want);
	conf_unref(&c);
}

static void
check_report(const char *want)
{
	size_t n = strlen(file);

	assert_memory_equal(report, file, n);
	assert_string_equal(report + n, want);
}

static void
test_lines(void **state)
{
	(void)state;
	check_one("abc", "abc");
	check_one("abc\n", "abc");
	check_one("abc\r\n", "abc");
	check_one("\n\r\n# no\n#no\na#c\n\n#", "a#c");
	check_one(" a b ", " a b ");
	check_one("\xc3\xa4\n", "\xc3\xa4");
}

static void
test_several(void **state)
{
	struct conf *c;

	(void)state;
	write_file("two\nthree\n", 10);
	c = load(", \"TOKEN\": \"one\"");
	assert_non_null(c);
	assert_int_equal(c->token.count, 3);
	assert_true(conf_token_valid(c, "one", 3));
	assert_true(conf_token_valid(c, "two", 3));
	assert_true(conf_token_valid(c, "three", 5));
	conf_unref(&c);
}

static void
test_none(void **state)
{
	(void)state;
	assert_null(load_text(""));
	check_report(":1: there is no token in it\n");
	assert_null(load_text("# only\n\n"));
	check_report(":1: there is no token in it\n");
}

/* What is wrong is named by its line, and the secret is not shown. */
static void
test_bad_lines(void **state)
{
	(void)state;
	assert_null(load_text("a\n\nhunter2\xff\n"));
	check_report(":3: a token must be valid UTF-8\n");
	write_file("a\n# \0\nhun\0ter2\n", 15);
	assert_null(load(""));
	check_report(":3: a token cannot have U+0000 in it\n");
}

static void
test_sizes(void **state)
{
	char *text = malloc(CONF_TOKEN_FILE_MAX + 1);
	struct conf *c;

	(void)state;
	memset(text, 'x', CONF_TOKEN_FILE_MAX + 1);
	write_file(text, CONF_TOKEN_MAX);
	c = load("");
	assert_non_null(c);
	assert_int_equal(strlen(c->token.item[0]), CONF_TOKEN_MAX);
	conf_unref(&c);
	write_file(text, CONF_TOKEN_MAX + 1);
	assert_null(load(""));
	check_report(":1: a token cannot be longer than 65536 bytes\n");
	memset(text, '\n', CONF_TOKEN_FILE_MAX);
	write_file(text, CONF_TOKEN_FILE_MAX);
	assert_null(load(""));
	check_report(":1: there is no token in it\n");
	write_file(text, CONF_TOKEN_FILE_MAX + 1);
	assert_null(load(""));
	check_report(":1: is larger than 1048576 bytes\n");
	free(text);
}

static void
check_unreadable(const char *why)
{
	char want[256];

	assert_null(load(""));
	snprintf(want, sizeof(want), "f:2: TOKEN_FILE: cannot read %s: %s\n",
	    file, why);
	assert_string_equal(report, want);
}

static void
test_unreadable(void **state)
{
	(void)state;
	unlink(file);
	check_unreadable("No such file or directory");
	assert_int_equal(mkfifo(file, 0600), 0);
	check_unreadable("not a regular file");
	unlink(file);
	assert_int_equal(mkdir(file, 0700), 0);
	check_unreadable("not a regular file");
	assert_int_equal(rmdir(file), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
