/* SPDX-License-Identifier: ISC */
/*
 * Each stream is decoded by a server and, without masks, by a client; whole,
 * byte by byte and in other pieces.  All must give the same: what they give is
 * written as a line of text to compare.
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

#define LIMIT        65536
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What one role gets. */
struct side {
	uint8_t bytes[3 * LIMIT];
	size_t len;
};

/* A stream in the making. */
struct stream {
	struct side to[2]; /* by enum wsframe_role */
};

static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };

static struct stream *
new_stream(void)
{
	struct stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	return s;
}

static void
clear(struct stream *s)
{
	s->to[WSFRAME_SERVER].len = s->to[WSFRAME_CLIENT].len = 0;
}

/* Append a frame with FIRST as its first byte. */
static void
add(struct stream *s, uint8_t first, const void *payload, size_t len)
{
	struct side *side;
	uint8_t *at;
	int role;

	for (role = WSFRAME_SERVER; role <= WSFRAME_CLIENT; role++) {
		side = &s->to[role];
		at = side->bytes + side->len;
		side->len += wsframe_header(at, WSFRAME_TEXT, len,
		    role == WSFRAME_SERVER ? key : NULL);
		at[0] = first;
		at = side->bytes + side->len;
		memcpy(at, payload, len);
		if (role == WSFRAME_SERVER)
			wsframe_mask(at, len, key, 0);
		side->len += len;
	}
}

static void
add_text(struct stream *s, uint8_t first, const char *text)
{
	add(s, first, text, strlen(text));
}

static void
note(FILE *fp, const struct wsframe_decoder *d, enum wsframe_result r)
{
	if (r == WSFRAME_MORE)
		return;
	if (r == WSFRAME_ERROR)
		fprintf(fp, "E%u;", d->close_code);
	else if (d->opcode == WSFRAME_CLOSE)
		fprintf(fp, "8:%u %.*s;", d->close_code,
		    d->payload_len < 2 ? 0 : (int)d->payload_len - 2,
		    (const char *)d->payload + 2);
	else if (d->payload_len > 100)
		fprintf(fp, "%x:%zu bytes;", d->opcode, d->payload_len);
	else
		fprintf(fp, "%x:%.*s;", d->opcode, (int)d->payload_len,
		    (const char *)d->payload);
}

/* Decode in pieces of STEP bytes; returns the notes, which the caller frees. */
static char *
decode(const struct side *s, enum wsframe_role role, size_t limit, size_t step)
{
	struct wsframe_decoder d;
	enum wsframe_result r = WSFRAME_MORE;
	uint8_t *copy = malloc(s->len + (s->len == 0));
	size_t from = 0, to = 0, used, size;
	char *out = NULL;
	FILE *fp = open_memstream(&out, &size);

	assert_true(copy != NULL && fp != NULL);
	memcpy(copy, s->bytes, s->len);
	wsframe_init(&d, role, limit);
	while (r != WSFRAME_ERROR && to < s->len) {
		to = s->len - to < step ? s->len : to + step;
		do {
			r = wsframe_decode(&d, copy + from, to - from, &used);
			assert_true(used <= to - from);
			assert_true(d.buf_size <= limit);
			assert_true(r != WSFRAME_MESSAGE || d.payload != NULL);
			note(fp, &d, r);
			from += used;
		} while (r != WSFRAME_ERROR && r != WSFRAME_MORE);
		/* Between messages nothing is held. */
		assert_true(d.message_opcode != 0 || d.buf == NULL);
	}
	wsframe_done(&d);
	fclose(fp);
	free(copy);
	return out;
}

static void
expect_side(const struct side *s, enum wsframe_role role, size_t limit,
    const char *want)
{
	static const size_t steps[] = { SIZE_MAX, 1, 3, 1000 };
	char *got;
	size_t i;

	for (i = 0; i < COUNT(steps); i++) {
		got = decode(s, role, limit, steps[i]);
		assert_string_equal(got, want);
		free(got);
	}
}

