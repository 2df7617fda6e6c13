/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wskey.h"

static void
test_accept_of_the_rfc(void **state)
{
	char out[WSKEY_ACCEPT_SIZE];

	(void)state;
	/* RFC 6455 1.3 */
	wskey_accept("dGhlIHNhbXBsZSBub25jZQ==", out);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void
test_key_is_base64_of_16_bytes(void **state)
{
	static const char *const bad[] = { "",
		"dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ",
		"dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZQA=",
		"dGhlIHNhbXBsZSBub25j!Q==", " GhlIHNhbXBsZSBub25jZQ==",
		"dGhlIHNhbXBsZSBub25jZWFh" };
	size_t i;

	(void)state;
	assert_true(wskey_valid("dGhlIHNhbXBsZSBub25jZQ=="));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(wskey_valid(bad[i]));
}

static void
test_nonces_are_valid_and_differ(void **state)
{
	char a[WSKEY_NONCE_SIZE], b[WSKEY_NONCE_SIZE];

	(void)state;
	wskey_nonce(a);
	wskey_nonce(b);
	assert_true(wskey_valid(a));
	assert_true(wskey_valid(b));
	assert_string_not_equal(a, b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_of_the_rfc),
		cmocka_unit_test(test_key_is_base64_of_16_bytes),
		cmocka_unit_test(test_nonces_are_valid_and_differ),
	};

	return cmocka_run_group_tests_name("wskey", tests, NULL, NULL);
}
