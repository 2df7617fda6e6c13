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

#define FFFD         "\xef\xbf\xbd"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Write C as UTF-8 would, were it valid or not; returns the length. */
static size_t
put(unsigned char *b, uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (i = n - 1; i > 0; i--) {
		b[i] = (unsigned char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	b[0] = (unsigned char)(lead[n] | c);
	return n;
}

static void
test_every_code_point_and_its_neighbours(void **state)
{
	unsigned char b[4];
	char out[12];
	uint32_t c;
	bool good;
	size_t n;

	(void)state;
	for (c = 0; c <= 0x110fff; c++) {
		n = put(b, c);
		good = !(c >= 0xd800 && c <= 0xdfff) && c <= 0x10ffff;
		assert_int_equal(utf8_valid(b, n), good);
		/* A character that is cut is never one. */
		assert_true(n == 1 || !utf8_valid(b, n - 1));
		if (good && c != 0) {
			assert_int_equal(utf8_clean(out, b, n), n);
			assert_memory_equal(out, b, n);
		} else {
			/* One for the byte 0; else none of N goes together. */
			assert_int_equal(utf8_clean(out, b, n), 3 * n);
		}
	}
}

static void
test_what_is_not_utf8(void **state)
{
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80",
		"\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\xc3", "\xe2\x82",
		"\xf0\x9f\x94", "\xc3(", "\xe2(\xa1", "\xe2\x82(",
		"\xf0\x9f\x94(", "abcdefgh\xff", "abcdefg\xc3" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid(NULL, 0));
}

/* Every byte alone and every pair, by the table of Unicode 3.9. */
static void
test_every_pair_of_bytes(void **state)
{
	unsigned char b[2];
	unsigned int x, y;
	bool want;

	(void)state;
	for (x = 0; x <= 0xff; x++) {
		b[0] = (unsigned char)x;
		assert_int_equal(utf8_valid(b, 1), x < 0x80);
		for (y = 0; y <= 0xff; y++) {
			b[1] = (unsigned char)y;
			want = x < 0x80 ? y < 0x80 :
					  x >= 0xc2 && x <= 0xdf && y >= 0x80 &&
					      y <= 0xbf;
			assert_int_equal(utf8_valid(b, 2), want);
		}
	}
}

/* LEN bytes of ASCII with BYTE at AT; CLEAN: it stays. */
static void
check_byte_at(size_t len, size_t at, char byte, bool valid, bool clean)
{
	char *in = malloc(len), *out = malloc(3 * len);
	size_t n, rest = len - at - 1;

	assert_true(in != NULL && out != NULL);
	memset(in, 'a', len);
	in[at] = byte;
	assert_int_equal(utf8_valid(in, len), valid);
	n = utf8_clean(out, in, len);
	assert_int_equal(n, len + (clean ? 0 : 2));
	assert_memory_equal(out, in, at);
	assert_memory_equal(out + at, clean ? &byte : FFFD, clean ? 1 : 3);
	assert_memory_equal(out + n - rest, in + at + 1, rest);
	free(in);
	free(out);
}

static void
test_bad_byte_at_any_place(void **state)
{
	size_t len, at;

	(void)state;
	for (len = 1; len <= 40; len++) {
		for (at = 0; at < len; at++) {
			check_byte_at(len, at, '\0', true, false);
			check_byte_at(len, at, '\x01', true, true);
			check_byte_at(len, at, '\x7f', true, true);
			check_byte_at(len, at, '\x80', false, false);
			check_byte_at(len, at, '\xc2', false, false);
			check_byte_at(len, at, '\xff', false, false);
		}
	}
}

/* A text in three pieces, cut anywhere, is what it is as a whole. */
static void
test_pieces_are_as_the_whole(void **state)
{
	static const char *const texts[] = { "", "only ASCII, of some words",
		"h\xc3\xa9, \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x94\x94 there",
		"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
		"ends inside \xe4\xbd", "has \xed\xa0\x80 a surrogate",
		"has a \xf0\x9f\x94z cut one" };
	struct utf8_state st;
	const char *p;
	size_t i, a, b, len;
	bool good;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		p = texts[i];
		len = strlen(p);
		for (a = 0; a <= len; a++) {
			for (b = a; b <= len; b++) {
				memset(&st, 0, sizeof(st));
				good = utf8_feed(&st, p, a) &&
				       utf8_feed(&st, p + a, b - a) &&
				       utf8_feed(&st, p + b, len - b) &&
				       utf8_complete(&st);
				assert_int_equal(good, utf8_valid(p, len));
			}
		}
	}
}

static void
test_pieces_fail_at_the_first_impossible_byte(void **state)
{
	static const struct {
		const char *text;
		size_t bad;
	} cases[] = { { "\x80", 0 }, { "\xc1", 0 }, { "\xf5", 0 },
		{ "ab\xff", 2 }, { "\xe0\x9f", 1 }, { "\xed\xa0", 1 },
		{ "\xf0\x8f", 1 }, { "\xf4\x90", 1 }, { "\xc3\xc3", 1 },
		{ "\xe4\xbd\x20", 2 }, { "\xf0\x9f\x94\xc0", 3 } };
	struct utf8_state st;
	size_t i, at;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		memset(&st, 0, sizeof(st));
		for (at = 0; at < cases[i].bad; at++)
			assert_true(utf8_feed(&st, cases[i].text + at, 1));
		assert_false(utf8_feed(&st, cases[i].text + at, 1));
	}
}

static void
test_clean_replaces_each_maximal_part(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{ "", 0, "" },
		{ NULL, 0, "" },
		{ "plain", 5, "plain" },
		{ "a\0b", 3, "a" FFFD "b" },
		{ "\0", 1, FFFD },
		{ "\0\0", 2, FFFD FFFD },
		{ "\xff\xfe", 2, FFFD FFFD },
		{ "\xe2\x82x", 3, FFFD "x" },
		{ "\xe2\x82\0", 3, FFFD FFFD },
		{ "\xf0\x9f\x94", 3, FFFD },
		{ "\xf0\x9f\x94\xf0\x9f\x94\x94", 7, FFFD "\xf0\x9f\x94\x94" },
		{ "\xe0\x80\x80", 3, FFFD FFFD FFFD },
		{ "\xed\xa0\x80", 3, FFFD FFFD FFFD },
		{ "\xf4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD },
		/* Unicode 3.9, tables 3-8 to 3-11 */
		{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", 9,
		    FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
		{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", 9,
		    FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
		{ "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", 9,
		    FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B" },
		{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", 9,
		    FFFD FFFD FFFD FFFD "A" },
		{ "\xe4\xbd\xa0", 3, "\xe4\xbd\xa0" },
		{ "12345678\0"
		  "12345678",
		    17, "12345678" FFFD "12345678" },
		{ "12345678\xe4\xbd\xa0\xff"
		  "12345678",
		    20, "12345678\xe4\xbd\xa0" FFFD "12345678" },
	};
	char out[64];
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
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
		cmocka_unit_test(test_every_pair_of_bytes),
		cmocka_unit_test(test_bad_byte_at_any_place),
		cmocka_unit_test(test_pieces_are_as_the_whole),
		cmocka_unit_test(test_pieces_fail_at_the_first_impossible_byte),
		cmocka_unit_test(test_clean_replaces_each_maximal_part),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
