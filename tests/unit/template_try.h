/* SPDX-License-Identifier: ISC */
/*
 * template_try - for the tests of templates: renders a template and checks
 * what holds for every result.  Include after cmocka.h.
 */
#ifndef MPUSHD_TEMPLATE_TRY_H
#define MPUSHD_TEMPLATE_TRY_H

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "hook_text.h"
#include "template.h"
#include "utf8.h"

#define TRY_ENOUGH 262144 /* bytes */

/* A template, and what it makes of a JSON text. */
struct try_case {
	const char *source, *json, *want;
};

/* Compile what must be a template. */
static inline struct template *
try_compile(const char *source)
{
	struct template_fault fault;
	struct template *t = template_compile(source, strlen(source), &fault);

	if (t == NULL)
		fail_msg("%s\n%u:%u: %s", source, fault.line, fault.column,
		    fault.text);
	return t;
}

/* Render at most MAX bytes of DATA; free() *GOT.  Returns errno or 0. */
static inline int
try_render(const struct template *t, const json_t *data, size_t max, char **got)
{
	struct hook_text out;
	int error = 0;
	size_t len;

	hook_text_init(&out, max, max);
	errno = 0;
	if (template_render(t, data, &out) == -1)
		error = errno;
	assert_true(out.len <= max);
	assert_int_equal(hook_text_take(&out, got, &len), 0);
	assert_int_equal(strlen(*got), len);
	assert_true(utf8_valid(*got, len));
	return error;
}

static inline json_t *
try_json(const char *json)
{
	json_error_t error;
	json_t *data =
	    json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	if (data == NULL)
		fail_msg("%s: %s", json, error.text);
	return data;
}

/* Render; free() what is returned. */
static inline char *
try_source(const char *source, const char *json)
{
	struct template *t = try_compile(source);
	json_t *data = try_json(json);
	char *got;

	assert_int_equal(try_render(t, data, TRY_ENOUGH, &got), 0);
	json_decref(data);
	template_free(&t);
	assert_null(t);
	return got;
}

static inline void
try_cases(const struct try_case *c, size_t count)
{
	size_t i;
	char *got;

	for (i = 0; i < count; i++) {
		got = try_source(c[i].source, c[i].json);
		if (strcmp(got, c[i].want) != 0)
			fail_msg("%s\nof %s\nis \"%s\", not \"%s\"",
			    c[i].source, c[i].json, got, c[i].want);
		free(got);
	}
}

#define TRY_CASES(cases) try_cases((cases), sizeof(cases) / sizeof((cases)[0]))

#endif
