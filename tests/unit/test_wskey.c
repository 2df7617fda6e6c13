/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wskey.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_accept(void **state)
{
	static const struct {
		const char *key, *want;
	} cases[] = {
		/* RFC 6455 1.3 */
		{ "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
		{ "x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=" },
		{ "AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI=" },
		{ "/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g=" },
	};
	char out[WSKEY_ACCEPT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		assert_true(wskey_valid(cases[i].key));
		wskey_accept(cases[i].key, out);
		assert_string_equal(out, cases[i].want);
	}
}

static void
test_key_is_base64_of_16_bytes(void **state)
{
	static const char *const bad[] = {
		"",
		"=",
		"========================",
		"dGhlIHNhbXBsZSBub25jZQ",
		"dGhlIHNhbXBsZSBub25jZQ=",
		"dGhlIHNhbXBsZSBub25jZQ===",
		"dGhlIHNhbXBsZSBub25jZQ== ",
		" dGhlIHNhbXBsZSBub25jZQ==",
		"dGhlIHNhbXBs ZSBub25jZQ==",
		/* 15, 17 and 18 bytes */
		"dGhlIHNhbXBsZSBub25j",
		"dGhlIHNhbXBsZSBub25jZWE=",
		"dGhlIHNhbXBsZSBub25jZWFh",
		"dGhlIHNhbXBsZSBub25jZQA=",
		/* Padding elsewhere, and bits behind the last byte. */
		"dGhlIHNhbXBsZSBub25j=Q==",
		"dGhlIHNhbXBsZSBub25jZ=Q=",
		"dGhlIHNhbXBsZSBub25jZR==",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		assert_false(wskey_valid(bad[i]));
}

/* A character of another kind, anywhere. */
static void
test_key_has_only_characters_of_base64(void **state)
{
	static const char odd[] = " \t\r\n\v\f!-_.,\"\\\x01\x7f\x80\xff";
	static const char good[] = "dGhlIHNhbXBsZSBub25jZQ==";
	char key[sizeof(good)];
	size_t at, i;

	(void)state;
	for (at = 0; at < sizeof(good) - 1; at++) {
		for (i = 0; i < sizeof(odd) - 1; i++) {
			memcpy(key, good, sizeof(good));
			key[at] = odd[i];
			assert_false(wskey_valid(key));
		}
	}
}

static void
test_nonces_are_valid_and_differ(void **state)
{
	char nonces[64][WSKEY_NONCE_SIZE];
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(nonces); i++) {
		wskey_nonce(nonces[i]);
		assert_true(wskey_valid(nonces[i]));
		for (j = 0; j < i; j++)
			assert_string_not_equal(nonces[i], nonces[j]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_key_is_base64_of_16_bytes),
		cmocka_unit_test(test_key_has_only_characters_of_base64),
		cmocka_unit_test(test_nonces_are_valid_and_differ),
	};

	return cmocka_run_group_tests_name("wskey", tests, NULL, NULL);
}
