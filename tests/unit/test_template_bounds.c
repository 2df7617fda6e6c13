/* SPDX-License-Identifier: ISC */
/* Each limit of templates, and that threads may share one. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "template_try.h"

#define EURO    "\xe2\x82\xac"
#define THREADS 4

/* N times S, between BEFORE and AFTER; free() it. */
static char *
repeat(const char *before, const char *s, size_t n, const char *after)
{
	char *text = malloc(strlen(before) + n * strlen(s) + strlen(after) + 1);
	char *p = text;

	assert_non_null(text);
	p = stpcpy(p, before);
	while (n-- > 0)
		p = stpcpy(p, s);
	(void)stpcpy(p, after);
	return text;
}

/* A JSON string of N times S; free() it. */
static json_t *
repeated_string(const char *s, size_t n)
{
	char *text = repeat("", s, n, "");
	json_t *string = json_string(text);

	assert_non_null(string);
	free(text);
	return string;
}

static json_t *
zeros(size_t n)
{
	json_t *array = json_array();

	while (n-- > 0)
		assert_int_equal(json_array_append_new(array, json_integer(0)),
		    0);
	return array;
}

/* A source that is the last one of its kind that is taken. */
static void
check_taken(char *source)
{
	struct template *t = try_compile(source);

	template_free(&t);
	free(source);
}

static void
check_refused(char *source, unsigned int column, const char *text)
{
	struct template_fault f;

	assert_null(template_compile(source, strlen(source), &f));
	assert_int_equal(errno, EINVAL);
	assert_string_equal(f.text, text);
	assert_int_equal(f.line, 1);
	assert_int_equal(f.column, column);
	free(source);
}

static void
test_source(void **state)
{
	(void)state;
	check_taken(repeat("", "x", TEMPLATE_SOURCE_MAX, ""));
	check_refused(repeat("", "x", TEMPLATE_SOURCE_MAX + 1, ""), 1,
	    "the template has more than 65536 bytes");
}

/* A block in a block, N deep. */
static char *
blocks(size_t n)
{
	char *opened = repeat("", "{{with .}}", n, "x");
	char *source = repeat(opened, "{{end}}", n, "");

	free(opened);
	return source;
}

static char *
parentheses(size_t n)
{
	char *opened = repeat("{{", "(", n, ".");
	char *source = repeat(opened, ")", n, "}}");

	free(opened);
	return source;
}

static void
test_depth(void **state)
{
	(void)state;
	check_taken(blocks(32));
	check_refused(blocks(33), 32 * 10 + 1,
	    "blocks are nested more than 32 deep");
	check_taken(parentheses(32));
	check_refused(parentheses(33), 35,
	    "parentheses are nested more than 32 deep");
	check_taken(repeat("", "{{(.)}}", 33, ""));
	check_taken(repeat("{{or", " (or (.) (.) (.) (.))", 16, "}}"));
	check_taken(repeat("{{.", "|trim", 32, "}}"));
	check_refused(repeat("{{.", "|trim", 33, "}}"), 3 + 32 * 5 + 2,
	    "calls are nested more than 32 deep");
	check_taken(repeat("", "{{if .}}{{end}}", 100, ""));
	check_taken(repeat("{{if .}}", "{{else if .}}", 100, "{{end}}"));
}

static void
test_nodes(void **state)
{
	(void)state;
	/* An action and its value are two. */
	check_taken(repeat("", "{{.}}", 2048, ""));
	check_taken(repeat("x", "{{.}}", 2047, "x"));
	check_refused(repeat("", "{{.}}", 2049, ""), 2048 * 5 + 1,
	    "the template has more than 4096 parts");
	check_refused(repeat("x", "{{.}}", 2048, ""), 2 + 2047 * 5,
	    "the template has more than 4096 parts");
	check_refused(repeat("{{or (or ", ". ", 5000, ")}}"), 1,
	    "the template has more than 4096 parts");
}

/* Render a source to MAX bytes at most; free() *GOT. */
static int
render_bounded(const char *source, json_t *data, size_t max, char **got)
{
	struct template *t = try_compile(source);
	int error = try_render(t, data, max, got);

	template_free(&t);
	return error;
}

static void
check_too_many_steps(const char *source, json_t *data, const char *want)
{
	char *got;

	assert_int_equal(render_bounded(source, data, TRY_ENOUGH, &got), E2BIG);
	assert_string_equal(got, want);
	free(got);
}

