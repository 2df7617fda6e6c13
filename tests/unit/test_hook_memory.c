/* SPDX-License-Identifier: ISC */
/*
 * Every allocation of a rendering fails once: there is then a complete message
 * or none, and nothing is lost.  The linker puts the functions of this file
 * in the place of the library's (see Makefile.am).
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>

#include "hook_payload.h"

#define ENOUGH 65536
#define MOST   200 /* allocations of a rendering here */

void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
char *__real_strdup(const char *);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
char *__wrap_strdup(const char *);

/* How many more allocations succeed; negative: all. */
static long left = -1;

static bool
take(void)
{
	if (left == 0)
		return false;
	if (left > 0)
		left--;
	return true;
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

char *
__wrap_strdup(const char *s)
{
	return take() ? __real_strdup(s) : NULL;
}

static void *
json_malloc_or_fail(size_t size)
{
	return take() ? malloc(size) : NULL;
}

static int
render(json_t *body, long allocations, struct hook_result *r)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	int status;

	json_set_alloc_funcs(json_malloc_or_fail, free);
	left = allocations;
	errno = 0;
	status = hook_render(body, &opt, r);
	left = -1;
	json_set_alloc_funcs(malloc, free);
	return status;
}

static void
check_same(const struct hook_result *r, const struct hook_result *want)
{
	char *a = payload_show(r), *b = payload_show(want);

	assert_string_equal(a, b);
	/* A notification without a hash is only never seen as a repetition. */
	assert_true(r->dedup_key == want->dedup_key || r->dedup_key == 0);
	free(a);
	free(b);
}

/* Check one rendering; true when it is no message for want of memory. */
static bool
check_render(json_t *body, long allocations, struct hook_result *want)
{
	struct hook_result r;

	if (render(body, allocations, &r) == 0) {
		check_same(&r, want);
		hook_result_done(&r);
		return false;
	}
	assert_int_equal(errno, ENOMEM);
	assert_null(r.title);
	assert_string_equal(r.shape, "none");
	return true;
}

/* Render with 0, 1, 2... allocations until none is missed any more. */
static void
check_body(const char *json, long least)
{
	json_t *body = json_loads(json, 0, NULL);
	struct hook_result want;
	long n, failed = 0;

	assert_non_null(body);
	assert_int_equal(render(body, -1, &want), 0);
	for (n = 0; failed == n || n < MOST; n++)
		failed += check_render(body, n, &want);
	assert_true(failed >= least);
	hook_result_done(&want);
	json_decref(body);
}

static void
test_payloads(void **state)
{
	static const char *const names[] = { "alertmanager-mixed",
		"alertmanager-wrong-types", "grafana", "grafana-custom",
		"uptime-kuma-down", "gotify", "apprise", "serverchan", "slack",
		"slack-blocks", "bark", "json-long" };
	char *json;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json = payload_read(names[i], "json");
		check_body(json, 2);
		free(json);
	}
}

static void
test_compounds(void **state)
{
	char json[2048];

	(void)state;
	check_body("{\"alerts\":[{\"labels\":{\"a\":\"1\",\"b\":{\"c\":[1]}},"
		   "\"annotations\":{\"summary\":{\"x\":1}}},"
		   "{\"labels\":{\"a\":\"1\",\"b\":{\"c\":[1]}},\"d\":2}]}",
	    10);
	check_body("{\"message\":{\"a\":{\"b\":1}},\"title\":[1]}", 4);
	check_body("{\"text\":\"\"}", 3);
	/* A key so long that its hash is needed. */
	snprintf(json, sizeof(json),
	    "{\"alerts\":[],\"groupKey\":{\"a\":[\"%0600d\"]}}", 0);
	check_body(json, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_compounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
