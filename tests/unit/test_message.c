/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

static void
check_escape(const char *src, size_t len, const char *want)
{
	char out[6 * 64];
	size_t n;

	assert_true(len <= 64);
	n = message_escape(NULL, src, len);
	assert_int_equal(n, strlen(want));
	memset(out, 'X', sizeof(out));
	assert_int_equal(message_escape(out, src, len), n);
	assert_memory_equal(out, want, n);
	if (n < sizeof(out))
		assert_int_equal(out[n], 'X');
}

static void
test_escape_controls(void **state)
{
	static const char *const want[32] = { "\\u0000", "\\u0001", "\\u0002",
		"\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007", "\\b",
		"\\t", "\\n", "\\u000b", "\\f", "\\r", "\\u000e", "\\u000f",
		"\\u0010", "\\u0011", "\\u0012", "\\u0013", "\\u0014",
		"\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019",
		"\\u001a", "\\u001b", "\\u001c", "\\u001d", "\\u001e",
		"\\u001f" };
	char c;
	int i;

	(void)state;
	for (i = 0; i < 32; i++) {
		c = (char)i;
		check_escape(&c, 1, want[i]);
	}
}

static void
test_escape_others(void **state)
{
	char c, same[2] = { 0, 0 };
	int i;

	(void)state;
	check_escape("", 0, "");
	check_escape("\"", 1, "\\\"");
	check_escape("\\", 1, "\\\\");
	for (i = 32; i < 256; i++) {
		c = same[0] = (char)i;
		if (c != '"' && c != '\\')
			check_escape(&c, 1, same);
	}
}

/* A byte to escape at each place of and around a machine word. */
static void
test_escape_places(void **state)
{
	static const char special[] = "\"\\\n\x1f";
	char src[21], want[64];
	size_t i, k, n;

	(void)state;
	for (i = 0; i < sizeof(src); i++) {
		for (k = 0; k < 3; k++) {
			memset(src,
			    (int)(k == 0 ? '!' :
				  k == 1 ? 0x80 :
					   0xff),
			    sizeof(src));
			src[i] = special[k];
			memcpy(want, src, i);
			n = i + message_escape(want + i, &src[i], 1);
			memcpy(want + n, src + i + 1, sizeof(src) - i - 1);
			want[n + sizeof(src) - i - 1] = '\0';
			check_escape(src, sizeof(src), want);
		}
	}
}

static void
test_text(void **state)
{
	static const char want[] =
	    "\"title\":\"a\\\"\",\"content\":\"b/\\n\xc3\xa9\x7f\"";
	struct message *m;
	const char *text;
	size_t len;

	(void)state;
	m = message_new("a\"", 2, "b/\n\xc3\xa9\x7f", 6, 1557901952810);
	assert_non_null(m);
	text = message_text(m, &len);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(text, want, len);
	assert_true(message_time(m) == 1557901952810);
	message_unref(&m);
	assert_null(m);
}

static void
test_empty(void **state)
{
	static const char want[] = "\"title\":\"\",\"content\":\"\"";
	struct message *m = message_new("", 0, "", 0, 0);
	const char *text;
	size_t len;

	(void)state;
	text = message_text(m, &len);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(text, want, len);
	message_unref(&m);
}

/* LeakSanitizer and AddressSanitizer see a count that is off by one. */
static void
test_refs(void **state)
{
	struct message *m = message_new("t", 1, "c", 1, 7), *second;

	(void)state;
	second = message_ref(m);
	assert_ptr_equal(second, m);
	message_unref(&m);
	assert_null(m);
	assert_true(message_time(second) == 7);
	message_unref(&second);
	message_unref(&second);
	assert_null(second);
}

static void
test_extras_are_there_only_if_set(void **state)
{
	struct message_parts parts = {
		.title = "t",
		.title_len = 1,
		.content = "c",
		.content_len = 1,
		.priority = 4,
		.url = "http://x/\"",
		.url_len = 10,
		.tags = "a,b",
		.tags_len = 3,
	};
	struct message *m = message_make(&parts, 1), *again;
	const char *text;
	size_t len;

	(void)state;
	text = message_text(m, &len);
	assert_int_equal(len, strlen("\"title\":\"t\",\"content\":\"c\","
				     "\"priority\":4,\"url\":\"http://x/\\\"\","
				     "\"tags\":\"a,b\""));
	assert_memory_equal(text,
	    "\"title\":\"t\",\"content\":\"c\",\"priority\":4,"
	    "\"url\":\"http://x/\\\"\",\"tags\":\"a,b\"",
	    len);
	assert_int_equal(message_priority(m), 4);
	again = message_restore(text, len, 2, 3);
	assert_int_equal(message_priority(again), 4);
	assert_int_equal(message_collapse(again), 3);
	assert_int_equal(message_time(again), 2);
	message_unref(&again);
	message_unref(&m);
	/* What looks like one within a text is none. */
	parts.title = ",\"priority\":5";
	parts.title_len = strlen(parts.title);
	parts.priority = 0;
	parts.url = parts.tags = NULL;
	m = message_make(&parts, 1);
	text = message_text(m, &len);
	assert_memory_equal(text, "\"title\":\",\\\"priority\\\":5\",", 24);
	again = message_restore(text, len, 2, 0);
	assert_int_equal(message_priority(again), 0);
	message_unref(&again);
	message_unref(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extras_are_there_only_if_set),
		cmocka_unit_test(test_escape_controls),
		cmocka_unit_test(test_escape_others),
		cmocka_unit_test(test_escape_places),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_refs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
