/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hook_payload.h"

#define ENOUGH 65536

static void
check_texts(const char *json, const char *title, const char *content)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	struct hook_result r = payload_render(json, &opt);

	assert_string_equal(r.title, title);
	assert_string_equal(r.content, content);
	hook_result_done(&r);
}

static void
check_priority(const char *json, int priority)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	struct hook_result r = payload_render(json, &opt);

	assert_int_equal(r.priority, priority);
	hook_result_done(&r);
}

static void
check_url(const char *json, const char *url)
{
	struct hook_options opt = { .max_bytes = ENOUGH };
	struct hook_result r = payload_render(json, &opt);

	if (url == NULL)
		assert_null(r.url);
	else
		assert_string_equal(r.url, url);
	hook_result_done(&r);
}

static void
test_kuma(void **state)
{
	(void)state;
	payload_check("uptime-kuma-down", "uptime-kuma-down", ENOUGH);
	payload_check("uptime-kuma-up", "uptime-kuma-up", ENOUGH);
	payload_check("uptime-kuma-test", "uptime-kuma-test", ENOUGH);
	check_texts("{\"heartbeat\":5,\"monitor\":[1],\"msg\":{\"a\":\"b\"}}",
	    "Uptime Kuma", "{\"a\":\"b\"}");
	check_texts("{\"heartbeat\":{\"status\":3},\"monitor\":{\"name\":7}}",
	    "[MAINTENANCE] 7", "");
	check_texts("{\"heartbeat\":{\"msg\":\"why\",\"status\":2,"
		    "\"time\":\"t\"},\"msg\":\"\"}",
	    "[PENDING] Uptime Kuma", "why\nt UTC");
	check_priority("{\"heartbeat\":{\"status\":0},\"msg\":\"x\"}", 5);
	check_priority("{\"heartbeat\":{\"status\":3},\"msg\":\"x\"}", 2);
	check_priority("{\"heartbeat\":{\"status\":4},\"msg\":\"x\"}", 0);
	check_priority("{\"heartbeat\":{\"status\":-1},\"msg\":\"x\"}", 0);
	check_priority("{\"heartbeat\":{\"status\":\"0\"},\"msg\":\"x\"}", 0);
}

static void
test_gotify(void **state)
{
	static const int want[] = { 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5 };
	char json[64];
	int i;

	(void)state;
	payload_check("gotify", "gotify", ENOUGH);
	payload_check("apprise", "apprise", ENOUGH);
	for (i = 0; i <= 10; i++) {
		snprintf(json, sizeof(json), "{\"message\":1,\"priority\":%d}",
		    i);
		check_priority(json, want[i]);
	}
	check_priority("{\"message\":1,\"priority\":\"8\"}", 4);
	check_priority("{\"message\":1,\"priority\":4.5}", 3);
	check_priority("{\"message\":1,\"priority\":-7}", 1);
	check_priority("{\"message\":1,\"priority\":99999999999}", 5);
	check_priority("{\"message\":1,\"priority\":\"high\"}", 0);
	check_priority("{\"message\":1,\"priority\":[]}", 0);
	check_priority("{\"message\":1}", 0);
	check_texts("{\"message\":12,\"title\":true}", "true", "12");
	check_texts("{\"message\":{\"a\":[1, 2]}}", "", "{\"a\":[1,2]}");
	check_texts("{\"message\":\"a\\nb\",\"title\":\" a\\r\\n\\tb \"}",
	    "a b", "a\nb");
	check_texts("{\"message\":\"a\\u0000b\",\"title\":\"\\u0000\"}", "",
	    "a\xef\xbf\xbd"
	    "b");
}

static void
test_serverchan(void **state)
{
	(void)state;
	payload_check("serverchan", "serverchan", ENOUGH);
	check_texts("{\"title\":\"t\",\"desp\":\"d\"}", "t", "d");
	check_texts("{\"desp\":0}", "", "0");
	check_texts("{\"text\":\"\",\"desp\":\"d\",\"title\":\"t\"}", "t", "d");
}

