/* SPDX-License-Identifier: ISC */
/*
 * However a stream is cut, a decoder of either role finds the same in it.
 * Input: a byte that says how many cuts there are, a byte for the length of
 * each piece (they are gone through again and again), the stream.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "wsframe.h"

#define FUZZ_LIMIT 1024

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* The lengths of the pieces; none: all in one piece. */
struct fuzz_cuts {
	const uint8_t *sizes;
	size_t count;
};

/* Write what has been found, and check what is always so. */
static void
fuzz_note(FILE *fp, const struct wsframe_decoder *d, enum wsframe_result r)
{
	if (r == WSFRAME_ERROR) {
		CHECK(d->payload == NULL && d->buf == NULL);
		CHECK(d->reason != NULL && d->close_code != WSFRAME_INTERNAL);
		CHECK(wsframe_close_code_valid(d->close_code));
		fprintf(fp, "error %u %s\n", d->close_code, d->reason);
		return;
	}
	CHECK(d->payload != NULL);
	fprintf(fp, "%d %d %zu ", r, (int)d->opcode, d->payload_len);
	fwrite(d->payload, 1, d->payload_len, fp);
	if (r == WSFRAME_MESSAGE) {
		CHECK(d->payload_len <= FUZZ_LIMIT);
		CHECK(d->opcode != WSFRAME_TEXT ||
		      utf8_valid(d->payload, d->payload_len));
	} else {
		CHECK(d->payload_len <= WSFRAME_CONTROL_MAX);
		if (d->opcode == WSFRAME_CLOSE)
			fprintf(fp, " %u", d->close_code);
	}
	putc('\n', fp);
}

/* Decode as far as [*FROM, TO) goes; false after an error. */
static bool
fuzz_feed(struct wsframe_decoder *d, uint8_t *bytes, size_t *from, size_t to,
    FILE *fp)
{
	enum wsframe_result r;
	size_t used;

	for (;;) {
		r = wsframe_decode(d, bytes + *from, to - *from, &used);
		CHECK(used <= to - *from);
		*from += used;
		CHECK(d->buf_len <= d->buf_size && d->buf_size <= FUZZ_LIMIT);
		if (r == WSFRAME_MORE) {
			CHECK(to - *from <
			      WSFRAME_HEADER_MAX + WSFRAME_CONTROL_MAX);
			CHECK(d->message_opcode != 0 || d->buf == NULL);
			return true;
		}
		fuzz_note(fp, d, r);
		if (r == WSFRAME_ERROR)
			return false;
	}
}

/* Each piece is given in memory of its own, in which no other byte is. */
static bool
fuzz_feed_piece(struct wsframe_decoder *d, uint8_t *bytes, size_t *from,
    size_t to, FILE *fp)
{
	size_t len = to - *from, at = 0;
	uint8_t *piece = malloc(len + 1);
	bool on;

	CHECK(piece != NULL);
	memcpy(piece, bytes + *from, len);
	on = fuzz_feed(d, piece, &at, len, fp);
	*from += at;
	free(piece);
	return on;
}

static char *
fuzz_decode(uint8_t *bytes, size_t len, enum wsframe_role role,
    struct fuzz_cuts cuts, size_t *size)
{
	struct wsframe_decoder d;
	size_t from = 0, to = 0, step, i;
	char *out = NULL;
	FILE *fp = open_memstream(&out, size);

	CHECK(fp != NULL);
	wsframe_init(&d, role, FUZZ_LIMIT);
	for (i = 0; to < len; i++) {
		step = cuts.count == 0 ? len : 1u + cuts.sizes[i % cuts.count];
		to = len - to < step ? len : to + step;
		if (!fuzz_feed_piece(&d, bytes, &from, to, fp))
			break;
	}
	wsframe_done(&d);
	fclose(fp);
	return out;
}

static void
fuzz_compare(const uint8_t *data, size_t len, enum wsframe_role role,
    struct fuzz_cuts cuts)
{
	static const uint8_t bytewise[] = { 0 };
	const struct fuzz_cuts ways[] = { { NULL, 0 }, { bytewise, 1 }, cuts };
	uint8_t *bytes = malloc(len + 1);
	size_t sizes[3], i;
	char *out[3];

	CHECK(bytes != NULL);
	for (i = 0; i < 3; i++) {
		memcpy(bytes, data, len);
		out[i] = fuzz_decode(bytes, len, role, ways[i], &sizes[i]);
		CHECK(sizes[i] == sizes[0]);
		CHECK(memcmp(out[i], out[0], sizes[0]) == 0);
	}
	for (i = 0; i < 3; i++)
		free(out[i]);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_cuts cuts;

	if (len < 1)
		return 0;
	cuts.sizes = data + 1;
	cuts.count = data[0] % 8;
	if (len < 1 + cuts.count)
		return 0;
	data += 1 + cuts.count;
	len -= 1 + cuts.count;
	fuzz_compare(data, len, WSFRAME_SERVER, cuts);
	fuzz_compare(data, len, WSFRAME_CLIENT, cuts);
	return 0;
}