/* Both roles find WANT within LIMIT (0: the usual); then clear the stream. */
static void
expect(struct stream *s, size_t limit, const char *want)
{
	int role;

	for (role = WSFRAME_SERVER; role <= WSFRAME_CLIENT; role++)
		expect_side(&s->to[role], (enum wsframe_role)role,
		    limit == 0 ? LIMIT : limit, want);
	clear(s);
}

struct frame {
	uint8_t first;
	const char *text;
};

/* Sequences of frames, the message limit (0: LIMIT), and what comes of it. */
static const struct sequence {
	struct frame frames[6]; /* up to one without a text */
	size_t limit;
	const char *want;
} sequences[] = {
	/* 5.4, 5.5: fragments, and control frames between them */
	{ { { 0x81, "Hello" }, { 0x82, "bin\xff" }, { 0x81, "" } }, 0,
	    "1:Hello;2:bin\xff;1:;" },
	{ { { 0x01, "Hel" }, { 0x80, "lo" } }, 0, "1:Hello;" },
	{ { { 0x01, "" }, { 0x00, "" }, { 0x80, "" } }, 0, "1:;" },
	{ { { 0x02, "" }, { 0x00, "\xff" }, { 0x80, "" } }, 0, "2:\xff;" },
	{ { { 0x01, "a" }, { 0x89, "ping" }, { 0x00, "b" }, { 0x8a, "pong" },
	      { 0x80, "c" }, { 0x81, "d" } },
	    0, "9:ping;a:pong;1:abc;1:d;" },
	{ { { 0x01, "a" }, { 0x88, "\x03\xe9gone" } }, 0, "8:1001 gone;" },
	{ { { 0x01, "a" } }, 0, "" },
	{ { { 0x80, "x" } }, 0, "E1002;" },
	{ { { 0x00, "x" } }, 0, "E1002;" },
	{ { { 0x01, "a" }, { 0x81, "b" } }, 0, "E1002;" },
	{ { { 0x01, "a" }, { 0x02, "b" } }, 0, "E1002;" },
	{ { { 0x01, "a" }, { 0x80, "b" }, { 0x80, "c" } }, 0, "1:ab;E1002;" },
	{ { { 0x81, "a" }, { 0x80, "b" } }, 0, "1:a;E1002;" },
	{ { { 0x01, "a" }, { 0x09, "p" } }, 0, "E1002;" },

	/* The limit is for messages, over all fragments, and not for pings. */
	{ { { 0x89, "ping" }, { 0x82, "x" } }, 1, "9:ping;2:x;" },
	{ { { 0x82, "xy" } }, 1, "E1009;" },
	{ { { 0x02, "abc" }, { 0x89, "ping" }, { 0x00, "" }, { 0x80, "d" },
	      { 0x82, "efgh" } },
	    4, "9:ping;2:abcd;2:efgh;" },
	{ { { 0x02, "abc" }, { 0x00, "" }, { 0x80, "de" } }, 4, "E1009;" },
	{ { { 0x02, "abcd" }, { 0x00, "" }, { 0x00, "e" } }, 4, "E1009;" },
	/* Each message has a limit of its own. */
	{ { { 0x02, "ab" }, { 0x80, "cd" }, { 0x02, "ef" }, { 0x80, "gh" } }, 4,
	    "2:abcd;2:efgh;" },

	/* 8.1: UTF-8, over fragments, told before the message ends */
	{ { { 0x81, "\xe4\xbd\xa0" } }, 0, "1:\xe4\xbd\xa0;" },
	{ { { 0x01, "\xe4" }, { 0x00, "\xbd" }, { 0x89, "" },
	      { 0x80, "\xa0" } },
	    0, "9:;1:\xe4\xbd\xa0;" },
	{ { { 0x81, "\xff" } }, 0, "E1007;" },
	{ { { 0x81, "a\xe4\xbd" } }, 0, "E1007;" },
	{ { { 0x81, "\xed\xa0\x80" } }, 0, "E1007;" },
	{ { { 0x01, "\xf4" }, { 0x00, "\x90" } }, 0, "E1007;" },
	{ { { 0x01, "\xe4" }, { 0x80, "" } }, 0, "E1007;" },
	{ { { 0x01, "\xe4" }, { 0x80, "a" } }, 0, "E1007;" },
	{ { { 0x01, "a" }, { 0x00, "\x80" } }, 0, "E1007;" },
	/* One message's beginning is not the next one's. */
	{ { { 0x02, "\xe4" }, { 0x80, "" }, { 0x81, "a" } }, 0, "2:\xe4;1:a;" },
	{ { { 0x82, "\xe4" }, { 0x81, "\xbd" } }, 0, "2:\xe4;E1007;" },
	/* What a ping carries is no text. */
	{ { { 0x01, "\xe4" }, { 0x89, "\xff" }, { 0x80, "\xbd\xa0" } }, 0,
	    "9:\xff;1:\xe4\xbd\xa0;" },

	/* 5.5.1, 7.4: close frames */
	{ { { 0x88, "" } }, 0, "8:1005 ;" },
	{ { { 0x88, "\x03" } }, 0, "E1002;" },
	/* Were the next frame's first byte taken for it, 3969. */
	{ { { 0x88, "\x0f" }, { 0x81, "x" } }, 0, "E1002;" },
	{ { { 0x88, "\x03\xe8" } }, 0, "8:1000 ;" },
	{ { { 0x88, "\x03\xe8\xe4\xbd\xa0" } }, 0, "8:1000 \xe4\xbd\xa0;" },
	{ { { 0x88, "\x03\xe8\xe4\xbd" } }, 0, "E1007;" },
	{ { { 0x88, "\x03\xe8\xff" } }, 0, "E1007;" },
	{ { { 0x88, "\x03\xed\xff" } }, 0, "E1002;" },
};

