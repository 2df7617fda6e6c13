/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "jsontext.h"

/* The copy has no NUL behind it, so that a look beyond the end is found. */
static void
check_blank(const char *text, const char *want)
{
	size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, text, len);
	jsontext_blank_comments(copy, len);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(copy, want, len);
	free(copy);
}

static void
test_blank(void **state)
{
	(void)state;
	check_blank("", "");
	check_blank("1 // a\n2", "1     \n2");
	check_blank("1# a\n2", "1   \n2");
	check_blank("#", " ");
	check_blank("//", "  ");
	check_blank("/", "/");
	check_blank("/ /", "/ /");
	check_blank("# \"\n\"#\"", "   \n\"#\"");
	check_blank("# a // b\n# c", "        \n   ");
}

static void
test_blank_strings(void **state)
{
	(void)state;
	check_blank("\"http://x#y\" # z", "\"http://x#y\"    ");
	check_blank("\"a\\\"#b\" #", "\"a\\\"#b\"  ");
	check_blank("\"a\\\\\" #b", "\"a\\\\\"   ");
	check_blank("\"open # it", "\"open # it");
	check_blank("\"open\\", "\"open\\");
	check_blank("\"", "\"");
}

static void
check_line(const char *text, size_t n, long index, int want)
{
	size_t len = strlen(text);
	char *copy = malloc(len);

	memcpy(copy, text, len);
	assert_int_equal(jsontext_member_line(copy, len, n, index), want);
	free(copy);
}

static void
test_member(void **state)
{
	const char *text = "\n{\n\"a\": 1,\n\n\"b\":\n \"x,}\\\"\",\n"
			   "\"c\": {\"d\": [1,\n2]}, \"e\": null\n,\n\"f\":[]}";

	(void)state;
	check_line(text, 0, -1, 3);
	check_line(text, 1, -1, 5);
	check_line(text, 2, -1, 7);
	check_line(text, 3, -1, 8);
	check_line(text, 4, -1, 10);
	check_line("{\"a\":1}", 0, -1, 1);
}

static void
test_element(void **state)
{
	const char *text = "{\"a\": [\n1,\n\n\"]\", [\n4], {\"b\":\n5}\n, 6],\n"
			   "\"c\":\n[ 7 ,\n8 ] }";

	(void)state;
	check_line(text, 0, 0, 2);
	check_line(text, 0, 1, 4);
	check_line(text, 0, 2, 4);
	check_line(text, 0, 3, 5);
	check_line(text, 0, 4, 7);
	check_line(text, 1, 0, 9);
	check_line(text, 1, 1, 10);
}

/* What is no object must not be read beyond its end. */
static void
test_bounds(void **state)
{
	static const char text[] = "{\"a\": [1, \"b\\\\\", {}], \"c\": tr";
	size_t len;
	char *copy;

	(void)state;
	for (len = 0; len < sizeof(text); len++) {
		copy = malloc(len > 0 ? len : 1);
		memcpy(copy, text, len);
		assert_int_equal(jsontext_member_line(copy, len, 5, 5), 1);
		assert_int_equal(jsontext_member_line(copy, len, 0, 2), 1);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blank),
		cmocka_unit_test(test_blank_strings),
		cmocka_unit_test(test_member),
		cmocka_unit_test(test_element),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
