/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "utf8.h"

#include <string.h>

#define UTF8_HIGH_BITS UINT64_C(0x8080808080808080)
#define UTF8_ONES      UINT64_C(0x0101010101010101)

/* How many of the first LEN bytes are ASCII. */
static size_t
utf8_ascii_run(const unsigned char *p, size_t len)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (word & UTF8_HIGH_BITS)
			break;
	}
	while (i < len && p[i] < 0x80)
		i++;
	return i;
}

/*
 * Begin a character of several bytes: the table of Unicode 3.9, 3-7, which
 * narrows the range of the second byte for the first bytes that need it.
 */
static bool
utf8_begin(struct utf8_state *st, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return false;
	st->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	st->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	st->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

/* One byte further; false when it cannot follow. */
static bool
utf8_step(struct utf8_state *st, unsigned char c)
{
	if (st->need == 0)
		return c < 0x80 || utf8_begin(st, c);
	if (c < st->lo || c > st->hi)
		return false;
	st->need--;
	st->lo = 0x80;
	st->hi = 0xbf;
	return true;
}

bool
utf8_feed(struct utf8_state *st, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i = 0;

	while (i < len) {
		if (st->need == 0 && p[i] < 0x80)
			i += utf8_ascii_run(p + i, len - i);
		else if (!utf8_step(st, p[i++]))
			return false;
	}
	return true;
}

bool
utf8_complete(const struct utf8_state *st)
{
	return st->need == 0;
}

bool
utf8_valid(const void *bytes, size_t len)
{
	struct utf8_state st = { 0, 0, 0 };

	return utf8_feed(&st, bytes, len) && utf8_complete(&st);
}

/*
 * The length of the character, or of the maximal part of one, at P; *VALID
 * tells which.  LEN is at least 1.
 */
static size_t
utf8_take(const unsigned char *p, size_t len, bool *valid)
{
	struct utf8_state st = { 0, 0, 0 };
	size_t i;

	*valid = false;
	for (i = 0; i < len; i++) {
		if (!utf8_step(&st, p[i]))
			return i == 0 ? 1 : i;
		if (st.need == 0) {
			*valid = p[0] != 0;
			return i + 1;
		}
	}
	return len;
}

/* How many of the first LEN bytes are ASCII but not NUL, in words. */
static size_t
utf8_plain_words(const unsigned char *p, size_t len)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		/* A zero byte borrows from its highest bit. */
		if (((word - UTF8_ONES) | word) & UTF8_HIGH_BITS)
			break;
	}
	return i;
}

/* utf8_clean for a text in which something has to be replaced. */
static size_t
utf8_mend(char *dst, const unsigned char *p, size_t len)
{
	size_t in = 0, out = 0, n;
	bool valid;

	while (in < len) {
		n = utf8_plain_words(p + in, len - in);
		memcpy(dst + out, p + in, n);
		in += n;
		out += n;
		if (in == len)
			break;
		n = utf8_take(p + in, len - in, &valid);
		if (valid) {
			memcpy(dst + out, p + in, n);
			out += n;
		} else {
			memcpy(dst + out, "\xef\xbf\xbd", 3);
			out += 3;
		}
		in += n;
	}
	return out;
}

size_t
utf8_clean(char *dst, const void *src, size_t len)
{
	/* Nearly every text is clean, and to look first is less than to mend. */
	if (!utf8_valid(src, len) || (len > 0 && memchr(src, 0, len) != NULL))
		return utf8_mend(dst, src, len);
	if (len > 0)
		memcpy(dst, src, len);
	return len;
}