static void
test_sequences_of_frames(void **state)
{
	struct stream *s = new_stream();
	const struct frame *f;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(sequences); i++) {
		f = sequences[i].frames;
		for (n = 0; n < COUNT(sequences[i].frames); n++) {
			if (f[n].text == NULL)
				break;
			add_text(s, f[n].first, f[n].text);
		}
		expect(s, sequences[i].limit, sequences[i].want);
	}
	free(s);
}

static bool
is_defined(unsigned int opcode)
{
	return opcode <= WSFRAME_BINARY ||
	       (opcode >= WSFRAME_CLOSE && opcode <= WSFRAME_PONG);
}

/* What a frame without payload must give, outside a message or in one. */
static const char *
first_byte_gives(unsigned int first, bool inside)
{
	unsigned int opcode = first & 0xf;
	bool fin = first >= 0x80;

	if (first & 0x70 || !is_defined(opcode))
		return "E1002;";
	if (opcode >= WSFRAME_CLOSE)
		return !fin        ? "E1002;" :
		       opcode == 8 ? "8:1005 ;" :
		       opcode == 9 ? "9:;" :
				     "a:;";
	if ((opcode == WSFRAME_CONTINUATION) != inside)
		return "E1002;";
	return !fin ? "" : inside || opcode == WSFRAME_TEXT ? "1:;" : "2:;";
}

static void
test_every_first_byte(void **state)
{
	struct stream *s = new_stream();
	unsigned int first;

	(void)state;
	for (first = 0; first <= 0xff; first++) {
		add(s, (uint8_t)first, "", 0);
		expect(s, 0, first_byte_gives(first, false));
		add(s, 0x01, "", 0);
		add(s, (uint8_t)first, "", 0);
		expect(s, 0, first_byte_gives(first, true));
	}
	free(s);
}

