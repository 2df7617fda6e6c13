/* SPDX-License-Identifier: ISC */
/*
 * Cleaned text is valid, without U+0000, and stays as it is when cleaned
 * again; a check in pieces says what a check of the whole does.
 * Input: a byte that says how many cuts there are, a byte for the length of
 * each piece (they are gone through again and again), the text.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_clean(const uint8_t *text, size_t len)
{
	/* Of the sizes that the contract asks for, and not a byte more. */
	char *once = malloc(3 * len + !len), *twice;
	bool clean;
	size_t n;

	CHECK(once != NULL);
	n = utf8_clean(once, text, len);
	CHECK(n <= 3 * len && utf8_valid(once, n));
	CHECK(memchr(once, 0, n) == NULL);
	clean = utf8_valid(text, len) && memchr(text, 0, len) == NULL;
	CHECK(clean == (n == len && memcmp(once, text, n) == 0));
	twice = malloc(3 * n + !n);
	CHECK(twice != NULL);
	CHECK(utf8_clean(twice, once, n) == n);
	CHECK(memcmp(once, twice, n) == 0);
	free(twice);
	free(once);
}

/* What was fed without a fault begins with a valid text. */
static void
fuzz_feed(const uint8_t *text, size_t len, const uint8_t *sizes, size_t count)
{
	struct utf8_state st = { 0, 0, 0 };
	size_t at = 0, step, i;
	bool good = true;

	for (i = 0; at < len && good; i++) {
		step = count == 0 ? 1 : 1u + sizes[i % count];
		step = len - at < step ? len - at : step;
		good = utf8_feed(&st, text + at, step);
		at += step;
		CHECK((good && utf8_complete(&st)) == utf8_valid(text, at));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t count;
	uint8_t *text;

	if (len < 1 || len < 1u + data[0] % 8)
		return 0;
	count = data[0] % 8;
	len -= 1 + count;
	text = malloc(len + !len);
	CHECK(text != NULL);
	memcpy(text, data + 1 + count, len);
	fuzz_clean(text, len);
	fuzz_feed(text, len, data + 1, count);
	free(text);
	return 0;
}
