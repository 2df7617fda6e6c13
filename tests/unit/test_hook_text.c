/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "hook_text.h"

#define DOTS  "\xe2\x80\xa6"
#define FFFD  "\xef\xbf\xbd"
#define ROCKY "\xf0\x9f\xaa\xa8"

/* Compare and empty the text. */
static void
check_text(struct hook_text *t, const char *want)
{
	size_t len;
	char *s;

	assert_int_equal(hook_text_take(t, &s, &len), 0);
	assert_string_equal(s, want);
	assert_int_equal(len, strlen(want));
	free(s);
}

static void
check_value(const char *json, enum hook_form form, size_t max, const char *want)
{
	json_t *value =
	    json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct hook_text t;

	assert_non_null(value);
	hook_text_init(&t, SIZE_MAX, SIZE_MAX);
	hook_text_value(&t, value, form, max);
	assert_false(t.cut);
	check_text(&t, want);
	json_decref(value);
}

static void
test_put(void **state)
{
	struct hook_text t, u;

	(void)state;
	hook_text_init(&t, SIZE_MAX, SIZE_MAX);
	check_text(&t, "");
	hook_text_init(&t, SIZE_MAX, SIZE_MAX);
	hook_text_put(&t, "a\0\xc3\xbc", 4);
	hook_text_puts(&t, "b");
	hook_text_printf(&t, "%d", 7);
	assert_int_equal(t.chars, 5);
	hook_text_init(&u, SIZE_MAX, SIZE_MAX);
	hook_text_append(&u, &t);
	check_text(&t, "a" FFFD "\xc3\xbc"
		       "b7");
	check_text(&u, "a" FFFD "\xc3\xbc"
		       "b7");
}

/* Nothing goes in behind a cut, however small. */
static void
test_cut(void **state)
{
	struct hook_text t;

	(void)state;
	hook_text_init(&t, 6, SIZE_MAX);
	hook_text_puts(&t, "abc" ROCKY);
	assert_true(t.cut);
	hook_text_puts(&t, "d");
	check_text(&t, "abc");
	hook_text_init(&t, SIZE_MAX, 2);
	hook_text_puts(&t, ROCKY ROCKY);
	assert_false(t.cut);
	hook_text_puts(&t, "d");
	assert_true(t.cut);
	check_text(&t, ROCKY ROCKY);
}

static void
test_rewind(void **state)
{
	struct hook_text t;

	(void)state;
	hook_text_init(&t, 8, 3);
	hook_text_puts(&t, "a" ROCKY "bcd");
	assert_true(t.cut);
	hook_text_rewind(&t, 1);
	assert_int_equal(t.chars, 1);
	hook_text_puts(&t, "xy");
	assert_false(t.cut);
	hook_text_try(&t, "z");
	assert_false(t.cut);
	check_text(&t, "axy");
}

static void
test_ellipsis(void **state)
{
	struct hook_text t;
	size_t max;

	static const char *const want[] = { "", "a", "aa", DOTS, "a" DOTS,
		"aa" DOTS, "aa" DOTS, "aa" DOTS, "aa" DOTS, "aa" ROCKY DOTS };

	(void)state;
	for (max = 0; max < sizeof(want) / sizeof(want[0]); max++) {
		hook_text_init(&t, max, SIZE_MAX);
		hook_text_puts(&t, "aa" ROCKY ROCKY);
		hook_text_ellipsis(&t);
		assert_true(t.cut);
		check_text(&t, want[max]);
	}
	hook_text_init(&t, 10, SIZE_MAX);
	hook_text_puts(&t, "aa" ROCKY ROCKY);
	hook_text_ellipsis(&t);
	check_text(&t, "aa" ROCKY ROCKY);
	hook_text_init(&t, SIZE_MAX, 3);
	hook_text_puts(&t, ROCKY ROCKY ROCKY "a");
	hook_text_ellipsis(&t);
	check_text(&t, ROCKY ROCKY DOTS);
}

static void
test_values(void **state)
{
	(void)state;
	check_value("\"a\\n b\\u0000\"", HOOK_BLOCK, 99, "a\n b" FFFD);
	check_value("12345678901", HOOK_BLOCK, 99, "12345678901");
	check_value("-0.1", HOOK_BLOCK, 99, "-0.1");
	check_value("true", HOOK_LINE, 99, "true");
	check_value("null", HOOK_LINE, 99, "");
	check_value("[1, {\"a\": \"\xc3\xbc\"}]", HOOK_LINE, 99,
	    "[1,{\"a\":\"\xc3\xbc\"}]");
	check_value("\"\"", HOOK_LINE, 99, "");
	check_value("\"abc\"", HOOK_LINE, 0, "");
}

static void
test_lines(void **state)
{
	(void)state;
	check_value("\" \\t a \\r\\n\\u0001 b\\u007f \"", HOOK_LINE, 99, "a b");
	check_value("\"  \\n \"", HOOK_LINE, 99, "");
	check_value("\"a b\"", HOOK_LINE, 3, "a b");
}

static void
test_shortened(void **state)
{
	(void)state;
	check_value("\"\xc3\xbc" ROCKY "c\"", HOOK_BLOCK, 3,
	    "\xc3\xbc" ROCKY "c");
	check_value("\"\xc3\xbc" ROCKY "cd\"", HOOK_BLOCK, 3,
	    "\xc3\xbc" ROCKY DOTS);
	check_value("\"abcd\"", HOOK_LINE, 1, DOTS);
	check_value("\"a bcd\"", HOOK_LINE, 3, "a" DOTS);
	check_value("[1,2,3]", HOOK_LINE, 4, "[1," DOTS);
}

static void
test_pretty(void **state)
{
	json_t *value = json_loads("{\"a\":[1,\"\\n\"]}", 0, NULL);
	struct hook_text t;

	(void)state;
	hook_text_init(&t, SIZE_MAX, SIZE_MAX);
	hook_text_pretty(&t, value, 6);
	check_text(&t, "{\n  \"a\": [\n    1,\n    \"\\n\"\n  ]\n}");
	hook_text_init(&t, SIZE_MAX, SIZE_MAX);
	hook_text_pretty(&t, value, 5);
	check_text(&t, "{\n  \"a\": [\n    1,\n    \"\\n\"\n  ]");
	hook_text_init(&t, 6, SIZE_MAX);
	hook_text_pretty(&t, value, 5);
	assert_true(t.cut);
	check_text(&t, "{\n  \"a");
	json_decref(value);
}

static void
test_tags(void **state)
{
	static const struct {
		const char *a, *b, *want;
	} cases[] = {
		{ "null", "null", NULL },
		{ "\" \"", "\"\"", NULL },
		{ "\"x,y\"", "null", "x y" },
		{ "\"\"", "\"b\"", "b" },
		{ "1", "\"b\"", "1,b" },
		{ "\"a\"", "\" \"", "a" },
		{ "\"123456789012345678901234567890z\"", "2",
		    "12345678901234567890123456789" DOTS ",2" },
	};
	json_t *a, *b;
	char *tags;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		a = json_loads(cases[i].a, JSON_DECODE_ANY, NULL);
		b = json_loads(cases[i].b, JSON_DECODE_ANY, NULL);
		assert_int_equal(hook_text_take_tags(&tags, a, b), 0);
		if (cases[i].want == NULL)
			assert_null(tags);
		else
			assert_string_equal(tags, cases[i].want);
		free(tags);
		json_decref(a);
		json_decref(b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_ellipsis),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_shortened),
		cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