static void
test_lengths(void **state)
{
	static const struct {
		uint8_t first;
		size_t len;
		const char *want;
	} cases[] = {
		{ 0x82, 1, "2:x;" },
		{ 0x82, 125, "2:125 bytes;" },
		{ 0x82, 126, "2:126 bytes;" },
		{ 0x82, 127, "2:127 bytes;" },
		{ 0x81, 65535, "1:65535 bytes;" },
		{ 0x81, 65536, "1:65536 bytes;" },
		{ 0x81, 65537, "E1009;" },
		{ 0x01, 65537, "E1009;" },
		{ 0x89, 125, "9:125 bytes;" },
		{ 0x8a, 125, "a:125 bytes;" },
		{ 0x89, 126, "E1002;" },
		{ 0x8a, 126, "E1002;" },
		{ 0x88, 126, "E1002;" },
		{ 0x89, 65536, "E1002;" },
	};
	char *payload = malloc(LIMIT + 1);
	struct stream *s = new_stream();
	size_t i;

	(void)state;
	assert_non_null(payload);
	memset(payload, 'x', LIMIT + 1);
	for (i = 0; i < COUNT(cases); i++) {
		add(s, cases[i].first, payload, cases[i].len);
		expect(s, 0, cases[i].want);
	}
	add(s, 0x02, payload, LIMIT - 1);
	add(s, 0x00, payload, 1);
	add(s, 0x80, payload, 0);
	expect(s, 0, "2:65536 bytes;");
	add(s, 0x02, payload, LIMIT - 1);
	add(s, 0x80, payload, 2);
	expect(s, 0, "E1009;");
	free(s);
	free(payload);
}

/* Whole headers that are refused or taken without a byte of payload. */
static void
test_headers_as_they_are(void **state)
{
	static const struct {
		enum wsframe_role role;
		const char *bytes;
		size_t len;
		const char *want;
	} cases[] = {
		/* 5.1: who masks */
		{ WSFRAME_SERVER, "\x81\x01x", 3, "E1002;" },
		{ WSFRAME_SERVER, "\x89\x00", 2, "E1002;" },
		{ WSFRAME_SERVER, "\x81\x81\0\0\0\0x", 7, "1:x;" },
		{ WSFRAME_CLIENT, "\x81\x01x", 3, "1:x;" },
		{ WSFRAME_CLIENT, "\x81\x81\0\0\0\0x", 7, "E1002;" },
		{ WSFRAME_CLIENT, "\x8a\x80\0\0\0\0", 6, "E1002;" },
		/* 5.2: the fewest bytes, and no top bit */
		{ WSFRAME_CLIENT, "\x82\x7e\0\0", 4, "E1002;" },
		{ WSFRAME_CLIENT, "\x82\x7e\0\x7d", 4, "E1002;" },
		{ WSFRAME_CLIENT, "\x82\x7f\0\0\0\0\0\0\0\0", 10, "E1002;" },
		{ WSFRAME_CLIENT, "\x82\x7f\0\0\0\0\0\0\0\x7e", 10, "E1002;" },
		{ WSFRAME_CLIENT, "\x82\x7f\0\0\0\0\0\0\xff\xff", 10,
		    "E1002;" },
		{ WSFRAME_CLIENT, "\x82\x7f\x80\0\0\0\0\0\0\0", 10, "E1002;" },
		{ WSFRAME_SERVER, "\x82\xfe\0\x7d\0\0\0\0", 8, "E1002;" },
		{ WSFRAME_SERVER, "\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14,
		    "E1002;" },
		{ WSFRAME_SERVER, "\x82\xff\xff\0\0\0\0\0\0\0\0\0\0\0", 14,
		    "E1002;" },
		/* A control frame's first two bytes are enough. */
		{ WSFRAME_SERVER, "\x89\xfe", 2, "E1002;" },
		{ WSFRAME_CLIENT, "\x88\x7f", 2, "E1002;" },
		/* The limit is told by the header. */
		{ WSFRAME_CLIENT, "\x82\x7f\0\0\0\0\0\1\0\1", 10, "E1009;" },
		{ WSFRAME_CLIENT, "\x82\x7f\0\0\0\0\0\1\0\0", 10, "" },
		{ WSFRAME_CLIENT, "\x02\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
		    10, "E1009;" },
		{ WSFRAME_CLIENT,
		    "\x02\x01x\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 13,
		    "E1009;" },
		{ WSFRAME_SERVER, "\x82\xff\0\0\0\0\0\1\0\1\0\0\0\0", 14,
		    "E1009;" },
		/* Not yet whole. */
		{ WSFRAME_CLIENT, "\xff", 1, "" },
		{ WSFRAME_CLIENT, "\x82\x7e\0", 3, "" },
		{ WSFRAME_SERVER, "\x89\x80\0\0\0", 5, "" },
		{ WSFRAME_SERVER, "\x89\x81\0\0\0\0", 6, "" },
	};
	struct side *side = calloc(1, sizeof(*side));
	size_t i;

	(void)state;
	assert_non_null(side);
	for (i = 0; i < COUNT(cases); i++) {
		memcpy(side->bytes, cases[i].bytes, cases[i].len);
		side->len = cases[i].len;
		expect_side(side, cases[i].role, LIMIT, cases[i].want);
	}
	free(side);
}

