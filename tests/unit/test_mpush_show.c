/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mpush_show.h"

/* What mpush_show_text writes; the caller frees it. */
static char *
show(const char *text, size_t len, const char *indent)
{
	char *out = NULL;
	size_t size;
	FILE *fp = open_memstream(&out, &size);

	assert_non_null(fp);
	mpush_show_text(fp, text, len, indent);
	fclose(fp);
	return out;
}

static void
test_text_is_made_harmless(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "plain text\twith a tab", "plain text\twith a tab" },
		{ "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x94\x94",
		    "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x94\x94" },
		{ "\x1b[2J", "\\x1b[2J" },
		{ "a\rb\x7f", "a\\x0db\\x7f" },
		{ "\xc2\x9b"
		  "31m",
		    "\\xc2\\x9b31m" }, /* C1 CSI */
		{ "\xe2\x80\xae"
		  "gpj",
		    "\\xe2\\x80\\xaegpj" },              /* RLO */
		{ "\xe2\x81\xa6x", "\\xe2\\x81\\xa6x" }, /* LRI */
		{ "\xff\xc3", "\\xff\\xc3" },
	};
	char *out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		out = show(cases[i].text, strlen(cases[i].text), NULL);
		assert_string_equal(out, cases[i].want);
		free(out);
	}
}

static void
test_newlines_are_indented_or_escaped(void **state)
{
	char *out;

	(void)state;
	out = show("a\nb", 3, "> ");
	assert_string_equal(out, "a\n> b");
	free(out);
	out = show("a\nb\0c", 5, NULL);
	assert_string_equal(out, "a\\x0ab\\x00c");
	free(out);
}

#define TEXT(s)                                                                \
	{                                                                      \
		s, sizeof(s) - 1                                               \
	}

/* What mpush_show_message writes; the caller frees it. */
static char *
show_message(const struct mpush_message *m)
{
	char *out = NULL;
	size_t size;
	FILE *fp;

	setenv("TZ", "UTC", 1);
	tzset();
	fp = open_memstream(&out, &size);
	assert_non_null(fp);
	mpush_show_message(fp, m);
	fclose(fp);
	return out;
}

static void
test_message_has_time_title_and_content(void **state)
{
	struct mpush_message m = { .mid = UINT64_C(1557901952810),
		.title = TEXT("T"),
		.content = TEXT("a\nb") };
	char *out = show_message(&m);

	(void)state;
	assert_string_equal(out, "2019-05-15 06:32:32  T\n    a\n    b\n");
	free(out);
	m.content.len = 0;
	out = show_message(&m);
	assert_string_equal(out, "2019-05-15 06:32:32  T\n");
	free(out);
}

static void
test_message_has_its_other_fields(void **state)
{
	struct mpush_message m = { .mid = UINT64_C(1557901952810),
		.title = TEXT("T"),
		.content = TEXT("see x:/y"),
		.url = TEXT("x:/z\n"),
		.tags = TEXT("a,b"),
		.priority = 5 };
	char *out = show_message(&m);

	(void)state;
	assert_string_equal(out, "2019-05-15 06:32:32  T\n    see x:/y\n"
				 "    priority: 5\n    tags: a,b\n"
				 "    url: x:/z\\x0a\n");
	free(out);
	/* It is not said twice. */
	m.url.text = "x:/y";
	m.url.len = 4;
	out = show_message(&m);
	assert_null(strstr(out, "url:"));
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_made_harmless),
		cmocka_unit_test(test_newlines_are_indented_or_escaped),
		cmocka_unit_test(test_message_has_time_title_and_content),
		cmocka_unit_test(test_message_has_its_other_fields),
	};

	return cmocka_run_group_tests_name("mpush_show", tests, NULL, NULL);
}
