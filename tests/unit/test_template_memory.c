/* SPDX-License-Identifier: ISC */
/*
 * Each allocation of a compilation and of a rendering fails alone, and with
 * all that follow: there is then what there should be or ENOMEM, and nothing
 * is lost.  The linker puts the functions of this file in the place of the
 * library's (see Makefile.am).
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>

#include "template_try.h"

#define MOST 300 /* allocations of a compilation or rendering here */

void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);

static const char source[] =
    "{{range .}}{{$key}}={{. | json | upper}},{{end}}"
    "{{range .list}}{{with . | trunc 2}}{{join . $.list}}{{end}}{{end}}"
    "{{upper \"a\"}}{{index . \"list\" | json}}{{urlquery .}}{{.}}"
    "{{if eq (len .list) 2}}{{replace \"a\" \"b\" .text}}{{end}}";
static const char body[] =
    "{\"list\":[\"one\",{\"a\":[1.5]}],\"text\":\"aaa\",\"n\":1}";

/* How many more allocations succeed before one fails; negative: all. */
static long left = -1;
static bool once; /* only one fails */

static bool
take(void)
{
	if (left < 0)
		return true;
	if (left > 0) {
		left--;
		return true;
	}
	left = once ? -1 : 0;
	return false;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return take() ? __real_calloc(n, size) : NULL;
}

void *
__wrap_realloc(void *p, size_t size)
{
	return take() ? __real_realloc(p, size) : NULL;
}

static void *
json_malloc_or_fail(size_t size)
{
	return take() ? malloc(size) : NULL;
}

/* Compile, the allocation after N others failing; true if it came to that. */
static bool
compile(long n)
{
	struct template_fault fault;
	struct template *t;
	bool failed;

	left = n;
	t = template_compile(source, strlen(source), &fault);
	failed = left <= 0;
	left = -1;
	if (t == NULL) {
		assert_true(failed);
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(fault.line, 0);
		assert_string_equal(fault.text, "out of memory");
	}
	template_free(&t);
	return failed;
}

static void
check_compile(void)
{
	long n = 0;

	while (compile(n) && n < MOST)
		n++;
	assert_in_range(n, 4, MOST - 1);
}

static void
test_compile(void **state)
{
	(void)state;
	once = true;
	check_compile();
	once = false;
	check_compile();
}

/* Render in the same way. */
static bool
render(const struct template *t, const json_t *data, long n, const char *want)
{
	struct hook_text out;
	bool failed;
	int r;

	hook_text_init(&out, TRY_ENOUGH, TRY_ENOUGH);
	json_set_alloc_funcs(json_malloc_or_fail, free);
	left = n;
	r = template_render(t, data, &out);
	failed = left <= 0;
	left = -1;
	json_set_alloc_funcs(malloc, free);
	if (r == -1) {
		assert_true(failed);
		assert_int_equal(errno, ENOMEM);
	} else {
		assert_int_equal(out.len, strlen(want));
		assert_memory_equal(out.buf, want, out.len);
	}
	hook_text_done(&out);
	return failed;
}

static void
check_render(const struct template *t, const json_t *data, const char *want)
{
	long n = 0;

	while (render(t, data, n, want) && n < MOST)
		n++;
	assert_in_range(n, 40, MOST - 1);
}

static void
test_render(void **state)
{
	struct template *t = try_compile(source);
	json_t *data = try_json(body);
	char *want;

	(void)state;
	assert_int_equal(try_render(t, data, TRY_ENOUGH, &want), 0);
	once = true;
	check_render(t, data, want);
	once = false;
	check_render(t, data, want);
	free(want);
	json_decref(data);
	template_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compile),
		cmocka_unit_test(test_render),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
