/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hook_payload.h"

#define ENOUGH 65536

struct shape_case {
	const char *json, *shape;
};

static const struct shape_case shape_cases[] = {
	/* Pushes as they always were. */
	{ "{}", "none" },
	{ "[]", "none" },
	{ "[{\"alerts\":[]}]", "none" },
	{ "\"text\"", "none" },
	{ "17", "none" },
	{ "null", "none" },
	{ "{\"title\":\"t\",\"content\":\"c\"}", "none" },
	{ "{\"content\":\"c\"}", "none" },
	{ "{\"content\":null,\"message\":\"m\"}", "none" },
	{ "{\"content\":\"\",\"alerts\":[]}", "none" },
	{ "{\"title\":\"t\"}", "none" },
	{ "{\"title\":null}", "none" },
	{ "{\"title\":\"t\",\"x\":1,\"priority\":3}", "none" },
	{ "{\"title\":\"t\",\"text\":\"x\"}", "none" },
	{ "{\"title\":\"t\",\"message\":null}", "none" },
	/* Each shape at its least. */
	{ "{\"alerts\":[]}", "alertmanager" },
	{ "{\"groupKey\":\"k\",\"version\":\"4\"}", "alertmanager" },
	{ "{\"alerts\":[],\"version\":\"4\",\"title\":\"t\"}", "alertmanager" },
	{ "{\"alerts\":[],\"title\":\"t\"}", "grafana" },
	{ "{\"alerts\":[],\"version\":\"1\"}", "grafana" },
	{ "{\"alerts\":[],\"message\":\"m\"}", "grafana" },
	{ "{\"alerts\":[],\"state\":\"ok\"}", "grafana" },
	{ "{\"heartbeat\":null,\"monitor\":null,\"msg\":\"m\"}",
	    "uptime-kuma" },
	{ "{\"monitor\":{},\"msg\":\"m\"}", "uptime-kuma" },
	{ "{\"message\":\"m\"}", "gotify" },
	{ "{\"title\":\"t\",\"message\":\"m\"}", "gotify" },
	{ "{\"desp\":\"d\"}", "serverchan" },
	{ "{\"text\":\"t\",\"desp\":\"d\"}", "serverchan" },
	{ "{\"title\":\"t\",\"desp\":\"d\"}", "serverchan" },
	{ "{\"text\":\"t\"}", "slack" },
	{ "{\"attachments\":[]}", "slack" },
	{ "{\"blocks\":[]}", "slack" },
	{ "{\"body\":\"b\"}", "bark" },
	{ "{\"title\":\"t\",\"body\":\"b\"}", "bark" },
	/* Which comes first. */
	{ "{\"alerts\":[],\"message\":\"m\",\"text\":\"t\",\"version\":\"4\"}",
	    "alertmanager" },
	{ "{\"heartbeat\":{},\"monitor\":{},\"message\":\"m\"}",
	    "uptime-kuma" },
	{ "{\"message\":\"m\",\"text\":\"t\",\"desp\":\"d\"}", "gotify" },
	{ "{\"text\":\"t\",\"body\":\"b\"}", "slack" },
	{ "{\"title\":\"t\",\"text\":\"t\",\"body\":\"b\"}", "bark" },
	/* Almost. */
	{ "{\"alerts\":5}", "json" },
	{ "{\"groupKey\":\"k\"}", "json" },
	{ "{\"heartbeat\":7}", "json" },
	{ "{\"message\":null}", "json" },
	{ "{\"Message\":\"m\"}", "json" },
	{ "{\"\":null}", "json" },
};

static void
test_shapes(void **state)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	struct hook_result r;
	json_t *body;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(shape_cases) / sizeof(shape_cases[0]); i++) {
		body = json_loads(shape_cases[i].json, JSON_DECODE_ANY, NULL);
		assert_non_null(body);
		assert_int_equal(hook_render(body, &opt, &r), 0);
		if (strcmp(r.shape, shape_cases[i].shape) != 0)
			fail_msg("%s: %s", shape_cases[i].json, r.shape);
		if (strcmp(r.shape, "none") == 0)
			assert_null(r.content);
		else
			assert_true(r.title_len + r.content_len > 0);
		hook_result_done(&r);
		json_decref(body);
	}
}

static void
test_plain(void **state)
{
	(void)state;
	payload_check("plain", "plain", ENOUGH);
	payload_check("plain-title", "plain-title", ENOUGH);
}

/* The caller's title is for bodies that have none. */
static void
test_title(void **state)
{
	static const struct shape_case cases[] = {
		{ "{\"a\":1}", "\xc3\xbc q" },
		{ "{\"message\":\"m\"}", "\xc3\xbc q" },
		{ "{\"message\":\"m\",\"title\":\"\"}", "\xc3\xbc q" },
		{ "{\"message\":\"m\",\"title\":\"t\"}", "t" },
		{ "{\"text\":\"m\",\"username\":\"u\"}", "\xc3\xbc q" },
		{ "{\"desp\":\"m\"}", "\xc3\xbc q" },
		{ "{\"body\":\"m\"}", "\xc3\xbc q" },
		{ "{\"monitor\":{},\"msg\":\"m\"}", "\xc3\xbc q" },
		{ "{\"alerts\":[{}]}", "[FIRING:1] Alertmanager" },
	};
	struct hook_options opt = { .max_bytes = ENOUGH,
		.title = "\xc3\xbc\nq",
		.title_len = 4 };
	struct hook_result r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = payload_render(cases[i].json, &opt);
		assert_string_equal(r.title, cases[i].shape);
		hook_result_done(&r);
	}
}

static void
test_empty(void **state)
{
	struct hook_options opt = { .max_bytes = 4 };
	struct hook_result r = payload_render("{\"text\":\"\"}", &opt);

	(void)state;
	assert_string_equal(r.title, "webh");
	assert_string_equal(r.content, "");
	hook_result_done(&r);
	hook_result_done(&r);
}

static void
test_long_title(void **state)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	char json[1024] = "{\"message\":\"m\",\"title\":\"";
	struct hook_result r;
	size_t i;

	(void)state;
	for (i = 0; i < 120; i++)
		strcat(json, "\xc3\xbc");
	strcat(json, "\"}");
	r = payload_render(json, &opt);
	assert_int_equal(r.title_len, 240);
	hook_result_done(&r);
	strcpy(strrchr(json, '"'), "x\"}");
	r = payload_render(json, &opt);
	assert_int_equal(payload_chars(r.title), 120);
	assert_string_equal(r.title + 238, "\xe2\x80\xa6");
	hook_result_done(&r);
}

/* At every limit what is there is whole characters, and uses the room. */
static void
test_limits(void **state)
{
	static const char json[] = "{\"title\":\"\xf0\x9f\x98\xb1\xc3\xbc\","
				   "\"message\":\"\xe6\x96\x87\xe5\xad\x97"
				   "abc\xf0\x9f\x98\xb1\xf0\x9f\x98\xb1\"}";
	struct hook_options opt = { 0 };
	struct hook_result r;

	(void)state;
	for (opt.max_bytes = 0; opt.max_bytes < 30; opt.max_bytes++) {
		r = payload_render(json, &opt);
		assert_true(r.title_len + r.content_len + 6 > opt.max_bytes ||
			    opt.max_bytes >= 23);
		if (opt.max_bytes >= 23)
			assert_string_equal(r.content + 9,
			    "\xf0\x9f\x98\xb1\xf0\x9f\x98\xb1");
		hook_result_done(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_title),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_long_title),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
