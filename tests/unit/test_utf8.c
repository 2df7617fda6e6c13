/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "utf8.h"

#define FFFD "\xef\xbf\xbd"

static void
test_every_code_point_and_its_neighbours(void **state)
{
	unsigned char b[4];
	uint32_t c;
	size_t n;

	(void)state;
	for (c = 0; c <= 0x110fff; c++) {
		n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		b[n - 1] = (unsigned char)(0x80 | (c & 0x3f));
		if (n == 1)
			b[0] = (unsigned char)c;
		else if (n == 2)
			b[0] = (unsigned char)(0xc0 | c >> 6);
		else if (n == 3)
			b[0] = (unsigned char)(0xe0 | c >> 12);
		else
			b[0] = (unsigned char)(0xf0 | c >> 18);
		if (n >= 3)
			b[n - 2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		if (n == 4)
			b[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
		assert_int_equal(utf8_valid(b, n),
		    !(c >= 0xd800 && c <= 0xdfff) && c <= 0x10ffff);
		/* A character that is cut is never one. */
		assert_true(n == 1 || !utf8_valid(b, n - 1));
	}
}

static void
test_what_is_not_utf8(void **state)
{
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80",
		"\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "\xc3",
		"\xe2\x82", "\xf0\x9f\x94", "\xc3(", "\xe2(\xa1",
		"abcdefgh\xff", "abcdefg\xc3" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
}

static void
test_pieces_fail_at_the_first_impossible_byte(void **state)
{
	struct utf8_state st = { 0, 0, 0 };

	(void)state;
	assert_true(utf8_feed(&st, "\xf0", 1));
	assert_false(utf8_complete(&st));
	assert_true(utf8_feed(&st, "\x9f\x94", 2));
	assert_true(utf8_feed(&st, "\x94 ok", 4));
	assert_true(utf8_complete(&st));
	assert_true(utf8_feed(&st, "\xf4", 1));
	assert_false(utf8_feed(&st, "\x90", 1));
}

static void
test_clean_replaces_each_maximal_part(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{ "plain", 5, "plain" },
		{ "a\0b", 3, "a" FFFD "b" },
		{ "\xff\xfe", 2, FFFD FFFD },
		{ "\xe2\x82"
		  "x",
		    3, FFFD "x" },
		{ "\xf0\x9f\x94", 3, FFFD },
		{ "\xe0\x80\x80", 3, FFFD FFFD FFFD },
		{ "\xed\xa0\x80", 3, FFFD FFFD FFFD },
		{ "\xf1\x80\x80\xe1\x80\xc2"
		  "b",
		    7, FFFD FFFD FFFD "b" },
		{ "\xe4\xbd\xa0", 3, "\xe4\xbd\xa0" },
		{ "12345678\0"
		  "12345678",
		    17, "12345678" FFFD "12345678" },
		{ "", 0, "" },
	};
	char out[64];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		n = utf8_clean(out, cases[i].in, cases[i].len);
		assert_int_equal(n, strlen(cases[i].out));
		assert_memory_equal(out, cases[i].out, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_point_and_its_neighbours),
		cmocka_unit_test(test_what_is_not_utf8),
		cmocka_unit_test(test_pieces_fail_at_the_first_impossible_byte),
		cmocka_unit_test(test_clean_replaces_each_maximal_part),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
