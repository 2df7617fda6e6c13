/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include "fields.h"
#include "jsonbody.h"

#define FFFD "\xef\xbf\xbd"

static int
parse(const char *text, size_t len, struct fields *fs)
{
	char *copy = malloc(len > 0 ? len : 1);
	int r;

	memset(fs, 0, sizeof(*fs));
	memcpy(copy, text, len);
	r = jsonbody_parse(copy, len, fs);
	free(copy);
	return r;
}

static void
check_parse(const char *text, const char *title, const char *content)
{
	struct fields fs;

	if (parse(text, strlen(text), &fs) != 0)
		fail_msg("refused: %s", text);
	assert_int_equal(fs.title.text == NULL, title == NULL);
	assert_int_equal(fs.content.text == NULL, content == NULL);
	if (title != NULL)
		assert_string_equal(fs.title.text, title);
	if (content != NULL)
		assert_string_equal(fs.content.text, content);
	fields_free(&fs);
}

static void
check_content(const char *value, const char *want)
{
	char text[512] = "{\"content\":";

	assert_true(strlen(value) < sizeof(text) - 16);
	strcat(text, value);
	strcat(text, "}");
	check_parse(text, NULL, want);
}

static void
check_refused(const char *text)
{
	struct fields fs;

	errno = 0;
	assert_int_equal(parse(text, strlen(text), &fs), -1);
	assert_int_equal(errno, EBADMSG);
	fields_free(&fs);
}

static void
test_members(void **state)
{
	(void)state;
	check_parse("{\"title\":\"a\",\"content\":\"b\"}", "a", "b");
	check_parse(" {\t\"content\" :\r\n\"b\" , \"x\" : [ ] } \n", NULL, "b");
	check_parse("\xef\xbb\xbf{\"title\":\"a\"}", "a", NULL);
	check_parse("{\"x\":{\"title\":\"n\"},\"y\":[{\"content\":1}]}", NULL,
	    NULL);
	check_parse("{\"Title\":\"a\",\"titles\":1,\"\":2}", NULL, NULL);
	check_parse("{\"\\u0074itle\":\"a\"}", "a", NULL);
	check_parse("{\"\\u0063\\u006f\\u006e\\u0074\\u0065\\u006e\\u0074\":1}",
	    NULL, "1");
	check_parse("{\"x\\\"title\":1,\"]},{\":\"}{\",\"title\":2}", "2",
	    NULL);
	check_parse("{}", NULL, NULL);
}

static void
test_first_counts(void **state)
{
	(void)state;
	check_parse("{\"title\":\"a\",\"title\":\"b\"}", "a", NULL);
	check_parse("{\"title\":null,\"\\u0074itle\":\"b\"}", "", NULL);
}

static void
test_no_object(void **state)
{
	(void)state;
	check_parse("null", NULL, NULL);
	check_parse("[\"title\",{\"title\":1}]", NULL, NULL);
	check_parse("\"title\"", NULL, NULL);
	check_parse(" 12345678901234567890123 ", NULL, NULL);
}

static void
test_scalars(void **state)
{
	(void)state;
	check_content("null", "");
	check_content("true", "true");
	check_content(" false ", "false");
	check_content("0", "0");
	check_content("-0", "-0");
	check_content("1.50", "1.50");
	check_content("0.1", "0.1");
	check_content("1E+2", "1E+2");
	check_content("12345678901234567890123", "12345678901234567890123");
	check_content("-1e400", "-1e400");
	check_content("0.00000000000000000000001", "0.00000000000000000000001");
}