static void
test_steps(void **state)
{
	json_t *data = zeros(1000), *string, *large;
	char *got;
	int i;

	(void)state;
	check_too_many_steps("a{{range $}}{{range $}}{{end}}{{end}}b", data,
	    "a");
	check_too_many_steps(
	    "{{range $}}{{range $}}{{if $}}{{else}}{{end}}{{end}}{{end}}", data,
	    "");
	assert_int_equal(render_bounded("{{range $}}{{.}}{{end}}", data,
			     TRY_ENOUGH, &got),
	    0);
	assert_int_equal(strlen(got), 1000);
	free(got);

	/* What is looked at, and what is made, are steps, too. */
	string = repeated_string("0123456789abcdef", 65536);
	large = json_object();
	json_object_set_new(large, "a", string);
	json_object_set_new(large, "n", data);
	check_too_many_steps("{{range .n}}{{if contains \"x\" $.a}}y{{end}}"
			     "{{end}}",
	    large, "");
	check_too_many_steps("{{range .n}}{{if eq $.a $.a}}{{end}}{{end}}",
	    large, "");
	check_too_many_steps("{{range .n}}{{if len $.a}}{{end}}{{end}}", large,
	    "");
	check_too_many_steps("{{range .n}}{{if upper $.a}}{{end}}{{end}}",
	    large, "");
	check_too_many_steps("{{range .n}}{{if trim $.a}}{{end}}{{end}}", large,
	    "");
	check_too_many_steps("{{range .n}}{{if json $}}{{end}}{{end}}", large,
	    "");
	/* Also what makes nothing. */
	json_object_set_new(large, "z", json_array());
	for (i = 0; i < 1000; i++)
		json_array_append_new(json_object_get(large, "z"), json_null());
	check_too_many_steps("{{range .n}}{{if join `` $.z}}{{end}}{{end}}",
	    large, "");
	json_decref(large);
}

static json_t *
members(int n)
{
	json_t *object = json_object();
	char key[16];

	while (n-- > 0) {
		snprintf(key, sizeof(key), "%d", n);
		json_object_set_new(object, key, json_integer(n));
	}
	return object;
}

/* Sorting the members of an object is paid for. */
static void
test_steps_of_sorting(void **state)
{
	json_t *data = members(1000), *many = members(60000);

	(void)state;
	check_too_many_steps("a{{range .}}{{range $}}{{end}}{{end}}b", data,
	    "a");
	check_too_many_steps("a{{range .}}{{end}}b", many, "a");
	json_decref(data);
	json_decref(many);
}

/* A text of many megabytes may be asked for its beginning. */
static void
test_large_text(void **state)
{
	json_t *data = repeated_string("0123456789abcdef", 1 << 20);
	char *got;

	(void)state;
	assert_int_equal(render_bounded("{{trunc 5 .}} {{len .}} "
					"{{contains \"xy\" .}}",
			     data, TRY_ENOUGH, &got),
	    0);
	assert_string_equal(got, "0123\xe2\x80\xa6 16777216 false");
	free(got);
	json_decref(data);
}

static void
test_output(void **state)
{
	static const struct {
		size_t max;
		const char *want;
	} cases[] = {
		{ 0, "" },
		{ 1, "a" },
		{ 3, "a" },
		{ 4, "a" EURO },
		{ 5, "a" EURO "b" },
	};
	json_t *data = json_string(EURO), *many;
	char *got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(render_bounded("a{{.}}bcdefg", data,
				     cases[i].max, &got),
		    0);
		assert_string_equal(got, cases[i].want);
		free(got);
	}
	json_decref(data);

	/* Nothing is done for what does not fit. */
	many = zeros(2000);
	assert_int_equal(render_bounded("{{range $}}{{range $}}{{.}}"
					"{{end}}{{end}}",
			     many, 3, &got),
	    0);
	assert_string_equal(got, "000");
	free(got);
	json_decref(many);
}

/* Rendering goes on behind what is in the text already. */
static void
test_append(void **state)
{
	struct template *t = try_compile("{{.}}");
	json_t *data = json_string("b");
	struct hook_text out;

	(void)state;
	hook_text_init(&out, 3, 3);
	hook_text_puts(&out, "a");
	assert_int_equal(template_render(t, data, &out), 0);
	assert_int_equal(template_render(t, data, &out), 0);
	assert_false(out.cut);
	assert_int_equal(template_render(t, data, &out), 0);
	assert_true(out.cut);
	assert_int_equal(template_render(t, NULL, &out), 0);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.buf, "abb", 3);
	hook_text_done(&out);
	json_decref(data);
	template_free(&t);
}

