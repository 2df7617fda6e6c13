/* SPDX-License-Identifier: ISC */
/*
 * Each stream is decoded whole, byte by byte and in threes, and must give the
 * same: what it gives is written as a line of text to compare.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wsframe.h"

#define LIMIT 65536

/* A stream in the making. */
struct stream {
	uint8_t bytes[3 * LIMIT];
	size_t len;
};

static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };

/* Append a frame as a client sends it, with FIRST as its first byte. */
static void
add(struct stream *s, uint8_t first, const void *payload, size_t len)
{
	size_t at = s->len;

	s->len += wsframe_header(s->bytes + at, WSFRAME_TEXT, len, key);
	s->bytes[at] = first;
	memcpy(s->bytes + s->len, payload, len);
	wsframe_mask(s->bytes + s->len, len, key, 0);
	s->len += len;
}

static void
add_text(struct stream *s, uint8_t first, const char *text)
{
	add(s, first, text, strlen(text));
}

static void
note(FILE *fp, const struct wsframe_decoder *d, enum wsframe_result r)
{
	if (r == WSFRAME_ERROR)
		fprintf(fp, "E%u;", d->close_code);
	else if (r == WSFRAME_CONTROL && d->opcode == WSFRAME_CLOSE)
		fprintf(fp, "C%u;", d->close_code);
	else if (r != WSFRAME_MORE && d->payload_len > 100)
		fprintf(fp, "%x:%zu bytes;", d->opcode, d->payload_len);
	else if (r != WSFRAME_MORE)
		fprintf(fp, "%x:%.*s;", d->opcode, (int)d->payload_len,
		    (const char *)d->payload);
}

/* Decode in pieces of STEP bytes; returns the notes, which the caller frees. */
static char *
decode(const struct stream *s, enum wsframe_role role, size_t step)
{
	struct wsframe_decoder d;
	enum wsframe_result r = WSFRAME_MORE;
	uint8_t *copy = malloc(s->len + 1);
	size_t from = 0, to = 0, used, size;
	char *out = NULL;
	FILE *fp = open_memstream(&out, &size);

	assert_true(copy != NULL && fp != NULL);
	memcpy(copy, s->bytes, s->len);
	wsframe_init(&d, role, LIMIT);
	while (r != WSFRAME_ERROR && (to < s->len || from < to)) {
		to = to + step < s->len ? to + step : s->len;
		do {
			r = wsframe_decode(&d, copy + from, to - from, &used);
			assert_true(used <= to - from);
			assert_true(r != WSFRAME_MESSAGE || d.payload != NULL);
			note(fp, &d, r);
			from += used;
		} while (r != WSFRAME_ERROR && used > 0 && from < to);
		if (to == s->len && r != WSFRAME_ERROR && used == 0)
			break;
	}
	wsframe_done(&d);
	fclose(fp);
	free(copy);
	return out;
}

static void
expect(const struct stream *s, const char *want)
{
	static const size_t steps[] = { SIZE_MAX / 4, 1, 3, 1000 };
	char *got;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		got = decode(s, WSFRAME_SERVER, steps[i]);
		assert_string_equal(got, want);
		free(got);
	}
}

static struct stream *
new_stream(void)
{
	struct stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	return s;
}

/* One frame of these bytes gives WANT. */
static void
expect_one(uint8_t first, const void *payload, size_t len, const char *want)
{
	struct stream *s = new_stream();

	add(s, first, payload, len);
	expect(s, want);
	free(s);
}

static void
test_messages_and_fragments(void **state)
{
	struct stream *s = new_stream();

	(void)state;
	add_text(s, 0x81, "Hello");
	add_text(s, 0x82, "bin\xff");
	add_text(s, 0x81, "");
	add_text(s, 0x01, "Hel");
	add_text(s, 0x89, "ping");
	add_text(s, 0x00, "");
	add_text(s, 0x8a, "pong");
	add_text(s, 0x80, "lo");
	add_text(s, 0x02, "");
	add_text(s, 0x80, "");
	add_text(s, 0x88,
	    "\x03\xe8"
	    "bye");
	expect(s, "1:Hello;2:bin\xff;1:;9:ping;a:pong;1:Hello;2:;C1000;");
	free(s);
}

static void
test_lengths(void **state)
{
	static const size_t lengths[] = { 0, 1, 125, 126, 127, 65535, 65536 };
	char *payload = calloc(1, LIMIT + 1), want[32];
	size_t i;

	(void)state;
	assert_non_null(payload);
	memset(payload, 'x', LIMIT + 1);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		if (lengths[i] > 100)
			snprintf(want, sizeof(want), "2:%zu bytes;",
			    lengths[i]);
		else
			snprintf(want, sizeof(want), "2:%.*s;", (int)lengths[i],
			    payload);
		expect_one(0x82, payload, lengths[i], want);
	}
	expect_one(0x82, payload, LIMIT + 1, "E1009;");
	free(payload);
}

