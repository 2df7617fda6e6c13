/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"

#define HEAD "{\"cmd\":\"SENDMSG_CB\",\"data\":{\"midList\":["
#define TAIL "]}}"

struct reply {
	const char *text;
	size_t count;
	uint64_t mids[3];
};

static const struct reply replies[] = {
	/* canonical */
	{ HEAD "\"1557901952810\"" TAIL, 1, { 1557901952810 } },
	{ HEAD "\"1\",\"2\",\"1\"" TAIL, 3, { 1, 2, 1 } },
	{ HEAD "\"0\"" TAIL, 1, { 0 } },
	{ HEAD "\"18446744073709551615\"" TAIL, 1, { UINT64_MAX } },
	/* not quite: the JSON reader takes what is left */
	{ HEAD TAIL, 0, { 0 } },
	{ HEAD "\"18446744073709551616\"" TAIL, 0, { 0 } },
	{ HEAD "\"18446744073709551616\",\"3\"" TAIL, 1, { 3 } },
	{ HEAD "\"99999999999999999999999\"" TAIL, 0, { 0 } },
	{ HEAD "\"01\",\"00\",\"2\"" TAIL, 1, { 2 } },
	{ HEAD "\"\",\"+1\",\"-1\",\" 1\",\"1 \",\"0x1\"" TAIL, 0, { 0 } },
	{ HEAD "\"1\\u0000\",\"4\"" TAIL, 1, { 4 } },
	{ HEAD "\"1\", \"2\"" TAIL, 2, { 1, 2 } },
	{ HEAD "\"\\u0031\"" TAIL, 1, { 1 } },
	{ HEAD "\"1\"" TAIL "\n", 1, { 1 } },
	/* numbers */
	{ HEAD "1557901952810" TAIL, 1, { 1557901952810 } },
	{ HEAD "\"1\",2,3.0" TAIL, 3, { 1, 2, 3 } },
	{ HEAD "1557901952810.0,1e3,2.5" TAIL, 2, { 1557901952810, 1000 } },
	{ HEAD "-1,-1.0,0" TAIL, 1, { 0 } },
	{ HEAD "9223372036854775807" TAIL, 1, { INT64_MAX } },
	{ HEAD "9007199254740991.0" TAIL, 1, { 9007199254740991 } },
	{ HEAD "9007199254740993.0" TAIL, 0, { 0 } },
	{ HEAD "18446744073709551616,5,\"6\"" TAIL, 2, { 5, 6 } },
	{ HEAD "true,null,[7],{\"a\":8},\"9\"" TAIL, 1, { 9 } },
	/* order and spaces */
	{ " { \"data\" : { \"x\" : 1 , \"midList\" : [ \"1\" ] } , "
	  "\"cmd\" : \"SENDMSG_CB\" } ",
	    1, { 1 } },
	/* no confirmation at all */
	{ "", 0, { 0 } },
	{ "ping", 0, { 0 } },
	{ "null", 0, { 0 } },
	{ "[]", 0, { 0 } },
	{ "{}", 0, { 0 } },
	{ "{\"cmd\":\"PING\",\"data\":{\"midList\":[\"1\"]}}", 0, { 0 } },
	{ "{\"cmd\":1,\"data\":{\"midList\":[\"1\"]}}", 0, { 0 } },
	{ "{\"cmd\":\"SENDMSG_CB\",\"data\":[\"1\"]}", 0, { 0 } },
	{ "{\"cmd\":\"SENDMSG_CB\",\"data\":{\"midList\":\"1\"}}", 0, { 0 } },
	{ "{\"cmd\":\"SENDMSG_CB\"}", 0, { 0 } },
	{ HEAD "\"1\"" TAIL "x", 0, { 0 } },
	{ HEAD "\"1\"]}", 0, { 0 } },
	{ HEAD "\"1\",\"\xff\"" TAIL, 0, { 0 } },
};

