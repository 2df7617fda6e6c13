/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <time.h>

#include "hook_payload.h"

#define ENOUGH 65536

static void
test_firing(void **state)
{
	(void)state;
	payload_check("alertmanager-firing", "alertmanager-firing", ENOUGH);
}

static void
test_mixed(void **state)
{
	(void)state;
	payload_check("alertmanager-mixed", "alertmanager-mixed", ENOUGH);
}

static void
test_resolved(void **state)
{
	(void)state;
	payload_check("alertmanager-resolved", "alertmanager-resolved", ENOUGH);
}

static void
test_severities(void **state)
{
	(void)state;
	payload_check("alertmanager-severities", "alertmanager-severities",
	    ENOUGH);
}

static void
test_many(void **state)
{
	(void)state;
	payload_check("alertmanager-many", "alertmanager-many", ENOUGH);
	payload_check("alertmanager-many", "alertmanager-many-1000", 1000);
	payload_check("alertmanager-cut", "alertmanager-cut-660", 660);
}

static void
test_nothing(void **state)
{
	(void)state;
	payload_check("alertmanager-nothing", "alertmanager-nothing", ENOUGH);
	payload_check("alertmanager-wrong-types", "alertmanager-wrong-types",
	    ENOUGH);
}

static void
test_grafana(void **state)
{
	(void)state;
	payload_check("grafana", "grafana", ENOUGH);
	payload_check("grafana-custom", "grafana-custom", ENOUGH);
}

static void
check_title(const char *json, const char *title)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	struct hook_result r = payload_render(json, &opt);

	assert_string_equal(r.title, title);
	hook_result_done(&r);
}

static void
check_content(const char *json, const char *content)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	struct hook_result r = payload_render(json, &opt);

	assert_string_equal(r.content, content);
	hook_result_done(&r);
}

/* One firing alert on a host. */
static void
check_place(const char *instance, const char *title)
{
	char json[256];

	snprintf(json, sizeof(json),
	    "{\"alerts\":[{\"labels\":{\"alertname\":\"A\","
	    "\"instance\":\"%s\"}}]}",
	    instance);
	check_title(json, title);
}

static void
test_places(void **state)
{
	(void)state;
	check_place("db1", "[FIRING:1] A db1");
	check_place("db1:9100", "[FIRING:1] A db1");
	check_place("10.0.0.1:9100", "[FIRING:1] A 10.0.0.1");
	check_place("[::1]:9100", "[FIRING:1] A [::1]");
	check_place("[::1]", "[FIRING:1] A [::1]");
	check_place("::1", "[FIRING:1] A ::1");
	check_place("fe80::1:9100", "[FIRING:1] A fe80::1:9100");
	check_place("https://a:443", "[FIRING:1] A https://a:443");
	check_place("db1:", "[FIRING:1] A db1:");
	check_place(":9100", "[FIRING:1] A :9100");
	check_place("9100", "[FIRING:1] A 9100");
	check_place("[x", "[FIRING:1] A [x");
	check_place("", "[FIRING:1] A");
	check_title("{\"alerts\":[{\"labels\":{\"job\":\"j\",\"pod\":\"p\","
		    "\"instance\":null}}]}",
	    "[FIRING:1] p");
}

static void
test_titles(void **state)
{
	(void)state;
	check_title("{\"alerts\":[]}", "Alertmanager");
	check_title("{\"alerts\":[],\"status\":\"firing\","
		    "\"commonLabels\":{\"alertname\":\"A\",\"node\":\"n\","
		    "\"severity\":\"page\"}}",
	    "[FIRING] A n (page)");
	check_title("{\"alerts\":[],\"status\":\"resolved\"}",
	    "[RESOLVED] Alertmanager");
	check_title("{\"alerts\":[{}],\"state\":\"ok\"}", "[FIRING:1] Grafana");
	check_title("{\"alerts\":[{}],\"title\":\" a\\nb \"}", "a b");
	/* Each once, and of the firing ones only. */
	check_title("{\"alerts\":["
		    "{\"labels\":{\"alertname\":\"A\",\"host\":\"a:1\"}},"
		    "{\"labels\":{\"alertname\":\"B\",\"host\":\"a:2\"}},"
		    "{\"labels\":{\"alertname\":\"A\",\"host\":\"aa\"}},"
		    "{\"labels\":{\"alertname\":\"C\",\"host\":\"c\"},"
		    "\"status\":\"resolved\"}]}",
	    "[FIRING:3 RESOLVED:1] A, B a, aa");
}

/* A title of exactly 120 code points stays, of more the words are cut. */
static void
test_long_titles(void **state)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	char json[1024], word[256] = "", want[512];
	struct hook_result r;
	int i;

	(void)state;
	for (i = 0; i < 60; i++)
		strcat(word, "\xc3\xbc");
	snprintf(json, sizeof(json),
	    "{\"alerts\":[{\"labels\":{\"alertname\":\"%s\","
	    "\"instance\":\"%.76s\",\"severity\":\"critical\"}}]}",
	    word, word);
	snprintf(want, sizeof(want),
	    "[FIRING:1] %s %.72s\xe2\x80\xa6 (critical)", word, word);
	check_title(json, want);
	r = payload_render(json, &opt);
	assert_int_equal(payload_chars(r.title), 120);
	hook_result_done(&r);
}

