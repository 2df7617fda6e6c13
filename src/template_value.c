/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "template_impl.h"

#define TEMPLATE_INDEX_DIGITS 9

struct template_value
template_value_nothing(void)
{
	struct template_value v = { TEMPLATE_IS_NOTHING, NULL, "", 0, 0 };

	return v;
}

struct template_value
template_value_text(const char *s, size_t len)
{
	struct template_value v = { TEMPLATE_IS_TEXT, NULL, s, len, 0 };

	return v;
}

struct template_value
template_value_integer(json_int_t n)
{
	struct template_value v = { TEMPLATE_IS_INTEGER, NULL, "", 0, n };

	return v;
}

struct template_value
template_value_boolean(bool is)
{
	struct template_value v = { TEMPLATE_IS_BOOLEAN, NULL, "", 0, is };

	return v;
}

static struct template_value
template_value_json(enum template_kind kind, const json_t *json)
{
	struct template_value v = { kind, json, "", 0, 0 };

	return v;
}

struct template_value
template_value_of(const json_t *json)
{
	if (json == NULL)
		return template_value_nothing();
	switch (json_typeof(json)) {
	case JSON_STRING:
		return template_value_text(json_string_value(json),
		    json_string_length(json));
	case JSON_INTEGER:
		return template_value_integer(json_integer_value(json));
	case JSON_REAL:
		return template_value_json(TEMPLATE_IS_REAL, json);
	case JSON_TRUE:
	case JSON_FALSE:
		return template_value_boolean(json_is_true(json));
	case JSON_ARRAY:
		return template_value_json(TEMPLATE_IS_ARRAY, json);
	case JSON_OBJECT:
		return template_value_json(TEMPLATE_IS_OBJECT, json);
	case JSON_NULL:
		break;
	}
	return template_value_nothing();
}

bool
template_value_true(const struct template_value *v)
{
	switch (v->kind) {
	case TEMPLATE_IS_TEXT:
		return v->len > 0;
	case TEMPLATE_IS_INTEGER:
	case TEMPLATE_IS_BOOLEAN:
		return v->number != 0;
	case TEMPLATE_IS_REAL:
		return json_real_value(v->json) < 0 ||
		       json_real_value(v->json) > 0;
	case TEMPLATE_IS_ARRAY:
		return json_array_size(v->json) > 0;
	case TEMPLATE_IS_OBJECT:
		return json_object_size(v->json) > 0;
	case TEMPLATE_IS_NOTHING:
		break;
	}
	return false;
}

/* The number that LEN bytes of digits are; -1 when they are none. */
static json_int_t
template_value_digits(const char *s, size_t len)
{
	json_int_t n = 0;
	size_t i;

	if (len == 0 || len > TEMPLATE_INDEX_DIGITS)
		return -1;
	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	return n;
}

struct template_value
template_value_element(const struct template_value *v, json_int_t index)
{
	if (v->kind != TEMPLATE_IS_ARRAY || index < 0)
		return template_value_nothing();
	return template_value_of(json_array_get(v->json, (size_t)index));
}

struct template_value
template_value_member(const struct template_value *v, const char *key,
    size_t len)
{
	if (v->kind == TEMPLATE_IS_OBJECT)
		return template_value_of(json_object_getn(v->json, key, len));
	return template_value_element(v, template_value_digits(key, len));
}

void
template_value_put(struct template_run *run, struct hook_text *out,
    const struct template_value *v)
{
	size_t before = out->len;

	switch (v->kind) {
	case TEMPLATE_IS_TEXT:
		hook_text_put(out, v->s, v->len);
		break;
	case TEMPLATE_IS_INTEGER:
		hook_text_printf(out, "%" JSON_INTEGER_FORMAT, v->number);
		break;
	case TEMPLATE_IS_BOOLEAN:
		hook_text_puts(out, v->number != 0 ? "true" : "false");
		break;
	case TEMPLATE_IS_REAL:
	case TEMPLATE_IS_ARRAY:
	case TEMPLATE_IS_OBJECT:
		hook_text_value(out, v->json, HOOK_BLOCK, SIZE_MAX);
		break;
	case TEMPLATE_IS_NOTHING:
		break;
	}
	(void)template_run_scan(run, out->len - before);
}

struct template_value
template_value_as_text(struct template_run *run, const struct template_value *v)
{
	struct hook_text t;

	if (v->kind == TEMPLATE_IS_TEXT)
		return *v;
	if (v->kind == TEMPLATE_IS_NOTHING)
		return template_value_text("", 0);
	template_run_begin(&t);
	template_value_put(run, &t, v);
	return template_run_end(run, &t);
}

/* jansson's iterators are not for what is const, though they change nothing. */
static json_t *
template_value_unconst(const json_t *object)
{
	return (json_t *)(uintptr_t)object;
}

void *
template_value_iterate(const json_t *object)
{
	return json_object_iter(template_value_unconst(object));
}

void *
template_value_iterate_next(const json_t *object, void *it)
{
	return json_object_iter_next(template_value_unconst(object), it);
}