static void
test_slack(void **state)
{
	(void)state;
	payload_check("slack", "slack", ENOUGH);
	payload_check("slack-blocks", "slack-blocks", ENOUGH);
	check_texts("{\"text\":1e3}", "", "1000.0");
	check_texts("{\"attachments\":[1,null,{\"text\":[]},{\"fields\":"
		    "[{\"title\":\"t\"},{\"value\":\"v\"},3]}]}",
	    "", "[]\nt\nv");
	check_texts("{\"blocks\":[{\"text\":\"a\"},4],\"text\":\"b\"}", "",
	    "a");
	check_texts("{\"blocks\":[{}],\"text\":\"b\"}", "", "b");
}

static void
test_mrkdwn(void **state)
{
	(void)state;
	check_texts("{\"text\":\"<\"}", "", "<");
	check_texts("{\"text\":\"<>&;<<<>&amp\"}", "", "<>&;<<<>&amp");
	check_texts("{\"text\":\"a < b > c\"}", "", "a < b > c");
	check_texts("{\"text\":\"<http://a|>\"}", "", "http://a");
	check_texts("{\"text\":\"<http://a|b|c>\"}", "", "b|c (http://a)");
	check_texts("{\"text\":\"<!date^1^{time}|noon>\"}", "", "noon");
	check_texts("{\"text\":\"<@U1|ann> <#C1> <!channel>\"}", "",
	    "@ann #C1 @channel");
	check_texts("{\"text\":\"&lt;!here&gt; &amp;lt;\"}", "",
	    "<!here> &lt;");
	check_texts("{\"text\":\"<|http://a>\"}", "", "http://a ()");
}

static void
test_bark(void **state)
{
	(void)state;
	payload_check("bark", "bark", ENOUGH);
	check_texts("{\"body\":\"b\"}", "", "b");
	check_texts("{\"body\":[\"b\"],\"title\":{}}", "{}", "[\"b\"]");
	check_priority("{\"body\":1,\"level\":\"critical\"}", 5);
	check_priority("{\"body\":1,\"type\":\"warning\"}", 3);
	check_priority("{\"body\":1,\"level\":5}", 0);
}

static void
test_json(void **state)
{
	(void)state;
	payload_check("json-long", "json-long", ENOUGH);
	payload_check("json-short", "json-short", ENOUGH);
	check_texts("{\"a\":\"\\n\"}", "webhook", "{\n  \"a\": \"\\n\"\n}");
}

static void
test_json_lines(void **state)
{
	char json[256] = "{\"a\":[";
	struct hook_options opt = { .max_bytes = ENOUGH };
	struct hook_result r;
	size_t i, lines;

	(void)state;
	/* Two lines before and two behind: 36 elements are all of 40. */
	for (i = 0; i < 36; i++)
		strcat(json, i == 0 ? "1" : ",1");
	strcat(json, "]}");
	r = payload_render(json, &opt);
	for (i = lines = 0; i < r.content_len; i++)
		lines += r.content[i] == '\n';
	assert_int_equal(lines, 39);
	assert_string_equal(r.content + r.content_len - 5, "  ]\n}");
	hook_result_done(&r);
}

static void
test_urls(void **state)
{
	char json[4096], url[2049];

	(void)state;
	check_url("{\"body\":1,\"url\":\"HTTPS://a\"}", "HTTPS://a");
	check_url("{\"body\":1,\"url\":\"http://\xc3\xbc/?a=b#c\"}",
	    "http://\xc3\xbc/?a=b#c");
	check_url("{\"body\":1,\"url\":\"https://\"}", NULL);
	check_url("{\"body\":1,\"url\":\"http://\"}", NULL);
	check_url("{\"body\":1,\"url\":\"javascript:alert(1)\"}", NULL);
	check_url("{\"body\":1,\"url\":\"http://a b\"}", NULL);
	check_url("{\"body\":1,\"url\":\"http://a\\\"b\"}", NULL);
	check_url("{\"body\":1,\"url\":\"http://a\\u0000\"}", NULL);
	check_url("{\"body\":1,\"url\":{\"a\":1}}", NULL);
	snprintf(url, sizeof(url), "http://%02041d", 0);
	snprintf(json, sizeof(json), "{\"body\":1,\"url\":\"%s\"}", url);
	check_url(json, url);
	snprintf(json, sizeof(json), "{\"body\":1,\"url\":\"%s0\"}", url);
	check_url(json, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kuma),
		cmocka_unit_test(test_gotify),
		cmocka_unit_test(test_serverchan),
		cmocka_unit_test(test_slack),
		cmocka_unit_test(test_mrkdwn),
		cmocka_unit_test(test_bark),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