static void
test_silence(void **state)
{
	(void)state;
	check_content("{\"externalURL\":\"https://am/x//\",\"alerts\":[],"
		      "\"commonLabels\":{\"a.b\":\"c\\\"\\\\\\n\xc3\xbc~\","
		      "\"_9\":5}}",
	    "Labels: a.b=c\"\\ \xc3\xbc~, _9=5\n"
	    "Silence: https://am/x/#/silences/new?filter=%7B%22a.b%22%3D%22"
	    "c%5C%22%5C%5C%5Cn%C3%BC~%22%2C_9%3D%225%22%7D");
	/* Nothing in common: the labels of the group. */
	check_content("{\"externalURL\":\"https://am\",\"alerts\":[],"
		      "\"groupLabels\":{\"g\":\"\"}}",
	    "Silence: https://am/#/silences/new?filter=%7Bg%3D%22%22%7D");
	/* A silence for everything is never offered. */
	check_content("{\"externalURL\":\"https://am\",\"alerts\":[]}", "");
	check_content("{\"externalURL\":\"ftp://am\",\"alerts\":[],"
		      "\"commonLabels\":{\"alertname\":\"A\"}}",
	    "");
}

static void
test_receiver(void **state)
{
	(void)state;
	check_content("{\"alerts\":[],\"receiver\":\"a\\\\.b\\\\\\\\c\\\\\"}",
	    "Receiver: a.b\\c\\");
	check_content("{\"alerts\":[],\"receiver\":\"\\\\(\xc3\xbc\\\\)\\n\"}",
	    "Receiver: (\xc3\xbc)");
	check_content("{\"alerts\":[],\"receiver\":\"\"}", "");
}

/* Of two runbooks the first is meant, and nothing is said twice. */
static void
test_details(void **state)
{
	(void)state;
	check_content("{\"alerts\":[{\"annotations\":{"
		      "\"runbook\":\"http://b\",\"runbook_url\":\"http://a\","
		      "\"summary\":\"s\",\"description\":\"s\"}}]}",
	    "FIRING alert\ns\nRunbook: http://a");
	check_content("{\"alerts\":[{\"annotations\":{"
		      "\"runbook\":\"http://b\",\"runbook_url\":\"see b\"}}]}",
	    "FIRING alert\nRunbook: http://b");
}

/* A line of labels ends after 32 of them. */
static void
test_many_labels(void **state)
{
	char json[1024] = "{\"alerts\":[{\"labels\":{", want[1024];
	size_t i, n = strlen(json), w;

	(void)state;
	for (i = 0; i < 40; i++)
		n += (size_t)snprintf(json + n, sizeof(json) - n,
		    "%s\"l%zu\":%zu", i == 0 ? "" : ",", i, i);
	strcat(json, "}}]}");
	w = (size_t)snprintf(want, sizeof(want), "FIRING alert\nLabels: ");
	for (i = 0; i < 32; i++)
		w += (size_t)snprintf(want + w, sizeof(want) - w, "l%zu=%zu, ",
		    i, i);
	strcat(want, "\xe2\x80\xa6");
	check_content(json, want);
}

static void
check_priority(const char *json, int priority)
{
	static const struct hook_severity own[] = { { "p1", 5 },
		{ "critical", 4 } };
	struct hook_options opt = { .max_bytes = ENOUGH,
		.severities = own,
		.severity_count = 2 };
	struct hook_result r = payload_render(json, &opt);

	assert_int_equal(r.priority, priority);
	hook_result_done(&r);
}

#define SEVERITY(s) "{\"labels\":{\"severity\":\"" s "\"}}"

static void
test_priorities(void **state)
{
	(void)state;
	check_priority("{\"alerts\":[]}", 3);
	check_priority("{\"alerts\":[{}]}", 3);
	check_priority("{\"alerts\":[" SEVERITY("P1") "]}", 5);
	check_priority("{\"alerts\":[" SEVERITY("critical") "]}", 4);
	check_priority("{\"alerts\":[" SEVERITY("emergency") "]}", 5);
	check_priority("{\"alerts\":[" SEVERITY("major") "]}", 4);
	check_priority("{\"alerts\":[" SEVERITY("warning") "]}", 3);
	check_priority("{\"alerts\":[" SEVERITY("none") "]}", 2);
	check_priority("{\"alerts\":[" SEVERITY("x") "]}", 3);
	/* What is not known is as urgent as it is without a severity. */
	check_priority("{\"alerts\":[" SEVERITY("x") "," SEVERITY("info") "]}",
	    3);
	/* What is over counts only when all is. */
	check_priority("{\"alerts\":[" SEVERITY(
			   "info") ","
				   "{\"status\":\"resolved\","
				   "\"labels\":{\"severity\":\"p1\"}}]}",
	    2);
	check_priority("{\"status\":\"resolved\",\"alerts\":[" SEVERITY(
			   "p1") "]}",
	    5);
}