static void
check_reply(const struct reply *r)
{
	size_t len = strlen(r->text), n;
	uint64_t *mids = (uint64_t *)-1;
	/* No NUL after it: reading on would be seen. */
	char *text = malloc(len > 0 ? len : 1);

	memcpy(text, r->text, len);
	n = proto_parse_reply(text, len, &mids);
	if (n != r->count)
		print_message("reply: %s\n", r->text);
	assert_int_equal(n, r->count);
	if (n == 0)
		assert_null(mids);
	else
		assert_memory_equal(mids, r->mids, n * sizeof(*mids));
	free(mids);
	free(text);
}

static void
test_replies(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		check_reply(&replies[i]);
}

/* No prefix of a reply is one. */
static void
test_truncated(void **state)
{
	static const char text[] = HEAD "\"1\",\"2\"" TAIL;
	uint64_t *mids;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(text) - 1; len++) {
		assert_int_equal(proto_parse_reply(text, len, &mids), 0);
		assert_null(mids);
	}
}

static void
test_many(void **state)
{
	char text[64 * 1024] = HEAD "\"1\"";
	size_t i, n, len = strlen(text);
	uint64_t *mids;

	(void)state;
	for (n = 1; len < sizeof(text) - 16; n++) {
		memcpy(text + len, ",\"2\"", 4);
		len += 4;
	}
	memcpy(text + len, TAIL, 3);
	assert_int_equal(proto_parse_reply(text, len + 3, &mids), n);
	for (i = 0; i < n; i++)
		assert_true(mids[i] == (i == 0 ? 1 : 2));
	free(mids);
}

static void
test_deep(void **state)
{
	size_t len = 60000;
	char *text = malloc(len);
	uint64_t *mids;

	(void)state;
	memset(text, '[', len);
	assert_int_equal(proto_parse_reply(text, len, &mids), 0);
	free(text);
}

static void
test_ids(void **state)
{
	static const char *const good[] = { "a", "a/", "/a", "a b", "-", "-a",
		"a-/b", "%", "\xc2\xa0", "\xc3\xa9", "\xe4\xbd\xa0",
		"\xf0\x9f\x98\x80", "~", "\xef\xbf\xbd" };
	static const char *const bad[] = { "", "-/", "-/healthy", "\n", "a\x1f",
		"\x7f", "a\xc2\x80", "\xc2\x9f", "\xff", "\xc2", "a\xe4\xbd",
		"\xed\xa0\x80", "\xc0\xaf" };
	char max[PROTO_ID_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(proto_id_fault(good[i], strlen(good[i])));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(proto_id_fault(bad[i], strlen(bad[i])));
	assert_non_null(proto_id_fault("a\0b", 3));
	memset(max, 'x', sizeof(max));
	assert_null(proto_id_fault(max, PROTO_ID_MAX));
	assert_non_null(proto_id_fault(max, PROTO_ID_MAX + 1));
}

static void
test_login(void **state)
{
	static const char want[] =
	    "{\"cmd\":\"LOGIN\",\"data\":{\"name\":\"a\\\"\\\\/\xc3\xa9\"}}";
	char out[PROTO_LOGIN_MAX], id[PROTO_ID_MAX];
	size_t n;

	(void)state;
	n = proto_login(out, "a\"\\/\xc3\xa9", 6);
	assert_int_equal(n, sizeof(want) - 1);
	assert_memory_equal(out, want, n);
	memset(id, '"', sizeof(id));
	n = proto_login(out, id, sizeof(id));
	assert_int_equal(n,
	    strlen("{\"cmd\":\"LOGIN\",\"data\":{\"name\":\"\"}}") +
		2 * PROTO_ID_MAX);
	assert_memory_equal(out + n - 5, "\\\"\"}}", 5);
}

static void
test_auth(void **state)
{
	char out[sizeof(PROTO_AUTH_OK)];
	size_t n;

	(void)state;
	n = proto_auth(out, sizeof(out), 200, "Successful authentication");
	assert_int_equal(n, sizeof(PROTO_AUTH_OK) - 1);
	assert_string_equal(out, PROTO_AUTH_OK);
	assert_string_equal(PROTO_AUTH_BAD,
	    "{\"cmd\":\"AUTH\",\"data\":{\"code\":403,"
	    "\"msg\":\"Token invalid\"}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_auth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
