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

static void
test_find(void **state)
{
	struct fields fs = { .title = { NULL, 0 } };

	(void)state;
	assert_ptr_equal(fields_find(&fs, "title", 5), &fs.title);
	assert_ptr_equal(fields_find(&fs, "content", 7), &fs.content);
	assert_null(fields_find(&fs, "Title", 5));
	assert_null(fields_find(&fs, "titl", 4));
	assert_null(fields_find(&fs, "contents", 8));
	assert_null(fields_find(&fs, "", 0));
	assert_int_equal(fields_set(&fs.title, "", 0), 0);
	assert_null(fields_find(&fs, "title", 5));
	assert_non_null(fields_find(&fs, "content", 7));
	fields_free(&fs);
	assert_non_null(fields_find(&fs, "title", 5));
}

static void
check_set(const char *text, size_t len, const char *want)
{
	struct fields fs = { .title = { NULL, 0 } };

	assert_int_equal(fields_set(&fs.title, text, len), 0);
	assert_int_equal(fs.title.len, strlen(want));
	assert_string_equal(fs.title.text, want);
	fields_free(&fs);
}

static void
test_set(void **state)
{
	(void)state;
	check_set("", 0, "");
	check_set("abc", 2, "ab");
	check_set("\xe4\xbd\xa0", 3, "\xe4\xbd\xa0");
	check_set("a\0b", 3,
	    "a\xef\xbf\xbd"
	    "b");
	check_set("\xff\xfe", 2, "\xef\xbf\xbd\xef\xbf\xbd");
	check_set("\xe4\xbd", 2, "\xef\xbf\xbd");
}

static void
test_take(void **state)
{
	struct fields fs = { .title = { NULL, 0 } };
	char *text = malloc(3);

	(void)state;
	memcpy(text, "a\xff", 2);
	assert_int_equal(fields_take(&fs.content, text, 2), 0);
	assert_string_equal(fs.content.text, "a\xef\xbf\xbd");
	assert_int_equal(fs.content.len, 4);
	fields_free(&fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
