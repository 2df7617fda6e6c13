/* SPDX-License-Identifier: ISC */
/* Input: a JSON body.  Whatever it is, the message is one that can be sent. */
#include "config.h"

#include "hook.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "hook_text.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const size_t limits[] = { 0, 1, 7, 40, 133, 500, 2000, 65536 };

static void
check_clean(const char *text, size_t len)
{
	CHECK(text != NULL && strlen(text) == len && utf8_valid(text, len));
}

static void
check_optional(const char *text, size_t max)
{
	if (text == NULL)
		return;
	check_clean(text, strlen(text));
	CHECK(*text != '\0' && strlen(text) <= max);
}

static size_t
count_chars(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
check_result(const struct hook_result *r, size_t max)
{
	if (strcmp(r->shape, "none") == 0) {
		CHECK(r->title == NULL && r->content == NULL);
		CHECK(r->url == NULL && r->tags == NULL && r->key == NULL);
		return;
	}
	check_clean(r->title, r->title_len);
	check_clean(r->content, r->content_len);
	CHECK(r->title_len <= max && r->content_len <= max - r->title_len);
	CHECK(count_chars(r->title) <= HOOK_TITLE_CHARS);
	CHECK(strpbrk(r->title, "\r\n\t") == NULL);
	CHECK(r->title_len + r->content_len > 0 || max == 0);
	CHECK(r->priority >= 0 && r->priority <= 5);
	check_optional(r->url, HOOK_URL_MAX);
	check_optional(r->tags, 255);
	check_optional(r->key, 512);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct hook_severity severities[] = { { "p1", 5 },
		{ "critical", 1 } };
	struct hook_options opt = { .title = "\xc3\xbc",
		.title_len = 2,
		.severities = severities,
		.severity_count = 2 };
	struct hook_result r;
	uint64_t hash = 0;
	json_t *body;
	size_t i;

	body = json_loadb((const char *)data, len,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (body == NULL)
		return 0;
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		opt.max_bytes = limits[i];
		CHECK(hook_render(body, &opt, &r) == 0);
		CHECK(strcmp(r.shape, hook_recognise(body)) == 0);
		check_result(&r, limits[i]);
		CHECK(i == 0 || hash == r.dedup_key);
		hash = r.dedup_key;
		hook_result_done(&r);
		opt.title = i % 2 == 0 ? NULL : "\xc3\xbc";
		opt.title_len = i % 2 == 0 ? 0 : 2;
	}
	json_decref(body);
	return 0;
}
