/* SPDX-License-Identifier: ISC */
/* Input: what a device sends, taken as its reply and as its id. */
#include "config.h"

#include "proto.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "message.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A space before it turns the canonical form into any JSON. */
static void
check_reply(const char *text, size_t len)
{
	char *spaced = malloc(len + 1);
	uint64_t *mids, *same;
	size_t n;

	CHECK(spaced != NULL);
	spaced[0] = ' ';
	memcpy(spaced + 1, text, len);
	n = proto_parse_reply(text, len, &mids);
	CHECK((n == 0) == (mids == NULL));
	CHECK(n == proto_parse_reply(spaced, len + 1, &same));
	CHECK(n == 0 || memcmp(mids, same, n * sizeof(*mids)) == 0);
	free(mids);
	free(same);
	free(spaced);
}

static void
check_id(const char *id, size_t len)
{
	char out[PROTO_LOGIN_MAX];
	const char *cmd, *name;
	json_t *root, *value;
	int r;

	if (proto_id_fault(id, len) != NULL)
		return;
	root = json_loadb(out, proto_login(out, id, len), 0, NULL);
	CHECK(root != NULL);
	r = json_unpack(root, "{s:s,s:{s:o}}", "cmd", &cmd, "data", "name",
	    &value);
	CHECK(r == 0 && strcmp(cmd, "LOGIN") == 0);
	name = json_string_value(value);
	CHECK(name != NULL && json_string_length(value) == len);
	CHECK(memcmp(name, id, len) == 0);
	json_decref(root);
}

static void
check_member(const json_t *root, const char *name, const char *text, size_t len)
{
	const json_t *value = json_object_get(root, name);

	CHECK(json_is_string(value) && json_string_length(value) == len);
	CHECK(memcmp(json_string_value(value), text, len) == 0);
}

/* What a device reads from a message is what was put into it. */
static void
check_message(const char *text, size_t len)
{
	char *clean = malloc(3 * len + 1), *line;
	struct message *m;
	const char *inside;
	size_t half, n;
	json_t *root;

	CHECK(clean != NULL);
	len = utf8_clean(clean, text, len);
	for (half = len / 2; half < len && (clean[half] & 0xc0) == 0x80;)
		half++;
	m = message_new(clean, half, clean + half, len - half, 1);
	CHECK(m != NULL);
	inside = message_text(m, &n);
	line = malloc(n + 2);
	CHECK(line != NULL);
	line[0] = '{';
	memcpy(line + 1, inside, n);
	line[n + 1] = '}';
	root = json_loadb(line, n + 2, JSON_ALLOW_NUL, NULL);
	check_member(root, "title", clean, half);
	check_member(root, "content", clean + half, len - half);
	json_decref(root);
	message_unref(&m);
	free(line);
	free(clean);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len > 0 ? len : 1);

	CHECK(text != NULL);
	memcpy(text, data, len);
	check_reply(text, len);
	check_id(text, len);
	check_message(text, len);
	free(text);
	return 0;
}
