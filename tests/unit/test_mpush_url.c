/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mpush_url.h"

static void
test_good_urls(void **state)
{
	static const struct {
		const char *text, *host, *path;
		uint16_t port;
	} cases[] = {
		{ "ws://localhost", "localhost", "", 7 },
		{ "WS://localhost:80", "localhost", "", 80 },
		{ "http://10.0.0.1:65535/", "10.0.0.1", "", 65535 },
		{ "http://[::1]:2246/a/b//", "::1", "/a/b", 2246 },
		{ "ws://[fe80::1]", "fe80::1", "", 7 },
		{ "ws://push.example/x", "push.example", "/x", 7 },
	};
	struct mpush_url u;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(mpush_url_parse(cases[i].text, 7, &u));
		assert_string_equal(u.host, cases[i].host);
		assert_string_equal(u.path, cases[i].path);
		assert_int_equal(u.port, cases[i].port);
	}
}

static void
test_bad_urls(void **state)
{
	static const char *const cases[] = { "", "localhost", "ftp://h",
		"ws://", "ws://:80", "ws://h:0", "ws://h:65536", "ws://h:x",
		"ws://h:", "ws://[::1", "ws://[]", "ws://[::1]x", "ws://h?q",
		"ws://h/#f", "ws://h/a b", "ws://h/\r\nX: y", "wss://h",
		"https://h" };
	struct mpush_url u;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_non_null(mpush_url_parse(cases[i], 7, &u));
}

static void
test_tls_is_named_in_the_fault(void **state)
{
	struct mpush_url u;

	(void)state;
	assert_non_null(strstr(mpush_url_parse("wss://h", 7, &u), "TLS"));
	assert_non_null(strstr(mpush_url_parse("https://h", 7, &u), "TLS"));
}

static void
test_length_is_bounded(void **state)
{
	char text[MPUSH_URL_MAX + 1];
	struct mpush_url u;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "ws://", 5);
	text[MPUSH_URL_MAX] = '\0';
	assert_non_null(mpush_url_parse(text, 7, &u));
	text[MPUSH_URL_MAX - 1] = '\0';
	assert_null(mpush_url_parse(text, 7, &u));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_urls),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_tls_is_named_in_the_fault),
		cmocka_unit_test(test_length_is_bounded),
	};

	return cmocka_run_group_tests_name("mpush_url", tests, NULL, NULL);
}
