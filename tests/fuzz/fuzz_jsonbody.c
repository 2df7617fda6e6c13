/* SPDX-License-Identifier: ISC */
/* Input: a JSON body.  What is read from it must be what jansson reads. */
#include "config.h"

#include "jsonbody.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fields.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_clean(const struct field *f)
{
	if (f->text == NULL)
		return;
	CHECK(utf8_valid(f->text, f->len) && f->text[f->len] == '\0');
	CHECK(memchr(f->text, '\0', f->len) == NULL);
}

static void
check_value(const struct field *f, const json_t *value)
{
	json_t *again;

	CHECK((f->text == NULL) == (value == NULL));
	if (value == NULL)
		return;
	if (json_is_null(value)) {
		CHECK(f->len == 0);
	} else if (json_is_string(value)) {
		CHECK(f->len == json_string_length(value));
		CHECK(memcmp(f->text, json_string_value(value), f->len) == 0);
	} else {
		again = json_loadb(f->text, f->len, JSON_DECODE_ANY, NULL);
		CHECK(json_equal(again, value));
		json_decref(again);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fields fs = { .title = { NULL, 0 } };
	char *body = malloc(len > 0 ? len : 1);
	json_t *root;
	int r;

	CHECK(body != NULL);
	memcpy(body, data, len);
	r = jsonbody_parse(body, len, &fs);
	check_clean(&fs.title);
	check_clean(&fs.content);
	/*
	 * Without repeated names: jansson keeps the last, we the first.  And
	 * without NUL, which jansson passes over behind a number.
	 */
	root = NULL;
	if (memchr(body, '\0', len) == NULL)
		root = json_loadb(body, len,
		    JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (root != NULL) {
		CHECK(r == 0);
		check_value(&fs.title, json_object_get(root, "title"));
		check_value(&fs.content, json_object_get(root, "content"));
		json_decref(root);
	}
	fields_free(&fs);
	free(body);
	return 0;
}
