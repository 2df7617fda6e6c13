/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "proto.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "message.h"
#include "utf8.h"

#define PROTO_LOGIN_HEAD "{\"cmd\":\"LOGIN\",\"data\":{\"name\":\""
#define PROTO_LOGIN_TAIL "\"}}"
#define PROTO_REPLY_HEAD "{\"cmd\":\"SENDMSG_CB\",\"data\":{\"midList\":[\""
#define PROTO_REPLY_TAIL "\"]}}"
#define PROTO_REPLY_NEXT "\",\""
#define PROTO_EXACT_REAL 9007199254740992.0 /* 2^53 */

/* ID is valid UTF-8. */
static bool
proto_has_control(const char *id, size_t len)
{
	const unsigned char *s = (const unsigned char *)id;
	size_t i;

	for (i = 0; i < len; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f)
			return true;
		if (s[i] == 0xc2 && s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

const char *
proto_id_fault(const char *id, size_t len)
{
	if (len == 0)
		return "a device id cannot be empty";
	if (len > PROTO_ID_MAX)
		return "a device id cannot be longer than 256 bytes";
	if (!utf8_valid(id, len))
		return "a device id must be valid UTF-8";
	if (proto_has_control(id, len))
		return "a device id cannot have control characters";
	if (len >= 2 && memcmp(id, "-/", 2) == 0)
		return "device ids that begin with -/ are reserved";
	return NULL;
}

size_t
proto_login(char *out, const char *id, size_t len)
{
	size_t n = strlen(PROTO_LOGIN_HEAD);

	CHECK(len <= PROTO_ID_MAX);
	memcpy(out, PROTO_LOGIN_HEAD, n);
	n += message_escape(out + n, id, len);
	memcpy(out + n, PROTO_LOGIN_TAIL, strlen(PROTO_LOGIN_TAIL));
	return n + strlen(PROTO_LOGIN_TAIL);
}

size_t
proto_auth(char *out, size_t size, int code, const char *msg)
{
	int n;

	n = snprintf(out, size,
	    "{\"cmd\":\"AUTH\",\"data\":{\"code\":%d,\"msg\":\"%s\"}}", code,
	    msg);
	CHECK(n > 0 && (size_t)n < size);
	return (size_t)n;
}

/*
 * Read digits as a mid is written: no sign, no leading zero, at most
 * UINT64_MAX.  Returns how many there are, 0 when they are no mid.
 */
static size_t
proto_read_mid(const char *text, size_t len, uint64_t *mid)
{
	uint64_t value = 0;
	size_t n;

	for (n = 0; n < len && text[n] >= '0' && text[n] <= '9'; n++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[n] - '0'),
			&value))
			return 0;
	}
	if (n > 1 && text[0] == '0')
		return 0;
	*mid = value;
	return n;
}

static bool
proto_take(const char **at, const char *end, const char *what, size_t len)
{
	if ((size_t)(end - *at) < len || memcmp(*at, what, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Mids up to the tail; their count, or 0 when the text deviates. */
static size_t
proto_read_canonical(const char *at, const char *end, uint64_t *mids)
{
	size_t digits, n = 0;

	do {
		digits = proto_read_mid(at, (size_t)(end - at), &mids[n]);
		if (digits == 0)
			return 0;
		at += digits;
		n++;
	} while (
	    proto_take(&at, end, PROTO_REPLY_NEXT, strlen(PROTO_REPLY_NEXT)));
	if (!proto_take(&at, end, PROTO_REPLY_TAIL, strlen(PROTO_REPLY_TAIL)))
		return 0;
	return at == end ? n : 0;
}

/*
 * What every known client sends, without the cost of a JSON tree.  Returns 0
 * for whatever is not exactly that.
 */
static size_t
proto_parse_canonical(const char *text, size_t len, uint64_t **mids)
{
	const char *at = text, *end = text + len, *p;
	size_t n = 1;

	if (!proto_take(&at, end, PROTO_REPLY_HEAD, strlen(PROTO_REPLY_HEAD)))
		return 0;
	for (p = at; p < end; p++)
		n += *p == ',';
	*mids = malloc(n * sizeof(**mids));
	if (*mids == NULL)
		return 0;
	n = proto_read_canonical(at, end, *mids);
	if (n == 0) {
		free(*mids);
		*mids = NULL;
	}
	return n;
}

static bool
proto_json_mid(const json_t *value, uint64_t *mid)
{
	size_t len = json_string_length(value);
	double real;

	if (json_is_string(value))
		return len > 0 && proto_read_mid(json_string_value(value), len,
				      mid) == len;
	if (json_is_integer(value)) {
		*mid = (uint64_t)json_integer_value(value);
		return json_integer_value(value) >= 0;
	}
	/* From 2^53 on a real may be the neighbour of what was written. */
	real = json_real_value(value);
	if (!json_is_real(value) || !(real >= 0 && real < PROTO_EXACT_REAL))
		return false;
	*mid = (uint64_t)real;
	return (double)*mid == real;
}

static json_t *
proto_load(const char *text, size_t len)
{
	size_t flags = JSON_ALLOW_NUL;
	json_error_t error;
	json_t *root;

	root = json_loadb(text, len, flags, &error);
	/* One number beyond 64 bits must not cost the other mids. */
	if (root == NULL &&
	    json_error_code(&error) == json_error_numeric_overflow)
		root = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL,
		    &error);
	return root;
}

static size_t
proto_collect(const json_t *list, uint64_t **mids)
{
	size_t i, n = 0, size = json_array_size(list);

	if (size == 0)
		return 0;
	*mids = calloc(size, sizeof(**mids));
	if (*mids == NULL)
		return 0;
	for (i = 0; i < size; i++)
		n += proto_json_mid(json_array_get(list, i), &(*mids)[n]);
	if (n == 0) {
		free(*mids);
		*mids = NULL;
	}
	return n;
}

static size_t
proto_parse_json(const char *text, size_t len, uint64_t **mids)
{
	json_t *root = proto_load(text, len);
	const char *cmd = json_string_value(json_object_get(root, "cmd"));
	size_t n = 0;

	if (cmd != NULL && strcmp(cmd, "SENDMSG_CB") == 0)
		n = proto_collect(json_object_get(json_object_get(root, "data"),
				      "midList"),
		    mids);
	json_decref(root);
	return n;
}

size_t
proto_parse_reply(const char *text, size_t len, uint64_t **mids)
{
	size_t n;

	*mids = NULL;
	n = proto_parse_canonical(text, len, mids);
	return n > 0 ? n : proto_parse_json(text, len, mids);
}
