/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "push.h"

#define FORM      "application/x-www-form-urlencoded"
#define JSON      "application/json"
#define MULTIPART "multipart/form-data; boundary=b"
#define PART(name)                                                             \
	"--b\r\nContent-Disposition: form-data; name=" name "\r\n\r\n"
#define FFFD "\xef\xbf\xbd"

struct row {
	const char *target, *type, *header, *body;
	int status;
	const char *title, *content;
};

static const struct row rows[] = {
	/* GET: the query */
	{ "/d?title=T&content=C", NULL, NULL, NULL, 200, "T", "C" },
	{ "/d?title=T&content=C", "image/png", NULL, NULL, 200, "T", "C" },
	{ "/d?content=a+b%20c%2B&x=y", NULL, NULL, NULL, 200, "", "a b c+" },
	{ "/d?title=1&title=2", NULL, NULL, NULL, 200, "1", "" },
	{ "/d?title=100%&content=%zz", NULL, NULL, NULL, 200, "100%", "%zz" },
	{ "/d?title=%ff&content=%00", NULL, NULL, NULL, 200, FFFD, FFFD },
	{ "/d?title=a?b#c&content=d", NULL, NULL, NULL, 200, "a?b", "" },
	{ "/d?content=C", NULL, "H", NULL, 200, "H", "C" },
	{ "/d?title=&content=C", NULL, "H", NULL, 200, "", "C" },
	{ "/d", NULL, "H", NULL, 200, "H", "" },
	{ "/d", NULL, "\xff", NULL, 200, FFFD, "" },
	{ "/d", NULL, NULL, NULL, 400, NULL, NULL },
	{ "/d?", NULL, "", NULL, 400, NULL, NULL },
	{ "/d?title=&content=", NULL, NULL, NULL, 400, NULL, NULL },
	{ "/d#?title=T", NULL, NULL, NULL, 400, NULL, NULL },

	/* form: the body, what it lacks the query */
	{ "/d", FORM, NULL, "title=T&content=a+b%2B", 200, "T", "a b+" },
	{ "/d?title=Q&content=R", FORM, NULL, "content=C", 200, "Q", "C" },
	{ "/d?title=Q", FORM, NULL, "title=&content=C", 200, "", "C" },
	{ "/d?title=Q", FORM, "H", "content=C", 200, "Q", "C" },
	{ "/d", FORM, "H", "content=C", 200, "H", "C" },
	{ "/d", FORM "; charset=x", NULL, "title=T", 200, "T", "" },
	{ "/d", "Application/X-WWW-Form-URLencoded", NULL, "title=T", 200, "T",
	    "" },
	{ "/d", FORM, NULL, "content=1&content=2", 200, "", "1" },
	{ "/d", FORM, NULL, "x=y", 400, NULL, NULL },
	{ "/d?content=C", FORM, NULL, "x=y", 200, "", "C" },
	{ "/d", FORM, NULL, "some text", 200, "", "some text" },
	{ "/d?title=Q&content=R", FORM, NULL, "a+b%20&\xff", 200, "Q",
	    "a+b%20&" FFFD },

	/* JSON */
	{ "/d", JSON, NULL, "{\"title\":\"T\",\"content\":\"C\"}", 200, "T",
	    "C" },
	{ "/d?title=Q", JSON, "H", "{\"content\":1.50}", 200, "Q", "1.50" },
	{ "/d?title=Q&content=R", JSON "; charset=utf-8", NULL,
	    "{\"title\":null}", 200, "", "R" },
	{ "/d?title=Q", JSON, NULL, "{\"content\":{\"a\": [true]}}", 200, "Q",
	    "{\"a\":[true]}" },
	{ "/d", "APPLICATION/JSON", NULL, "{\"title\":\"\xff\\u0000\"}", 200,
	    FFFD FFFD, "" },
	{ "/d?title=Q", JSON, NULL, "[1]", 200, "Q", "" },
	{ "/d", JSON, NULL, "null", 400, NULL, NULL },
	{ "/d", JSON, NULL, "{\"title\":\"\"}", 400, NULL, NULL },
	{ "/d?title=Q", JSON, NULL, "{\"title\":", 400, NULL, NULL },

	/* multipart */
	{ "/d?title=Q", MULTIPART, NULL,
	    PART("\"title\"") "T\r\n" PART("\"content\"") "C\r\n--b--\r\n", 200,
	    "T", "C" },
	{ "/d?title=Q", MULTIPART, NULL, PART("content") "C\r\n--b--\r\n", 200,
	    "Q", "C" },
	{ "/d", MULTIPART, NULL, PART("title") "T", 400, NULL, NULL },
	{ "/d", "multipart/form-data", NULL, "--b--", 400, NULL, NULL },

	/* text or no type: the body is the content */
	{ "/d", NULL, "H", "title=a", 200, "H", "title=a" },
	{ "/d", "", "H", "C", 200, "H", "C" },
	{ "/d", ";charset=utf-8", NULL, "C", 200, "", "C" },
	{ "/d?title=Q&content=R", "text/plain; charset=latin1", "H",
	    "a+%41\xff", 200, "Q", "a+%41" FFFD },
	{ "/d", "\ttext/PLAIN ;x", NULL, "C\r\n", 200, "", "C\r\n" },

	/* no body: only the query, whatever the type */
	{ "/d?content=R", "text/plain", NULL, "", 200, "", "R" },
	{ "/d?content=R", JSON, NULL, "", 200, "", "R" },
	{ "/d?content=R", MULTIPART, NULL, "", 200, "", "R" },
	{ "/d?content=R", "image/png", NULL, "", 200, "", "R" },
	{ "/d", "text/plain", NULL, "", 400, NULL, NULL },

	/* types that are not in the table */
	{ "/d?content=R", "image/png", NULL, "x", 415, NULL, NULL },
	{ "/d", "application/jsonx", NULL, "{}", 415, NULL, NULL },
	{ "/d", "text/html", NULL, "x", 415, NULL, NULL },
	{ "/d", "text", NULL, "x", 415, NULL, NULL },

	/* impossible ids */
	{ "/", NULL, "H", "C", 404, NULL, NULL },
	{ "/?title=T", NULL, NULL, NULL, 404, NULL, NULL },
	{ "/-/x?title=T", NULL, NULL, NULL, 404, NULL, NULL },
	{ "*", NULL, "H", NULL, 404, NULL, NULL },
};