/* 8.1: not a byte later than it can be told, wherever the text is cut. */
static void
test_bad_text_is_told_at_once(void **state)
{
	static const struct {
		const char *text;
		size_t bad; /* the byte at which it is told */
	} cases[] = {
		{ "\xff and a long rest", 0 },
		{ "good \xff and a long rest", 5 },
		{ "12345678\x80 and a long rest", 8 },
		{ "\xc0\xaf", 0 },
		{ "a\xc3(", 2 },
		{ "\xe0\x9f\xbf", 1 },
		{ "\xed\xa0\x80", 1 },
		{ "\xe4\xbd-", 2 },
		{ "\xf0\x8f\xbf\xbf", 1 },
		{ "\xf4\x90\x80\x80", 1 },
		{ "\xf0\x9f\x94\xe4", 3 },
		{ "\xf5\x80\x80\x80", 0 },
	};
	struct wsframe_decoder d;
	struct stream *s = new_stream();
	uint8_t *bytes = s->to[WSFRAME_SERVER].bytes;
	size_t i, at, used;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		add_text(s, 0x01, cases[i].text);
		wsframe_init(&d, WSFRAME_SERVER, LIMIT);
		assert_int_equal(wsframe_decode(&d, bytes, 6, &used),
		    WSFRAME_MORE);
		assert_int_equal(used, 6);
		for (at = 0; at < cases[i].bad; at++)
			assert_int_equal(wsframe_decode(&d, bytes + 6 + at, 1,
					     &used),
			    WSFRAME_MORE);
		assert_int_equal(wsframe_decode(&d, bytes + 6 + at, 1, &used),
		    WSFRAME_ERROR);
		assert_int_equal(d.close_code, WSFRAME_INVALID_DATA);
		clear(s);
		wsframe_done(&d);
	}
	free(s);
}

static void
test_an_error_stays(void **state)
{
	uint8_t bad[] = { 0x81, 0x01, 'x', 0x02, 0x01, 'y', 0x83, 0x00 };
	uint8_t good[] = { 0x81, 0x00 };
	struct wsframe_decoder d;
	size_t used;
	int i;

	(void)state;
	wsframe_init(&d, WSFRAME_CLIENT, LIMIT);
	assert_int_equal(wsframe_decode(&d, bad, sizeof(bad), &used),
	    WSFRAME_MESSAGE);
	assert_int_equal(wsframe_decode(&d, bad + 3, sizeof(bad) - 3, &used),
	    WSFRAME_ERROR);
	for (i = 0; i < 3; i++) {
		assert_int_equal(d.close_code, WSFRAME_PROTOCOL_ERROR);
		assert_string_equal(d.reason, "reserved opcode");
		assert_true(d.buf == NULL && d.payload == NULL);
		assert_int_equal(d.payload_len, 0);
		assert_int_equal(wsframe_decode(&d, good, sizeof(good), &used),
		    WSFRAME_ERROR);
		assert_int_equal(used, 0);
	}
}

static bool
is_close_code(unsigned int code)
{
	static const struct {
		unsigned int from, to;
	} good[] = { { 1000, 1003 }, { 1007, 1014 }, { 3000, 4999 } };
	size_t i;

	for (i = 0; i < COUNT(good); i++) {
		if (code >= good[i].from && code <= good[i].to)
			return true;
	}
	return false;
}