static void
test_strings(void **state)
{
	(void)state;
	check_content("\"\"", "");
	check_content("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
	check_content("\"\\u0041\\u00e9\\u4F60\"", "A\xc3\xa9\xe4\xbd\xa0");
	check_content("\"\\ud83d\\uDE00\"", "\xf0\x9f\x98\x80");
	check_content("\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf");
	check_content("\"\\uffff\\u0800\\u07ff\\u0080\\u007f\"",
	    "\xef\xbf\xbf\xe0\xa0\x80\xdf\xbf\xc2\x80\x7f");
	check_content("\"\\\\u0000 \\\\\\\"\"", "\\u0000 \\\"");
}

static void
test_bad_characters(void **state)
{
	static const char nul[] = "{\"title\":\"a\0b\"}";
	struct fields fs;

	(void)state;
	check_content("\"a\\u0000b\"", "a" FFFD "b");
	check_content("\"\\ud800\"", FFFD);
	check_content("\"\\udc00x\"", FFFD "x");
	check_content("\"\\ud800\\ud83d\\ude00\"", FFFD "\xf0\x9f\x98\x80");
	check_content("\"\\ud800\\u0041\"", FFFD "A");
	check_content("\"\\ud800\\n\"", FFFD "\n");
	check_content("\"\xff\"", FFFD);
	check_content("\"\xed\xa0\x80\"", FFFD FFFD FFFD);
	check_parse("{\"\\u0000\\ud800\":1,\"title\":2}", "2", NULL);
	assert_int_equal(parse(nul, sizeof(nul) - 1, &fs), 0);
	assert_string_equal(fs.title.text, "a" FFFD "b");
	fields_free(&fs);
}

static void
test_nested(void **state)
{
	(void)state;
	check_content("[ ]", "[]");
	check_content("{ }", "{}");
	check_content("{ \"b\" : [ 1.50 , 0.1, true ] ,\n\"a\" : null }",
	    "{\"b\":[1.50,0.1,true],\"a\":null}");
	check_content(
	    "[ \"a b\" , \"\\u00e9\\/\\u0022\\u005c\\u000a\\u0001\" ]",
	    "[\"a b\",\"\xc3\xa9/\\\"\\\\\\n\\u0001\"]");
	check_content("[\"\\ud800\\u0000\"]", "[\"" FFFD FFFD "\"]");
	check_content("[\"]\",\"\\\"]\"]", "[\"]\",\"\\\"]\"]");
	check_content("[18446744073709551616,1e999]",
	    "[18446744073709551616,1e999]");
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "", " ", "{", "}", "{\"title\":}",
		"{\"title\":\"a\"", "{\"title\":\"a\"} x", "{'title':1}",
		"{title:1}", "{\"title\":1,}", "{\"title\":01}", "[1,]",
		"{\"title\":1.}", "{\"title\":\"\\x\"}", "{\"title\":+1}",
		"{\"title\":\"\\u12\"}", "{\"title\":\"a\nb\"}", "nul", "\\",
		"{\"title\":\"\\", "{\"title\":\"\\u0000", "\xef\xbb\xbf",
		"title=a", "{\"title\":1 2}", "{\"title\":1e}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(bad[i]);
}

/* COUNT times what an empty object takes in an array. */
static json_t *
load_many(size_t count, const char *element)
{
	size_t len = strlen(element), i;
	char *text = malloc(count * len + 2);
	json_t *root;

	assert_non_null(text);
	text[0] = '[';
	for (i = 0; i < count; i++)
		memcpy(text + 1 + i * len, element, len);
	/* In place of the last comma. */
	text[count * len] = ']';
	root = jsonbody_load(text, count * len + 1);
	free(text);
	return root;
}

static void
test_heavy(void **state)
{
	static const char *const heavy[] = { "{},", "[],", "0,", "\"\",",
		"{\"\":0}," };
	static const char *const light[] = { "\"{},[]:,\\\"{},,{}[[[[{{{{\",",
		"{\"alertname\":\"Down\",\"instance\":\"db1\"}," };
	json_t *root;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(heavy) / sizeof(heavy[0]); i++) {
		assert_null(load_many(5000000, heavy[i]));
		assert_int_equal(errno, E2BIG);
		root = load_many(20000, heavy[i]);
		assert_non_null(root);
		json_decref(root);
	}
	for (i = 0; i < sizeof(light) / sizeof(light[0]); i++) {
		root = load_many(200000, light[i]);
		assert_non_null(root);
		json_decref(root);
	}
}

static void
test_deep(void **state)
{
	enum {
		DEPTH = 2000,
		TOO_DEEP = 30000
	};
	char *text = malloc(2 * TOO_DEEP + 1);
	struct fields fs;

	(void)state;
	memset(text, '[', DEPTH);
	memset(text + DEPTH, ']', DEPTH);
	assert_int_equal(parse(text, 2 * DEPTH, &fs), 0);
	memset(text, '[', TOO_DEEP);
	memset(text + TOO_DEEP, ']', TOO_DEEP);
	text[2 * TOO_DEEP] = '\0';
	check_refused(text);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_first_counts),
		cmocka_unit_test(test_no_object),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_bad_characters),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_heavy),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