static void
check_row(const struct row *row)
{
	struct push_request r = {
		.target = row->target,
		.content_type = row->type,
		.title = row->header,
		.body = row->body,
		.body_len = row->body != NULL ? strlen(row->body) : 0,
		.max_message = 4096,
		.max_webhook = 4096,
	};
	struct push p;

	push_parse(&r, &p);
	if (p.status != row->status)
		print_message("%s %s %s\n", row->target,
		    row->type ? row->type : "-", row->body ? row->body : "-");
	assert_int_equal(p.status, row->status);
	if (p.status == 200) {
		assert_null(p.error);
		assert_string_equal(p.to.id, "d");
		assert_int_equal(p.to.id_len, 1);
		assert_string_equal(p.title, row->title);
		assert_int_equal(p.title_len, strlen(row->title));
		assert_string_equal(p.content, row->content);
		assert_int_equal(p.content_len, strlen(row->content));
	} else {
		assert_true(p.error != NULL && strlen(p.error) > 0);
		assert_null(p.title);
		assert_null(p.content);
	}
	push_free(&p);
	assert_null(p.title);
}

static void
test_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

/* A body need not end in a NUL, and may have one. */
static void
test_binary(void **state)
{
	char body[] = { 'a', '\0', 'b' };
	struct push_request r = { .target = "/d",
		.body = body,
		.body_len = sizeof(body),
		.max_message = 99 };
	struct push p;

	(void)state;
	push_parse(&r, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(p.content, "a" FFFD "b");
	push_free(&p);
}

static int
status_of(const char *target, const char *type, const char *body, size_t max)
{
	struct push_request r = {
		.target = target,
		.content_type = type,
		.body = body,
		.body_len = strlen(body),
		.max_message = max,
		.max_webhook = 200,
	};
	struct push p;

	push_parse(&r, &p);
	push_free(&p);
	return p.status;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(status_of("/d", NULL, "12345", 5), 200);
	assert_int_equal(status_of("/d", NULL, "12345", 4), 413);
	assert_int_equal(status_of("/d?title=1", NULL, "1234", 5), 200);
	assert_int_equal(status_of("/d?title=12", NULL, "1234", 5), 413);
	assert_int_equal(status_of("/d?title=123456", NULL, "", 5), 413);
	assert_int_equal(status_of("/d?title=%31%32%33%34%35", NULL, "", 5),
	    200);
	/* U+FFFD counts with its three bytes. */
	assert_int_equal(status_of("/d", NULL, "\xff\xff", 5), 413);
	/* The size of the body counts, not only what is taken from it. */
	assert_int_equal(status_of("/d", FORM, "title=1", 6), 413);
	/* What the body overrides does not. */
	assert_int_equal(status_of("/d?title=12345678", FORM, "title=1", 7),
	    200);
}

static void
check_id(const char *target, const char *want)
{
	char id[PROTO_ID_MAX + 1];
	const char *fault;
	size_t len;

	fault = push_parse_id(target, id, &len);
	assert_int_equal(fault == NULL, want != NULL);
	assert_int_equal(len, want != NULL ? strlen(want) : 0);
	assert_string_equal(id, want != NULL ? want : "");
}

static void
test_ids(void **state)
{
	(void)state;
	check_id("/test", "test");
	check_id("/a/", "a/");
	check_id("//x", "/x");
	check_id("/a%2fb%20c+d", "a/b c+d");
	check_id("/100%", "100%");
	check_id("/%zz%4", "%zz%4");
	check_id("/%25%34%31", "%41");
	check_id("/%e4%bd%a0\xe4\xbd\xa0", "\xe4\xbd\xa0\xe4\xbd\xa0");
	check_id("/a?b=c", "a");
	check_id("/a#b?c", "a");
	check_id("/a%3Fb%23", "a?b#");
	check_id("http://host:1/a?b", "a");
	check_id("HTTP+x://u@[::1]//a", "/a");
	check_id("/http://x", "http://x");
}

static void
test_bad_ids(void **state)
{
	(void)state;
	check_id("", NULL);
	check_id("/", NULL);
	check_id("/?a", NULL);
	check_id("/#a", NULL);
	check_id("http://host", NULL);
	check_id("http://host?a/b", NULL);
	check_id("*", NULL);
	check_id("a", NULL);
	check_id("://x/a", NULL);
	check_id("/%ff", NULL);
	check_id("/%00", NULL);
	check_id("/a%0a", NULL);
	check_id("/%c2%80", NULL);
	check_id("/-/", NULL);
	check_id("/%2d%2Fhealthy", NULL);
}

static void
test_long_ids(void **state)
{
	char id[PROTO_ID_MAX + 1], target[3 * PROTO_ID_MAX + 8] = "/";
	size_t i, len;

	(void)state;
	for (i = 0; i < PROTO_ID_MAX; i++)
		memcpy(target + 1 + 3 * i, "%78", 4);
	assert_null(push_parse_id(target, id, &len));
	assert_int_equal(len, PROTO_ID_MAX);
	assert_true(id[0] == 'x' && id[PROTO_ID_MAX - 1] == 'x');
	strcat(target, "y");
	assert_non_null(push_parse_id(target, id, &len));
	memset(target + 1, 'x', PROTO_ID_MAX + 1);
	target[PROTO_ID_MAX + 2] = '\0';
	assert_non_null(push_parse_id(target, id, &len));
	target[PROTO_ID_MAX + 1] = '\0';
	assert_null(push_parse_id(target, id, &len));
}

/* Parse, with a Priority: header or NULL. */
static void
parse(struct push *p, const char *target, const char *type, const char *body,
    const char *priority)
{
	struct push_request r = {
		.target = target,
		.content_type = type,
		.priority = priority,
		.body = body,
		.body_len = body != NULL ? strlen(body) : 0,
		.max_message = 1000,
		.max_webhook = 100000,
	};

	push_parse(&r, p);
}

static int
priority_of(const char *target, const char *type, const char *body,
    const char *header)
{
	struct push p;

	parse(&p, target, type, body, header);
	assert_int_equal(p.status, 200);
	push_free(&p);
	return p.priority;
}

static void
test_priority(void **state)
{
	(void)state;
	assert_int_equal(priority_of("/d?title=t", NULL, NULL, NULL), 0);
	assert_int_equal(priority_of("/d?title=t&priority=1", NULL, NULL, NULL),
	    1);
	assert_int_equal(priority_of("/d?title=t&priority=5", NULL, NULL, "2"),
	    5);
	assert_int_equal(priority_of("/d?title=t", NULL, NULL, "2"), 2);
	assert_int_equal(priority_of("/d", FORM, "content=c&priority=3", "2"),
	    3);
	assert_int_equal(priority_of("/d?priority=1", JSON,
			     "{\"content\":\"c\",\"priority\":4}", NULL),
	    4);
	/* What is no priority says nothing. */
	assert_int_equal(priority_of("/d?title=t&priority=0", NULL, NULL, NULL),
	    0);
	assert_int_equal(priority_of("/d?title=t&priority=6", NULL, NULL, NULL),
	    0);
	assert_int_equal(priority_of("/d?title=t&priority=12", NULL, NULL,
			     NULL),
	    0);
	assert_int_equal(priority_of("/d?title=t&priority=high", NULL, NULL,
			     NULL),
	    0);
}

static void
test_url_and_tags(void **state)
{
	char target[3000];
	struct push p;

	(void)state;
	parse(&p, "/d?title=t&url=https://x/&tags=a,b", NULL, NULL, NULL);
	assert_string_equal(p.url, "https://x/");
	assert_string_equal(p.tags, "a,b");
	push_free(&p);
	parse(&p, "/d?title=t&url=&tags=", NULL, NULL, NULL);
	assert_int_equal(p.status, 200);
	assert_null(p.url);
	assert_null(p.tags);
	push_free(&p);
	snprintf(target, sizeof(target), "/d?title=t&tags=%0256d", 0);
	assert_int_equal(status_of(target, NULL, "", 100), 413);
	snprintf(target, sizeof(target), "/d?title=t&url=%02049d", 0);
	assert_int_equal(status_of(target, NULL, "", 100), 413);
}

static uint64_t
collapse_of(const char *target, const char *type, const char *body)
{
	struct push p;

	parse(&p, target, type, body, NULL);
	assert_int_equal(p.status, 200);
	push_free(&p);
	return p.collapse;
}

#define ALERT                                                                  \
	"{\"version\":\"4\",\"groupKey\":\"k\",\"status\":\"firing\","         \
	"\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":"        \
	"\"Down\","                                                            \
	"\"severity\":\"critical\"}}]"

static void
test_manner_of_answering(void **state)
{
	struct push p;

	(void)state;
	parse(&p, "/d?title=t", NULL, NULL, NULL);
	assert_false(p.no_wait || p.require_ack);
	push_free(&p);
	parse(&p, "/d?title=t&wait=0", NULL, NULL, NULL);
	assert_true(p.no_wait && !p.require_ack);
	push_free(&p);
	parse(&p, "/d?require=ack", JSON, ALERT "}", NULL);
	assert_true(!p.no_wait && p.require_ack);
	push_free(&p);
	parse(&p, "/d?title=t&wait=1&require=x", NULL, NULL, NULL);
	assert_int_equal(p.status, 200);
	assert_false(p.no_wait || p.require_ack);
	push_free(&p);
	parse(&p, "/d?title=t&wait=0&require=ack", NULL, NULL, NULL);
	assert_int_equal(p.status, 400);
	push_free(&p);
}

static void
test_collapse_key(void **state)
{
	/* On disk it means the same for ever. */
	const uint64_t disk = UINT64_C(0xa650d2aef36d90ce);
	char target[600];

	(void)state;
	assert_int_equal(collapse_of("/d?title=t", NULL, NULL), 0);
	assert_int_equal(collapse_of("/d?title=t&key=", NULL, NULL), 0);
	assert_int_equal(collapse_of("/d?title=t&key=disk", NULL, NULL), disk);
	assert_int_equal(collapse_of("/d?key=x", FORM, "title=t&key=disk"),
	    disk);
	assert_int_equal(collapse_of("/d?key=x", JSON,
			     "{\"title\":\"t\",\"key\":\"disk\"}"),
	    disk);
	assert_int_not_equal(collapse_of("/d?title=t&key=disk2", NULL, NULL),
	    disk);
	/* A webhook's own, unless the query names one, or none. */
	assert_int_equal(collapse_of("/d", JSON, ALERT "}"),
	    collapse_of("/d?title=t&key=k", NULL, NULL));
	assert_int_equal(collapse_of("/d", JSON, ALERT ",\"key\":\"disk\"}"),
	    collapse_of("/d?title=t&key=k", NULL, NULL));
	assert_int_equal(collapse_of("/d?key=disk", JSON, ALERT "}"), disk);
	assert_int_equal(collapse_of("/d?key=", JSON, ALERT "}"), 0);
	snprintf(target, sizeof(target), "/d?title=t&key=%0513d", 0);
	assert_int_equal(status_of(target, NULL, "", 100), 413);
}

static void
test_webhooks(void **state)
{
	char large[5000];
	struct push p;

	(void)state;
	parse(&p, "/d", JSON, ALERT "}", NULL);
	assert_int_equal(p.status, 200);
	assert_string_equal(p.shape, "alertmanager");
	assert_string_equal(p.title, "[FIRING:1] Down (critical)");
	assert_int_equal(p.priority, 5);
	push_free(&p);

	/* A body larger than a message may be one, and is rendered within. */
	snprintf(large, sizeof(large), ALERT ",\"x\":\"%04000d\"}", 0);
	parse(&p, "/d", JSON, large, NULL);
	assert_int_equal(p.status, 200);
	assert_string_equal(p.shape, "alertmanager");
	assert_true(p.title_len + p.content_len <= 1000);
	push_free(&p);

	/* But not if it is a message. */
	snprintf(large, sizeof(large), "{\"content\":\"c\",\"x\":\"%04000d\"}",
	    0);
	parse(&p, "/d", JSON, large, NULL);
	assert_int_equal(p.status, 413);
	push_free(&p);
	assert_int_equal(status_of("/d", JSON, large, 100), 413);

	/* Any other object is shown as it is; the query has its title. */
	parse(&p, "/d?title=Build", JSON, "{\"branch\":\"main\"}", NULL);
	assert_string_equal(p.shape, "json");
	assert_string_equal(p.title, "Build");
	assert_string_equal(p.content, "{\n  \"branch\": \"main\"\n}");
	push_free(&p);

	/* A push is what it always was. */
	parse(&p, "/d", JSON, "{\"content\":\"\",\"alerts\":[1]}", NULL);
	assert_int_equal(p.status, 400);
	push_free(&p);
	parse(&p, "/d?content=c", JSON, "{\"title\":\"t\"}", NULL);
	assert_string_equal(p.shape, "none");
	assert_string_equal(p.title, "t");
	assert_string_equal(p.content, "c");
	push_free(&p);
	/* Also when jansson cannot hold its numbers. */
	parse(&p, "/d", JSON, "{\"title\":\"t\",\"x\":1e999}", NULL);
	assert_int_equal(p.status, 200);
	push_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_collapse_key),
		cmocka_unit_test(test_url_and_tags),
		cmocka_unit_test(test_manner_of_answering),
		cmocka_unit_test(test_webhooks),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_bad_ids),
		cmocka_unit_test(test_long_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