static void
test_every_close_code(void **state)
{
	struct stream *s = new_stream();
	unsigned int code;
	uint8_t payload[2];
	char want[16];

	(void)state;
	for (code = 0; code <= UINT16_MAX; code++) {
		assert_int_equal(wsframe_close_code_valid(code),
		    is_close_code(code));
		if (code > 5001 && code % 1000 != 0)
			continue;
		payload[0] = (uint8_t)(code >> 8);
		payload[1] = (uint8_t)code;
		add(s, 0x88, payload, sizeof(payload));
		snprintf(want, sizeof(want),
		    is_close_code(code) ? "8:%u ;" : "E1002;", code);
		expect(s, 0, want);
	}
	assert_false(wsframe_close_code_valid(UINT16_MAX + 1u + 1000));
	free(s);
}

static void
test_close_reason_of_any_length(void **state)
{
	char payload[WSFRAME_CONTROL_MAX + 1] = "\x0f\xa1", want[160];
	struct stream *s = new_stream();
	size_t len;

	(void)state;
	memset(payload + 2, 'r', sizeof(payload) - 2);
	for (len = 2; len <= WSFRAME_CONTROL_MAX; len++) {
		add(s, 0x88, payload, len);
		snprintf(want, sizeof(want), "8:4001 %.*s;", (int)len - 2,
		    payload + 2);
		expect(s, 0, want);
	}
	free(s);
}

static void
test_whole_message_is_not_copied(void **state)
{
	uint8_t bytes[] = { 0x81, 0x02, 'h', 'i', 0x82, 0x00 };
	struct wsframe_decoder d;
	size_t used;

	(void)state;
	wsframe_init(&d, WSFRAME_CLIENT, LIMIT);
	assert_int_equal(wsframe_decode(&d, bytes, sizeof(bytes), &used),
	    WSFRAME_MESSAGE);
	assert_int_equal(used, 4);
	assert_ptr_equal(d.payload, bytes + 2);
	assert_null(d.buf);
	wsframe_done(&d);
}

/* The buffer of a message in pieces is gone once the message is used. */
static void
test_idle_decoder_holds_no_memory(void **state)
{
	uint8_t bytes[] = { 0x01, 0x04, 'p', 'a', 'r', 't', 0x80, 0x03, 'i',
		'a', 'l', 0x89, 0x00 };
	const size_t message = sizeof(bytes) - 2;
	struct wsframe_decoder d;
	size_t used, len;

	(void)state;
	for (len = 0; len <= 2; len += 2) {
		wsframe_init(&d, WSFRAME_CLIENT, LIMIT);
		assert_int_equal(wsframe_decode(&d, bytes, message, &used),
		    WSFRAME_MESSAGE);
		assert_int_equal(used, message);
		assert_memory_equal(d.payload, "partial", 7);
		/* It goes with the next call, also one that has nothing. */
		assert_int_equal(wsframe_decode(&d,
				     len == 0 ? NULL : bytes + message, len,
				     &used),
		    len == 0 ? WSFRAME_MORE : WSFRAME_CONTROL);
		assert_int_equal(used, len);
		assert_null(d.buf);
		assert_int_equal(d.buf_size, 0);
	}
}

static void
test_done_at_any_time(void **state)
{
	uint8_t part[] = { 0x02, 0x04, 'p', 'a' };
	struct wsframe_decoder d = { 0 };
	size_t used;

	(void)state;
	wsframe_done(&d);
	wsframe_init(&d, WSFRAME_CLIENT, LIMIT);
	assert_int_equal(wsframe_decode(&d, part, sizeof(part), &used),
	    WSFRAME_MORE);
	assert_int_equal(used, sizeof(part));
	assert_non_null(d.buf);
	wsframe_done(&d);
	assert_null(d.buf);
	wsframe_done(&d);
}