static void
test_grafana_message(void **state)
{
	(void)state;
	check_content("{\"alerts\":[{}],\"message\":\"**Firing**\\nx\"}",
	    "FIRING alert");
	check_content("{\"alerts\":[{}],\"message\":\"**Resolved**\\nx\"}",
	    "FIRING alert");
	check_content("{\"alerts\":[{}],\"message\":\"x\"}",
	    "x\n\nFIRING alert");
	check_content("{\"alerts\":[],\"message\":\"**Firing**\"}",
	    "**Firing**");
	check_content("{\"alerts\":[{}],\"message\":\"x\",\"version\":\"4\"}",
	    "FIRING alert");
}

/* How many lines begin with a word. */
static size_t
count_lines(const char *text, const char *word)
{
	size_t n = 0;

	for (; text != NULL; text = strchr(text, '\n')) {
		text += *text == '\n';
		n += strncmp(text, word, strlen(word)) == 0;
	}
	return n;
}

/* At every limit the alerts shown and those that are "more" are all. */
static void
check_every_limit(const char *name, size_t total)
{
	char *json = payload_read(name, "json");
	json_t *body = json_loads(json, 0, NULL);
	struct hook_options opt = { 0 };
	const char *more;
	struct hook_result r;
	size_t shown;

	for (opt.max_bytes = 1; opt.max_bytes < 5000; opt.max_bytes += 7) {
		assert_int_equal(hook_render(body, &opt, &r), 0);
		payload_check_text(r.title, r.title_len);
		payload_check_text(r.content, r.content_len);
		assert_true(r.title_len + r.content_len <= opt.max_bytes);
		shown = count_lines(r.content, "FIRING ");
		more = strrchr(r.content, '+');
		if (opt.max_bytes < 250) {
			assert_true(shown <= total);
		} else if (shown < total) {
			assert_non_null(more);
			assert_int_equal(strtoul(more, NULL, 10),
			    total - shown);
			assert_string_equal(strchr(more, ' '), " more");
		} else {
			assert_null(strstr(r.content, " more"));
		}
		hook_result_done(&r);
	}
	json_decref(body);
	free(json);
}

static void
test_every_limit(void **state)
{
	(void)state;
	check_every_limit("alertmanager-cut", 16);
	check_every_limit("alertmanager-many", 16);
}

static json_t *
make_alert(size_t i, bool same)
{
	char n[32];

	snprintf(n, sizeof(n), "h%zu", same ? 0 : i * 7919 % 1000003);
	return json_pack("{s:s,s:{s:s,s:s,s:s,s:s},s:{s:s},s:s,s:s}", "status",
	    i % 3 == 0 ? "resolved" : "firing", "labels", "alertname", "Many",
	    "instance", n, "severity", i % 2 ? "warning" : "critical", "job",
	    "node", "annotations", "summary", "too much of everything",
	    "startsAt", "2026-11-23T06:00:00Z", "generatorURL",
	    "https://prometheus.example/graph");
}

/*
 * A hundred thousand alerts: less than half a second; the limit is what
 * something quadratic would exceed many times.
 */
static void
check_huge(bool same)
{
	enum {
		ALERTS = 100000,
		SECONDS = 10
	};
	struct hook_options opt = { .max_bytes = ENOUGH };
	json_t *list = json_array(), *body;
	struct hook_result r;
	clock_t start;
	size_t i;

	for (i = 0; i < ALERTS; i++)
		json_array_append_new(list, make_alert(i, same));
	body = json_pack("{s:o,s:i}", "alerts", list, "truncatedAlerts", 7);
	start = clock();
	assert_int_equal(hook_render(body, &opt, &r), 0);
	start = clock() - start;
	print_message("# %d alerts: %ld ms\n", ALERTS,
	    (long)(start * 1000 / CLOCKS_PER_SEC));
	assert_true(start < SECONDS * CLOCKS_PER_SEC);
	assert_true(r.title_len + r.content_len <= ENOUGH);
	assert_true(r.content_len > ENOUGH - 500);
	i = count_lines(r.content, "FIRING ");
	assert_int_equal(strtoul(strrchr(r.content, '+'), NULL, 10),
	    ALERTS + 7 - i);
	hook_result_done(&r);
	json_decref(body);
}

static void
test_huge(void **state)
{
	(void)state;
	check_huge(false);
	check_huge(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_firing),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_severities),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_grafana),
		cmocka_unit_test(test_grafana_message),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_long_titles),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_receiver),
		cmocka_unit_test(test_details),
		cmocka_unit_test(test_many_labels),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_every_limit),
		cmocka_unit_test(test_huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
