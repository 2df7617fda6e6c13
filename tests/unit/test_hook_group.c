/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "hook_group.h"
#include "hook_text.h"

static const struct hook_options plain = { .max_bytes = 1000 };

static json_t *
load(const char *json)
{
	json_error_t error;
	json_t *body = json_loads(json, 0, &error);

	if (body == NULL)
		fail_msg("%s: %s", error.text, json);
	return body;
}

static int64_t
read_time(const char *text)
{
	json_t *value = json_string(text);
	int64_t ms = hook_group_read_time(value);

	json_decref(value);
	return ms;
}

static void
test_time(void **state)
{
	(void)state;
	assert_int_equal(read_time("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(read_time("2026-11-23T06:00:00.123Z"), 1795413600123);
	assert_int_equal(read_time("2026-11-23T06:00:00.1239999Z"),
	    1795413600123);
	assert_int_equal(read_time("2026-11-23 07:00:00.5+01:00"),
	    1795413600500);
	assert_int_equal(read_time("2026-11-22t23:30:00-06:30"), 1795413600000);
	assert_int_equal(read_time("1969-12-31T23:59:59.5z"), -500);
	assert_int_equal(read_time("2024-02-29T00:00:00Z"), 1709164800000);
}

static void
test_no_time(void **state)
{
	static const char *const texts[] = { "", "0001-01-01T00:00:00Z",
		"0000-00-00T00:00:00Z", "2026-11-23T06:00:00",
		"2026-11-23T06:00:00.Zx", "2026-11-23T06:00:00Zx",
		"2026-11-23T06:00:00+1:00", "2026-11-23T06:00:00+01:60",
		"2026-11-23T06:00:00+24:00", "2026-11-23T06:00:00*01:00",
		"2026-13-23T06:00:00Z", "2026-00-23T06:00:00Z",
		"2026-11-00T06:00:00Z", "2026-11-32T06:00:00Z",
		"2026-11-23T24:00:00Z", "2026-11-23T06:60:00Z",
		"2026-11-23T06:00:61Z", "2026/11/23T06:00:00Z",
		"2026-11-23X06:00:00Z", "+026-11-23T06:00:00Z",
		"2026-11-23T06:00:0", "yesterday at six o'clock" };
	json_t *number = json_integer(7);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (read_time(texts[i]) != HOOK_TIME_NONE)
			fail_msg("%s", texts[i]);
	}
	assert_int_equal(hook_group_read_time(number), HOOK_TIME_NONE);
	assert_int_equal(hook_group_read_time(NULL), HOOK_TIME_NONE);
	json_decref(number);
}

static void
check_shown(int64_t newest, int64_t ms, const char *want)
{
	struct hook_group g = { .newest = newest };
	struct hook_text t;
	char *s;

	hook_text_init(&t, SIZE_MAX, SIZE_MAX);
	hook_group_put_time(&g, &t, ms);
	assert_int_equal(hook_text_take(&t, &s, NULL), 0);
	assert_string_equal(s, want);
	free(s);
}

static void
test_put_time(void **state)
{
	int64_t day = INT64_C(20780) * 86400000;

	(void)state;
	check_shown(day, day, "00:00 UTC");
	check_shown(day, day + 86399999, "23:59 UTC");
	check_shown(day + 5, day - 1, "2026-11-22 23:59 UTC");
	check_shown(day + 5, day + 86400000, "2026-11-24 00:00 UTC");
	check_shown(HOOK_TIME_NONE, day, "2026-11-23 00:00 UTC");
	check_shown(0, -1, "1969-12-31 23:59 UTC");
	check_shown(-1, -86400000, "00:00 UTC");
}

/* The names of the alerts in their order. */
static void
check_order(const char *json, const struct hook_options *opt, const char *want)
{
	json_t *body = load(json);
	struct hook_group g;
	char names[64] = "";
	size_t i;

	assert_int_equal(hook_group_init(&g, body, opt), 0);
	for (i = 0; i < g.count; i++)
		strcat(names,
		    json_string_value(json_object_get(g.alerts[i].json, "n")));
	assert_string_equal(names, want);
	hook_group_done(&g);
	json_decref(body);
}

static void
test_order(void **state)
{
	static const struct hook_severity own[] = { { "P1", 5 }, { "2", 4 },
		{ "info", 1 } };
	struct hook_options opt = { .max_bytes = 1000,
		.severities = own,
		.severity_count = 3 };
	static const char severities[] =
	    "{\"alerts\":["
	    "{\"n\":\"a\",\"labels\":{\"severity\":\"INFO\"}},"
	    "{\"n\":\"b\",\"labels\":{\"severity\":\"p1\"}},"
	    "{\"n\":\"c\",\"labels\":{\"severity\":2}},"
	    "{\"n\":\"d\",\"labels\":{\"severity\":\"minor\"}},"
	    "{\"n\":\"e\",\"labels\":{\"severity\":[]}},"
	    "{\"n\":\"f\",\"labels\":{\"severity\":\"none\"}},"
	    "{\"n\":\"g\",\"labels\":{\"severity\":\"high\"}},"
	    "{\"n\":\"h\",\"status\":\"Resolved\","
	    "\"labels\":{\"severity\":\"page\"}}]}";

	(void)state;
	check_order(severities, &plain, "gdafbceh");
	check_order(severities, &opt, "bcgdfaeh");
	check_order("{\"status\":\"resolved\",\"alerts\":["
		    "{\"n\":\"a\",\"status\":5},"
		    "{\"n\":\"b\",\"status\":\"firing\"},{\"n\":\"c\"}]}",
	    &plain, "bac");
	check_order("{\"alerts\":[{\"n\":\"a\"},"
		    "{\"n\":\"b\",\"startsAt\":\"2026-11-23T06:00:00Z\"},"
		    "{\"n\":\"c\",\"startsAt\":\"2026-11-23T06:30:00+01:00\"},"
		    "{\"n\":\"d\",\"startsAt\":\"2026-11-23T06:00:00Z\"}]}",
	    &plain, "cbda");
}

static void
check_common(const char *json, const char *labels, const char *annotations)
{
	json_t *body = load(json), *want;
	struct hook_group g;

	assert_int_equal(hook_group_init(&g, body, &plain), 0);
	want = load(labels);
	assert_true(json_equal(g.labels, want));
	json_decref(want);
	want = load(annotations);
	assert_true(json_equal(g.annotations, want));
	json_decref(want);
	hook_group_done(&g);
	json_decref(body);
}

static void
test_common(void **state)
{
	(void)state;
	check_common("{}", "{}", "{}");
	check_common("{\"commonLabels\":{\"a\":1},\"commonAnnotations\":[],"
		     "\"alerts\":[{\"annotations\":{\"b\":2}}]}",
	    "{\"a\":1}", "{\"b\":2}");
	check_common("{\"alerts\":["
		     "{\"labels\":{\"a\":\"1\",\"b\":\"2\",\"c\":[3]}},"
		     "{\"labels\":{\"c\":[3],\"b\":2,\"a\":\"1\"}}]}",
	    "{\"a\":\"1\",\"c\":[3]}", "{}");
	check_common("{\"alerts\":[{\"labels\":{\"a\":\"1\"}},{}]}", "{}",
	    "{}");
}

static uint64_t
hash(const char *json, const unsigned char *key)
{
	struct hook_options opt = { .max_bytes = 1, .hash_key = key };
	json_t *body = load(json);
	struct hook_group g;
	uint64_t h;

	assert_int_equal(hook_group_init(&g, body, &opt), 0);
	h = hook_group_hash(&g, &opt);
	assert_true(h != 0);
	hook_group_done(&g);
	json_decref(body);
	return h;
}

#define KEY    "{\"groupKey\":\"k\",\"alerts\":["
#define FIRING "\"status\":\"firing\","

/* Of a repeated notification nothing that counts has changed. */
static void
test_hash_same(void **state)
{
	uint64_t want = hash(KEY "{" FIRING "\"fingerprint\":\"f1\"},"
				 "{" FIRING "\"fingerprint\":\"f2\"}]}",
	    NULL);

	(void)state;
	assert_true(want == hash(KEY "{\"startsAt\":1,\"fingerprint\":\"f2\"},"
				     "{\"fingerprint\":\"f1\","
				     "\"annotations\":{\"a\":1}}]}",
				NULL));
	assert_true(hash(KEY "{\"labels\":{\"a\":\"1\",\"b\":[2]}}]}", NULL) ==
		    hash(KEY "{\"labels\":{\"b\":[2],\"a\":\"1\"}}]}", NULL));
}

static void
test_hash_differs(void **state)
{
	static const unsigned char key[HOOK_HASH_KEY] = { 1 };
	static const char *const bodies[] = {
		KEY "{\"fingerprint\":\"f1\"}]}",
		KEY "{\"fingerprint\":\"f2\"}]}",
		KEY "{\"fingerprint\":\"f1\",\"status\":\"resolved\"}]}",
		KEY "{\"fingerprint\":\"f1\"},{\"fingerprint\":\"f1\"}]}",
		KEY "]}",
		KEY "{}]}",
		"{\"groupKey\":\"k2\",\"alerts\":[{\"fingerprint\":\"f1\"}]}",
		"{\"groupKey\":[\"k\"],\"alerts\":[]}",
		"{\"groupKey\":[\"k\",1],\"alerts\":[]}",
		"{\"alerts\":[]}",
		KEY "{\"labels\":{\"a\":\"1\"}}]}",
		KEY "{\"labels\":{\"a\":\"2\"}}]}",
		KEY "{\"labels\":{\"a1\":\"\"}}]}",
		KEY "{\"labels\":{\"a\":[1]}}]}",
		KEY "{\"labels\":{\"a\":[2]}}]}",
		KEY "{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}]}",
		KEY "{\"labels\":{\"a\":\"2\",\"b\":\"1\"}}]}",
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		for (j = 0; j < i; j++) {
			if (hash(bodies[i], NULL) == hash(bodies[j], NULL))
				fail_msg("%s\n%s", bodies[i], bodies[j]);
		}
		assert_true(hash(bodies[i], NULL) != hash(bodies[i], key));
	}
}

static void
check_key(const char *json, size_t len, const char *want)
{
	json_t *body = load(json);
	struct hook_group g;
	char *key;

	assert_int_equal(hook_group_init(&g, body, &plain), 0);
	assert_int_equal(hook_group_take_key(&g, &plain, &key), 0);
	if (want == NULL) {
		assert_null(key);
	} else {
		assert_int_equal(strlen(key), len);
		assert_true(strncmp(key, want, strlen(want)) == 0);
	}
	free(key);
	hook_group_done(&g);
	json_decref(body);
}

static void
test_key(void **state)
{
	char json[1024], want[513];

	(void)state;
	check_key("{}", 0, NULL);
	check_key("{\"groupKey\":\"\"}", 0, NULL);
	check_key("{\"groupKey\":12}", 2, "12");
	snprintf(json, sizeof(json), "{\"groupKey\":\"%0495d\"}", 0);
	snprintf(want, sizeof(want), "%0495d", 0);
	check_key(json, 495, want);
	snprintf(json, sizeof(json), "{\"groupKey\":\"%0496d\"}", 0);
	snprintf(want, sizeof(want), "%0495d#", 0);
	check_key(json, 512, want);
	snprintf(json, sizeof(json), "{\"groupKey\":\"%0494d\xc3\xbc\"}", 0);
	snprintf(want, sizeof(want), "%0494d#", 0);
	check_key(json, 511, want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_no_time),
		cmocka_unit_test(test_put_time),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_hash_same),
		cmocka_unit_test(test_hash_differs),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
