/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "urlenc.h"

static void
check_decode(const char *src, bool plus, const char *want)
{
	size_t len = strlen(src), n;
	char *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, src, len);
	n = urlenc_decode(copy, copy, len, plus);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(copy, want, n);
	free(copy);
}

static void
test_decode(void **state)
{
	(void)state;
	check_decode("", true, "");
	check_decode("a+b", true, "a b");
	check_decode("a+b", false, "a+b");
	check_decode("%41%7a%7A", true, "Azz");
	check_decode("%e4%BD%a0", true, "\xe4\xbd\xa0");
	check_decode("%2B%2b+", true, "++ ");
	check_decode("%2541", true, "%41");
}

static void
test_decode_stray(void **state)
{
	(void)state;
	check_decode("%", true, "%");
	check_decode("%4", true, "%4");
	check_decode("100%", true, "100%");
	check_decode("%zz", true, "%zz");
	check_decode("%4g%41", true, "%4gA");
	check_decode("%%41", true, "%A");
	check_decode("%-1% 1", true, "%-1% 1");
}

static void
check_parse(const char *text, const char *title, const char *content)
{
	struct fields fs = { .title = { NULL, 0 } };
	size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, text, len);
	assert_int_equal(urlenc_parse(copy, len, &fs), 0);
	free(copy);
	assert_int_equal(fs.title.text == NULL, title == NULL);
	assert_int_equal(fs.content.text == NULL, content == NULL);
	if (title != NULL)
		assert_string_equal(fs.title.text, title);
	if (content != NULL)
		assert_string_equal(fs.content.text, content);
	fields_free(&fs);
	assert_null(fs.title.text);
}

static void
test_parse(void **state)
{
	(void)state;
	check_parse("", NULL, NULL);
	check_parse("&&", NULL, NULL);
	check_parse("title=a&content=b", "a", "b");
	check_parse("x=1&content=b+c%20d", NULL, "b c d");
	check_parse("title=a&title=b&content=&content=c", "a", "");
	check_parse("title&content=c", "", "c");
	check_parse("title=", "", NULL);
	check_parse("=a&Title=b&titles=c&titl=d&contents=e", NULL, NULL);
	check_parse("%74itle=a&%63%6f%6e%74%65%6e%74=b", "a", "b");
	check_parse("title=a=b&content==", "a=b", "=");
	check_parse("title=%26%3d%2b", "&=+", NULL);
}

static void
test_parse_clean(void **state)
{
	(void)state;
	check_parse("title=%ff&content=a%00b", "\xef\xbf\xbd",
	    "a\xef\xbf\xbd"
	    "b");
	check_parse("title=\xe4\xbd", "\xef\xbf\xbd", NULL);
	check_parse("title=%e4%bd%a0%4", "\xe4\xbd\xa0%4", NULL);
}

/* What is set already stays. */
static void
test_parse_later(void **state)
{
	struct fields fs = { .title = { NULL, 0 } };

	(void)state;
	assert_int_equal(fields_set(&fs.title, "", 0), 0);
	assert_int_equal(urlenc_parse("title=a&content=b", 17, &fs), 0);
	assert_string_equal(fs.title.text, "");
	assert_string_equal(fs.content.text, "b");
	fields_free(&fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_stray),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_clean),
		cmocka_unit_test(test_parse_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
