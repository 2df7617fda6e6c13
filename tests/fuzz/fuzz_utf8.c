/* SPDX-License-Identifier: ISC */
/*
 * Cleaned text is valid, without U+0000, and stays as it is when cleaned
 * again; a check in pieces says what a check of the whole does.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *once = malloc(3 * len + 1), *twice = malloc(9 * len + 1);
	struct utf8_state st = { 0, 0, 0 };
	size_t n, at, step = len > 0 ? 1 + data[0] % 5 : 1;
	bool good = true;

	CHECK(once != NULL && twice != NULL);
	n = utf8_clean(once, data, len);
	CHECK(n <= 3 * len && utf8_valid(once, n));
	CHECK(n == 0 || memchr(once, 0, n) == NULL);
	CHECK(utf8_clean(twice, once, n) == n && memcmp(once, twice, n) == 0);
	for (at = 0; at < len && good; at += step)
		good = utf8_feed(&st, data + at,
		    len - at < step ? len - at : step);
	CHECK((good && utf8_complete(&st)) == utf8_valid(data, len));
	free(once);
	free(twice);
	return 0;
}