static void
test_limit_counts_all_fragments(void **state)
{
	char *payload = calloc(1, LIMIT);
	struct stream *s = new_stream();

	(void)state;
	assert_non_null(payload);
	add(s, 0x02, payload, LIMIT - 1);
	add(s, 0x00, payload, 1);
	add(s, 0x80, payload, 0);
	expect(s, "2:65536 bytes;");
	s->len = 0;
	add(s, 0x02, payload, LIMIT - 1);
	add(s, 0x80, payload, 2);
	expect(s, "E1009;");
	free(s);
	free(payload);
}

static void
test_too_long_is_told_from_the_header(void **state)
{
	static const uint8_t head[] = { 0x82, 0xff, 0x7f, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4 };
	struct stream *s = new_stream();

	(void)state;
	memcpy(s->bytes, head, sizeof(head));
	s->len = sizeof(head);
	expect(s, "E1009;");
	free(s);
}

static void
test_reserved_opcodes_and_bits(void **state)
{
	unsigned int op;

	(void)state;
	for (op = 0; op < 16; op++) {
		if ((op >= 3 && op <= 7) || op >= 0xb)
			expect_one((uint8_t)(0x80 | op), "", 0, "E1002;");
		expect_one((uint8_t)(0xc0 | op), "", 0, "E1002;");
		expect_one((uint8_t)(0xa0 | op), "", 0, "E1002;");
		expect_one((uint8_t)(0x90 | op), "", 0, "E1002;");
	}
}

/* BYTES, raw, give WANT to a decoder of ROLE. */
static void
expect_raw(enum wsframe_role role, const void *bytes, size_t len,
    const char *want)
{
	struct stream *s = new_stream();
	char *got;

	memcpy(s->bytes, bytes, len);
	s->len = len;
	got = decode(s, role, 1);
	assert_string_equal(got, want);
	free(got);
	free(s);
}

static void
test_masking_follows_the_role(void **state)
{
	(void)state;
	expect_raw(WSFRAME_SERVER, "\x81\x01x", 3, "E1002;");
	expect_raw(WSFRAME_CLIENT, "\x81\x01x", 3, "1:x;");
	expect_raw(WSFRAME_CLIENT, "\x81\x81\0\0\0\0x", 7, "E1002;");
	expect_raw(WSFRAME_SERVER, "\x81\x81\0\0\0\0x", 7, "1:x;");
}

