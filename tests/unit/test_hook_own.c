/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_template.h"
#include "hook.h"
#include "hook_own.h"
#include "template.h"
#include "utf8.h"

static const struct hook_severity ours[] = { { "blue", 1 } };

/*
 * Render BODY with templates for title, content and one part more, as a message
 * of MAX bytes; hook_result_done frees the result.
 */
static int
render(struct hook_result *r, const char *body, const char *title,
    const char *content, enum conf_template_part more, const char *text,
    size_t max)
{
	struct hook_options options = { .max_bytes = max,
		.severities = ours,
		.severity_count = 1 };
	struct conf_template t = { .name = NULL };
	json_t *root = json_loads(body, 0, NULL);
	const char *sources[CONF_TEMPLATE_PARTS] = { NULL };
	struct template_fault fault;
	int result, error;
	size_t i;

	assert_non_null(root);
	sources[more] = text;
	sources[CONF_TEMPLATE_TITLE] = title;
	sources[CONF_TEMPLATE_CONTENT] = content;
	for (i = 0; i < CONF_TEMPLATE_PARTS; i++) {
		if (sources[i] == NULL)
			continue;
		t.part[i] =
		    template_compile(sources[i], strlen(sources[i]), &fault);
		assert_non_null(t.part[i]);
	}
	assert_int_equal(hook_render(root, &options, r), 0);
	result = hook_own_render(&t, root, &options, r);
	error = errno;
	for (i = 0; i < CONF_TEMPLATE_PARTS; i++)
		template_free(&t.part[i]);
	json_decref(root);
	errno = error;
	return result;
}

static void
test_a_title_is_one_line_of_bounded_length(void **state)
{
	char body[2000] = "{\"message\":\"m\",\"x\":\"";
	struct hook_result r;
	size_t i;

	(void)state;
	assert_int_equal(render(&r, "{\"message\":\"m\"}", "\n a\n\tb {{ 1 }} ",
			     NULL, CONF_TEMPLATE_TAGS, NULL, 1000),
	    0);
	assert_string_equal(r.title, "a b 1");
	assert_int_equal(r.title_len, 5);
	assert_string_equal(r.content, "m");
	hook_result_done(&r);
	for (i = 0; i < 500; i++)
		strcat(body, "\xc3\xbc");
	strcat(body, "\"}");
	render(&r, body, "{{ .x }}", NULL, CONF_TEMPLATE_TAGS, NULL, 1000);
	assert_true(r.title_len <= HOOK_TITLE_CHARS * 3);
	assert_true(r.title_len > HOOK_TITLE_CHARS);
	assert_true(utf8_valid(r.title, r.title_len));
	hook_result_done(&r);
}

/* However long each may be, both fit into one message, on whole characters. */
static void
test_title_and_content_fit_together(void **state)
{
	static const char body[] =
	    "{\"title\":\"\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\","
	    "\"message\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"}";
	struct hook_result r;
	size_t max;

	(void)state;
	for (max = 1; max < 40; max++) {
		render(&r, body, "{{ .title }}{{ .title }}", NULL,
		    CONF_TEMPLATE_TAGS, NULL, max);
		assert_true(r.title_len + r.content_len <= max);
		assert_true(utf8_valid(r.title, r.title_len));
		assert_true(utf8_valid(r.content, r.content_len));
		hook_result_done(&r);
		render(&r, body, NULL, "{{ .title }}{{ .message }}{{ .title }}",
		    CONF_TEMPLATE_TAGS, NULL, max);
		assert_true(r.title_len + r.content_len <= max);
		assert_true(utf8_valid(r.content, r.content_len));
		hook_result_done(&r);
	}
}

static int
priority_of(const char *text)
{
	struct hook_result r;
	int priority;

	assert_int_equal(render(&r, "{\"message\":\"m\",\"priority\":8}", NULL,
			     NULL, CONF_TEMPLATE_PRIORITY, text, 100),
	    0);
	priority = r.priority;
	hook_result_done(&r);
	return priority;
}

static void
test_a_priority_is_a_number_or_a_severity(void **state)
{
	(void)state;
	assert_int_equal(priority_of(" {{ 3 }}\n"), 3);
	assert_int_equal(priority_of("Critical"), 5);
	assert_int_equal(priority_of("BLUE"), 1);
	/* What is none of them leaves none. */
	assert_int_equal(priority_of("6"), 0);
	assert_int_equal(priority_of("11"), 0);
	assert_int_equal(priority_of("high as a kite"), 0);
}

static void
test_only_a_link_is_a_url(void **state)
{
	struct hook_result r;

	(void)state;
	render(&r, "{\"message\":\"m\"}", NULL, NULL, CONF_TEMPLATE_URL,
	    "\nhttps://{{ .message }}/ ", 100);
	assert_string_equal(r.url, "https://m/");
	hook_result_done(&r);
	render(&r, "{\"message\":\"m\"}", NULL, NULL, CONF_TEMPLATE_URL,
	    "file:///{{ .message }}", 100);
	assert_string_equal(r.url, "");
	hook_result_done(&r);
}

static void
test_what_takes_too_long_changes_nothing(void **state)
{
	char body[600] = "{\"message\":\"m\"", one[40], source[300] = "";
	struct hook_result r;
	int i;

	(void)state;
	for (i = 0; i < 30; i++) {
		snprintf(one, sizeof(one), ",\"k%d\":1", i);
		strcat(body, one);
	}
	strcat(body, "}");
	for (i = 0; i < 8; i++)
		strcat(source, "{{ range $ }}");
	for (i = 0; i < 8; i++)
		strcat(source, "{{ end }}");
	assert_int_equal(render(&r, body, "new", source, CONF_TEMPLATE_TAGS,
			     "t", 100),
	    -1);
	assert_int_equal(errno, E2BIG);
	assert_string_equal(r.content, "m");
	assert_string_equal(r.title, "");
	assert_null(r.tags);
	hook_result_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_title_is_one_line_of_bounded_length),
		cmocka_unit_test(test_title_and_content_fit_together),
		cmocka_unit_test(test_a_priority_is_a_number_or_a_severity),
		cmocka_unit_test(test_only_a_link_is_a_url),
		cmocka_unit_test(test_what_takes_too_long_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
