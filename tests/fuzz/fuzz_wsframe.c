/* SPDX-License-Identifier: ISC */
/*
 * However a stream is cut, a decoder finds the same in it.  The first byte
 * of the input chooses the role and how to cut; the rest is the stream.
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

static void
fuzz_note(FILE *fp, const struct wsframe_decoder *d, enum wsframe_result r)
{
	fprintf(fp, "%d %d ", r, r == WSFRAME_ERROR ? 0 : (int)d->opcode);
	if (r == WSFRAME_ERROR || d->opcode == WSFRAME_CLOSE) {
		fprintf(fp, "%u\n", d->close_code);
		return;
	}
	CHECK(r != WSFRAME_MESSAGE || d->payload_len <= FUZZ_LIMIT);
	CHECK(r != WSFRAME_MESSAGE || d->opcode != WSFRAME_TEXT ||
	      utf8_valid(d->payload, d->payload_len));
	CHECK(d->payload != NULL);
	fwrite(d->payload, 1, d->payload_len, fp);
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
		CHECK(d->buf_size <= FUZZ_LIMIT);
		if (r == WSFRAME_MORE) {
			CHECK(to - *from <
			      WSFRAME_HEADER_MAX + WSFRAME_CONTROL_MAX);
			return true;
		}
		fuzz_note(fp, d, r);
		if (r == WSFRAME_ERROR)
			return false;
	}
}

static char *
fuzz_decode(const uint8_t *data, size_t len, enum wsframe_role role,
    size_t step, size_t *size)
{
	struct wsframe_decoder d;
	uint8_t *bytes = malloc(len + 1);
	size_t from = 0, to = 0;
	char *out = NULL;
	FILE *fp = open_memstream(&out, size);

	CHECK(bytes != NULL && fp != NULL);
	memcpy(bytes, data, len);
	wsframe_init(&d, role, FUZZ_LIMIT);
	while (to < len) {
		to = len - to < step ? len : to + step;
		if (!fuzz_feed(&d, bytes, &from, to, fp))
			break;
	}
	wsframe_done(&d);
	fclose(fp);
	free(bytes);
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum wsframe_role role;
	size_t whole_size, cut_size, step;
	char *whole, *cut;

	if (len < 2)
		return 0;
	role = data[0] & 1 ? WSFRAME_SERVER : WSFRAME_CLIENT;
	step = 1 + (data[0] >> 1);
	whole = fuzz_decode(data + 1, len - 1, role, len, &whole_size);
	cut = fuzz_decode(data + 1, len - 1, role, step, &cut_size);
	CHECK(whole_size == cut_size && memcmp(whole, cut, cut_size) == 0);
	free(whole);
	free(cut);
	return 0;
}
