/* SPDX-License-Identifier: ISC */
/*
 * The examples of mpushd-templates(5): each configuration that is followed by
 * a body and a message makes that message of that body.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>

#include "template_try.h"

#define PAGE_MAX 65536 /* bytes */

static const char *const lines[] = { "title", "priority", "url", "tags",
	"key" };

/* The source of the page; free() it. */
static char *
read_page(void)
{
	const char *top = getenv("MPUSHD_SRCDIR");
	char path[512], *text = malloc(PAGE_MAX);
	size_t len;
	FILE *fp;

	snprintf(path, sizeof(path), "%s/man/mpushd-templates.5",
	    top != NULL ? top : ".");
	fp = fopen(path, "r");
	if (fp == NULL || text == NULL)
		fail_msg("cannot read %s", path);
	len = fread(text, 1, PAGE_MAX - 1, fp);
	assert_true(feof(fp));
	fclose(fp);
	text[len] = '\0';
	return text;
}

/*
 * Cut the next literal display out of the page; *PAGE is then behind it.
 * Returns NULL when there is none.
 */
static char *
next_block(char **page)
{
	char *begin = strstr(*page, "\n.Bd -literal"), *end;

	if (begin == NULL)
		return NULL;
	begin = strchr(begin + 1, '\n') + 1;
	end = strstr(begin, "\n.Ed\n");
	assert_non_null(end);
	end[1] = '\0';
	*page = end + 2;
	/* Nothing in the displays is written as an escape. */
	assert_null(strchr(begin, '\\'));
	return begin;
}

/* A string, or the lines of a list; free() it. */
static char *
join_lines(const json_t *value)
{
	struct hook_text t;
	const json_t *line;
	char *text;
	size_t i;

	hook_text_init(&t, PAGE_MAX, PAGE_MAX);
	if (json_is_string(value))
		hook_text_puts(&t, json_string_value(value));
	json_array_foreach (value, i, line) {
		hook_text_puts(&t, i > 0 ? "\n" : "");
		hook_text_puts(&t, json_string_value(line));
	}
	assert_int_equal(hook_text_take(&t, &text, NULL), 0);
	return text;
}

/* Append what a member of a template makes of a body. */
static void
put_rendered(struct hook_text *out, const json_t *value, const json_t *body)
{
	char *source = join_lines(value);
	struct template *t = try_compile(source);

	assert_int_equal(template_render(t, body, out), 0);
	template_free(&t);
	free(source);
}

/* The message as the page shows it; free() it. */
static char *
show_message(const json_t *config, const json_t *body)
{
	const json_t *value;
	struct hook_text out;
	char *text;
	size_t i;

	hook_text_init(&out, PAGE_MAX, PAGE_MAX);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		value = json_object_get(config, lines[i]);
		if (value == NULL)
			continue;
		hook_text_puts(&out, lines[i]);
		hook_text_puts(&out, ": ");
		put_rendered(&out, value, body);
		hook_text_puts(&out, "\n");
	}
	hook_text_puts(&out, "\n");
	put_rendered(&out, json_object_get(config, "content"), body);
	hook_text_end_line(&out);
	assert_int_equal(hook_text_take(&out, &text, NULL), 0);
	return text;
}

/* The only template of a configuration. */
static const json_t *
only_template(const json_t *conf)
{
	json_t *all = json_object_get(conf, "TEMPLATES");

	assert_int_equal(json_object_size(all), 1);
	return json_object_iter_value(json_object_iter(all));
}

/* Check an example whose configuration has just been cut out. */
static void
check_example(const char *config, char **page)
{
	json_t *conf = try_json(config), *body;
	const char *want;
	char *got;

	body = try_json(next_block(page));
	want = next_block(page);
	assert_non_null(want);
	got = show_message(only_template(conf), body);
	assert_string_equal(got, want);
	free(got);
	json_decref(body);
	json_decref(conf);
}

static void
test_examples(void **state)
{
	char *text = read_page(), *page = text, *block;
	int count = 0;

	(void)state;
	page = strstr(page, "\n.Sh EXAMPLES");
	assert_non_null(page);
	while ((block = next_block(&page)) != NULL) {
		check_example(block, &page);
		count++;
	}
	assert_int_equal(count, 3);
	free(text);
}

/* What stands before the examples is right, too. */
static void
test_configuration(void **state)
{
	char *text = read_page(), *page = text, *action = next_block(&page);
	json_t *conf = try_json(next_block(&page));
	json_t *body = try_json("{\"project\":\"shop\",\"state\":\"failed\","
				"\"error\":\"no disk\"}");
	struct template *t = try_compile(action);
	char *got = show_message(only_template(conf), body);

	(void)state;
	assert_string_equal(got, "title: shop is FAILED\npriority: 5\nurl: \n\n"
				 "by somebody\nError: no disk\n");
	free(got);
	json_decref(conf);
	json_decref(body);
	template_free(&t);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
