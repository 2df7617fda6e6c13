/* SPDX-License-Identifier: ISC */
/*
 * Input: a template, and behind the first U+0000 byte a JSON body for it.
 * Whatever they are, there is a fault with a place in the template, or a text
 * that can be sent.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "hook_text.h"
#include "template.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const size_t limits[] = { 0, 1, 40, 1000, 100000 };

/* What every template meets: each type, under the names that sources use. */
static const char body[] =
    "{\"status\":\"firing\",\"alerts\":[{\"labels\":{\"alertname\":\"A b\","
    "\"severity\":\"page\"},\"annotations\":{\"summary\":\"\xc3\xbc\\u0000\"},"
    "\"value\":1.5},{\"labels\":{},\"value\":-3}],\"a\":\" text \",\"n\":7,"
    "\"t\":true,\"f\":false,\"z\":null,\"o\":{\"b\":{\"c\":[]},\"a\":\"1\"},"
    "\"l\":[1,\"2\",[3],{}]}";

static unsigned int
count_lines(const char *text, size_t len)
{
	unsigned int n = 1;

	for (; len > 0; len--)
		n += *text++ == '\n';
	return n;
}

static void
check_fault(const struct template_fault *f, const char *source, size_t len)
{
	CHECK(errno == EINVAL);
	CHECK(f->line >= 1 && f->line <= count_lines(source, len));
	CHECK(f->column >= 1 && f->column <= len + 1);
	CHECK(strnlen(f->text, sizeof(f->text)) < sizeof(f->text));
	CHECK(*f->text != '\0' && utf8_valid(f->text, strlen(f->text)));
}

/* Render with little and much room: the one is what the other begins with. */
static void
render(const struct template *t, const json_t *data)
{
	struct hook_text out, last;
	size_t i;
	int r = 0;

	hook_text_init(&last, 0, 0);
	for (i = 0; r == 0 && i < sizeof(limits) / sizeof(limits[0]); i++) {
		hook_text_init(&out, limits[i], limits[i]);
		r = template_render(t, data, &out);
		CHECK(r == 0 || errno == E2BIG);
		CHECK(out.len <= limits[i] && utf8_valid(out.buf, out.len));
		CHECK(out.len == 0 || memchr(out.buf, 0, out.len) == NULL);
		CHECK(r != 0 || out.len >= last.len);
		CHECK(r != 0 || last.len == 0 ||
		      memcmp(out.buf, last.buf, last.len) == 0);
		hook_text_done(&last);
		last = out;
	}
	hook_text_done(&last);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *source = (const char *)data;
	const uint8_t *nul = len > 0 ? memchr(data, 0, len) : NULL;
	size_t source_len = nul != NULL ? (size_t)(nul - data) : len;
	struct template_fault fault;
	struct template *t;
	json_t *fixed, *own = NULL;

	t = template_compile(source, source_len, &fault);
	if (t == NULL) {
		check_fault(&fault, source, source_len);
		return 0;
	}
	fixed = json_loads(body, JSON_ALLOW_NUL, NULL);
	CHECK(fixed != NULL);
	if (nul != NULL)
		own = json_loadb((const char *)nul + 1, len - source_len - 1,
		    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	render(t, fixed);
	render(t, own);
	json_decref(fixed);
	json_decref(own);
	template_free(&t);
	return 0;
}