/* Render, and check how long the result is, and that it is of one kind. */
static void
check_length(const char *source, json_t *data, size_t want)
{
	char *got;

	assert_int_equal(render_bounded(source, data, TRY_ENOUGH, &got), 0);
	if (strlen(got) != want)
		fail_msg("%s makes %zu bytes, not %zu", source, strlen(got),
		    want);
	free(got);
}

static void
test_strings(void **state)
{
	/* 22000 of three bytes are 66000; 21845 of them fit. */
	json_t *data = repeated_string(EURO, 22000), *list = zeros(50000);

	(void)state;
	check_length("{{.}}", data, 66000);
	check_length("{{. | upper}}", data, 65535);
	check_length("{{. | trunc 21999}}", data, 65535);
	check_length("{{. | trunc 66000}}", data, 66000);
	check_length("{{. | replace \"x\" \"y\"}}", data, 65535);
	check_length("{{. | replace \"" EURO "\" \"yyyy\"}}", data, 65536);
	check_length("{{. | urlquery}}", data, 65536 / 9 * 9);
	check_length("{{. | json}}", data, 1 + 65535 / 3 * 3);
	check_length("{{. | join \", \"}}", list, 65536);
	check_length("{{. | json}}", list, 65536);
	check_length("{{. | upper}}", list, 65536);
	json_decref(data);
	json_decref(list);
}

/* A replacement of very many places does not scan the rest for each. */
static void
test_many_replacements(void **state)
{
	json_t *data = repeated_string("ab", 32768);

	(void)state;
	check_length("{{. | replace \"b\" \"\"}}", data, 32768);
	json_decref(data);
}

static void
test_data_stays(void **state)
{
	json_t *data = try_json("{\"b\":[1,{\"c\":\"x\"}],\"a\":{\"d\":null}}");
	json_t *same = json_deep_copy(data), *list;
	struct template *t =
	    try_compile("{{range .}}{{$key}}{{.}}{{end}}{{json .}}"
			"{{join \"\" .b}}{{(last .b).c | upper}}{{.a}}");
	char *got;

	(void)state;
	assert_int_equal(try_render(t, data, TRY_ENOUGH, &got), 0);
	assert_string_equal(got,
	    "a{\"d\":null}b[1,{\"c\":\"x\"}]{\"b\":[1,{\"c\":\"x\"}],"
	    "\"a\":{\"d\":null}}1{\"c\":\"x\"}X{\"d\":null}");
	free(got);
	list = json_object_get(data, "b");
	assert_true(json_equal(data, same));
	assert_int_equal(data->refcount, 1);
	assert_int_equal(list->refcount, 1);
	assert_int_equal(json_array_get(list, 1)->refcount, 1);
	json_decref(data);
	json_decref(same);
	template_free(&t);
}

static void *
render_often(void *arg)
{
	const struct template *t = arg;
	json_t *data = json_loads("{\"b\":[3,1],\"a\":\"x\"}", 0, NULL);
	uintptr_t right = 0;
	struct hook_text out;
	int i;

	for (i = 0; i < 200; i++) {
		hook_text_init(&out, 100, 100);
		if (template_render(t, data, &out) == 0 && out.len == 9 &&
		    memcmp(out.buf, "aXb[3,1]2", 9) == 0)
			right++;
		hook_text_done(&out);
	}
	json_decref(data);
	return (void *)right;
}

static void
test_threads(void **state)
{
	struct template *t =
	    try_compile("{{range .}}{{$key}}{{upper .}}{{end}}{{len .b}}");
	pthread_t threads[THREADS];
	void *right;
	size_t i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, render_often,
				     t),
		    0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &right), 0);
		assert_int_equal((uintptr_t)right, 200);
	}
	template_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_steps_of_sorting),
		cmocka_unit_test(test_large_text),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_many_replacements),
		cmocka_unit_test(test_data_stays),
		cmocka_unit_test(test_threads),
	};

	/* So that two threads do not seed jansson's tables at once. */
	json_object_seed(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