static void
test_headers_are_written_minimal(void **state)
{
	static const struct {
		enum wsframe_opcode opcode;
		uint64_t len;
		const uint8_t *mask;
		const char *want;
		size_t want_len;
	} cases[] = {
		{ WSFRAME_TEXT, 0, NULL, "\x81\x00", 2 },
		{ WSFRAME_PING, 125, NULL, "\x89\x7d", 2 },
		{ WSFRAME_BINARY, 126, NULL, "\x82\x7e\x00\x7e", 4 },
		{ WSFRAME_TEXT, 65535, NULL, "\x81\x7e\xff\xff", 4 },
		{ WSFRAME_TEXT, 65536, NULL, "\x81\x7f\0\0\0\0\0\1\0\0", 10 },
		{ WSFRAME_TEXT, INT64_MAX, NULL,
		    "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10 },
		{ WSFRAME_CLOSE, 0, key, "\x88\x80\x37\xfa\x21\x3d", 6 },
		{ WSFRAME_TEXT, 126, key, "\x81\xfe\x00\x7e\x37\xfa\x21\x3d",
		    8 },
		{ WSFRAME_TEXT, 65536, key,
		    "\x81\xff\0\0\0\0\0\1\0\0\x37\xfa\x21\x3d", 14 },
	};
	uint8_t out[WSFRAME_HEADER_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		assert_int_equal(wsframe_header(out, cases[i].opcode,
				     cases[i].len, cases[i].mask),
		    cases[i].want_len);
		assert_memory_equal(out, cases[i].want, cases[i].want_len);
	}
}

static void
test_close_payload_is_cut_on_a_character(void **state)
{
	uint8_t out[WSFRAME_CONTROL_MAX];
	char reason[256] = "";
	size_t i, shift, len;

	(void)state;
	assert_int_equal(wsframe_close_payload(out, 1001, NULL), 2);
	assert_memory_equal(out, "\x03\xe9", 2);
	assert_int_equal(wsframe_close_payload(out, 1001, ""), 2);
	assert_int_equal(wsframe_close_payload(out, 4001, "replaced"), 10);
	assert_memory_equal(out, "\x0f\xa1replaced", 10);
	/* Of the 123 bytes, characters of three begin at SHIFT. */
	for (shift = 0; shift < 6; shift++) {
		memset(reason, 'x', shift);
		for (i = 0; i < 80; i++)
			memcpy(reason + shift + 3 * i, "\xe4\xbd\xa0", 4);
		len = wsframe_close_payload(out, 1000, reason);
		assert_int_equal(len, 2 + shift + (123 - shift) / 3 * 3);
		assert_memory_equal(out + 2, reason, len - 2);
	}
}

/* Every length and position, in memory without room beside it. */
static void
test_mask_from_any_position(void **state)
{
	size_t len, pos, i;
	uint8_t *p;

	(void)state;
	for (len = 0; len <= 40; len++) {
		p = malloc(len + (len == 0));
		assert_non_null(p);
		for (pos = 0; pos < 9; pos++) {
			for (i = 0; i < len; i++)
				p[i] = (uint8_t)(i * 7);
			wsframe_mask(p, len, key, pos);
			for (i = 0; i < len; i++)
				assert_int_equal(p[i],
				    (uint8_t)(i * 7) ^ key[(pos + i) % 4]);
		}
		free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequences_of_frames),
		cmocka_unit_test(test_every_first_byte),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_headers_as_they_are),
		cmocka_unit_test(test_bad_text_is_told_at_once),
		cmocka_unit_test(test_an_error_stays),
		cmocka_unit_test(test_every_close_code),
		cmocka_unit_test(test_close_reason_of_any_length),
		cmocka_unit_test(test_whole_message_is_not_copied),
		cmocka_unit_test(test_idle_decoder_holds_no_memory),
		cmocka_unit_test(test_done_at_any_time),
		cmocka_unit_test(test_headers_are_written_minimal),
		cmocka_unit_test(test_close_payload_is_cut_on_a_character),
		cmocka_unit_test(test_mask_from_any_position),
	};

	return cmocka_run_group_tests_name("wsframe", tests, NULL, NULL);
}