static void
test_lengths_are_minimal(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\x82\xfe\x00\x00\0\0\0\0", 8 },
		{ "\x82\xfe\x00\x7d\0\0\0\0", 8 },
		{ "\x82\xff\0\0\0\0\0\0\x00\x7e\0\0\0\0", 14 },
		{ "\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14 },
		{ "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_raw(WSFRAME_SERVER, bad[i].bytes, bad[i].len, "E1002;");
}

static void
test_order_of_fragments(void **state)
{
	struct stream *s = new_stream();

	(void)state;
	expect_one(0x80, "x", 1, "E1002;");
	expect_one(0x00, "x", 1, "E1002;");
	add_text(s, 0x01, "a");
	add_text(s, 0x81, "b");
	expect(s, "E1002;");
	s->len = 0;
	add_text(s, 0x81, "a");
	add_text(s, 0x80, "b");
	expect(s, "1:a;E1002;");
	free(s);
}

static void
test_control_frames_are_short_and_whole(void **state)
{
	char payload[126];

	(void)state;
	memset(payload, 'p', sizeof(payload));
	expect_one(0x89, payload, 125, "9:125 bytes;");
	expect_one(0x89, payload, 126, "E1002;");
	expect_one(0x09, payload, 1, "E1002;");
	expect_one(0x08, payload, 0, "E1002;");
}

static void
test_text_is_utf8(void **state)
{
	struct stream *s = new_stream();

	(void)state;
	expect_one(0x81, "\xe4\xbd\xa0", 3, "1:\xe4\xbd\xa0;");
	expect_one(0x81, "\xff", 1, "E1007;");
	expect_one(0x81, "a\xe4\xbd", 3, "E1007;");
	add_text(s, 0x01, "\xe4");
	add_text(s, 0x00, "\xbd");
	add_text(s, 0x89, "");
	add_text(s, 0x80, "\xa0");
	expect(s, "9:;1:\xe4\xbd\xa0;");
	s->len = 0;
	/* Told as soon as it can be, before the message has ended. */
	add_text(s, 0x01, "\xf4");
	add_text(s, 0x00, "\x90");
	expect(s, "E1007;");
	s->len = 0;
	add_text(s, 0x01, "\xe4");
	add_text(s, 0x80, "");
	expect(s, "E1007;");
	free(s);
}

static void
test_bad_text_is_told_inside_a_frame(void **state)
{
	struct wsframe_decoder d;
	struct stream *s = new_stream();
	size_t used;

	(void)state;
	add_text(s, 0x81, "good \xff and then a long rest");
	wsframe_init(&d, WSFRAME_SERVER, LIMIT);
	assert_int_equal(wsframe_decode(&d, s->bytes, 6 + 6, &used),
	    WSFRAME_ERROR);
	assert_int_equal(d.close_code, WSFRAME_INVALID_DATA);
	/* And it stays so. */
	assert_int_equal(wsframe_decode(&d, s->bytes + 12, 1, &used),
	    WSFRAME_ERROR);
	wsframe_done(&d);
	free(s);
}

static void
test_close_payloads(void **state)
{
	static const struct {
		unsigned int from, to;
		bool good;
	} ranges[] = {
		{ 0, 999, false },
		{ 1000, 1003, true },
		{ 1004, 1006, false },
		{ 1007, 1014, true },
		{ 1015, 2999, false },
		{ 3000, 4999, true },
		{ 5000, 65535, false },
	};
	char want[16];
	uint8_t p[2];
	unsigned int code;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		for (code = ranges[i].from; code <= ranges[i].to; code++)
			assert_int_equal(wsframe_close_code_valid(code),
			    ranges[i].good);
		p[0] = (uint8_t)(ranges[i].from >> 8);
		p[1] = (uint8_t)ranges[i].from;
		snprintf(want, sizeof(want), ranges[i].good ? "C%u;" : "E1002;",
		    ranges[i].from);
		expect_one(0x88, p, 2, want);
	}
	expect_one(0x88, "", 0, "C1005;");
	expect_one(0x88, "\x03", 1, "E1002;");
	expect_one(0x88, "\x03\xe8\xe4\xbd\xa0", 5, "C1000;");
	expect_one(0x88, "\x03\xe8\xe4\xbd", 4, "E1007;");
}

static void
test_idle_decoder_holds_no_memory(void **state)
{
	struct wsframe_decoder d;
	struct stream *s = new_stream();
	size_t used;

	(void)state;
	add_text(s, 0x01, "part");
	add_text(s, 0x80, "ial");
	add_text(s, 0x8a, "");
	wsframe_init(&d, WSFRAME_SERVER, LIMIT);
	assert_int_equal(wsframe_decode(&d, s->bytes, s->len, &used),
	    WSFRAME_MESSAGE);
	assert_non_null(d.buf);
	assert_int_equal(wsframe_decode(&d, s->bytes + used, s->len - used,
			     &used),
	    WSFRAME_CONTROL);
	assert_null(d.buf);
	wsframe_done(&d);
	free(s);
}

static void
test_close_payload_is_cut_on_a_character(void **state)
{
	uint8_t out[WSFRAME_CONTROL_MAX];
	char reason[256] = "";
	size_t i, len;

	(void)state;
	assert_int_equal(wsframe_close_payload(out, 1001, NULL), 2);
	assert_memory_equal(out, "\x03\xe9", 2);
	assert_int_equal(wsframe_close_payload(out, 4001, "replaced"), 10);
	assert_memory_equal(out, "\x0f\xa1replaced", 10);
	for (i = 0; i < 80; i++)
		memcpy(reason + 3 * i, "\xe4\xbd\xa0", 4);
	len = wsframe_close_payload(out, 1000, reason);
	assert_int_equal(len, 2 + 123);
	memmove(reason + 1, reason, 240);
	reason[0] = 'x';
	len = wsframe_close_payload(out, 1000, reason);
	assert_int_equal(len, 2 + 121);
	assert_true(utf8_valid(out + 2, len - 2));
}

static void
test_mask_goes_on_at_any_position(void **state)
{
	uint8_t whole[67], parts[67];
	size_t i, at;

	(void)state;
	for (i = 0; i < sizeof(whole); i++)
		whole[i] = parts[i] = (uint8_t)i;
	wsframe_mask(whole, sizeof(whole), key, 0);
	for (i = 0; i < sizeof(whole); i++)
		assert_int_equal(whole[i], (uint8_t)i ^ key[i % 4]);
	for (i = 0, at = 0; at < sizeof(parts); i++) {
		size_t n = i % 19;

		n = at + n > sizeof(parts) ? sizeof(parts) - at : n;
		wsframe_mask(parts + at, n, key, at);
		at += n;
	}
	assert_memory_equal(whole, parts, sizeof(whole));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_and_fragments),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_limit_counts_all_fragments),
		cmocka_unit_test(test_too_long_is_told_from_the_header),
		cmocka_unit_test(test_reserved_opcodes_and_bits),
		cmocka_unit_test(test_masking_follows_the_role),
		cmocka_unit_test(test_lengths_are_minimal),
		cmocka_unit_test(test_order_of_fragments),
		cmocka_unit_test(test_control_frames_are_short_and_whole),
		cmocka_unit_test(test_text_is_utf8),
		cmocka_unit_test(test_bad_text_is_told_inside_a_frame),
		cmocka_unit_test(test_close_payloads),
		cmocka_unit_test(test_idle_decoder_holds_no_memory),
		cmocka_unit_test(test_close_payload_is_cut_on_a_character),
		cmocka_unit_test(test_mask_goes_on_at_any_position),
	};

	return cmocka_run_group_tests_name("wsframe", tests, NULL, NULL);
}
