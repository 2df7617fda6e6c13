/* SPDX-License-Identifier: ISC */
/*
 * hook_payload - for the tests of the webhooks: renders a text or a file of
 * tests/payloads, and checks what holds for every result.
 * Include after cmocka.h.
 */
#ifndef MPUSHD_HOOK_PAYLOAD_H
#define MPUSHD_HOOK_PAYLOAD_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "utf8.h"

#define PAYLOAD_MAX (1 << 20) /* bytes */

/* Read tests/payloads/NAME.SUFFIX; free() it. */
static inline char *
payload_read(const char *name, const char *suffix)
{
	const char *top = getenv("MPUSHD_SRCDIR");
	char path[512], *text = malloc(PAYLOAD_MAX);
	size_t len;
	FILE *fp;

	snprintf(path, sizeof(path), "%s/tests/payloads/%s.%s",
	    top != NULL ? top : ".", name, suffix);
	fp = fopen(path, "rb");
	if (fp == NULL || text == NULL)
		fail_msg("cannot read %s", path);
	len = fread(text, 1, PAYLOAD_MAX - 1, fp);
	fclose(fp);
	text[len] = '\0';
	return text;
}

static inline void
payload_check_text(const char *text, size_t len)
{
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	assert_true(utf8_valid(text, len));
}

static inline size_t
payload_chars(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Render a JSON text; the result is the caller's to free. */
static inline struct hook_result
payload_render(const char *json, const struct hook_options *opt)
{
	json_error_t error;
	json_t *body = json_loads(json, JSON_ALLOW_NUL, &error);
	struct hook_result r;

	if (body == NULL)
		fail_msg("line %d: %s", error.line, error.text);
	assert_int_equal(hook_render(body, opt, &r), 0);
	assert_string_equal(r.shape, hook_recognise(body));
	json_decref(body);
	if (strcmp(r.shape, "none") == 0) {
		assert_null(r.title);
		assert_null(r.content);
		return r;
	}
	payload_check_text(r.title, r.title_len);
	payload_check_text(r.content, r.content_len);
	assert_true(r.title_len + r.content_len <= opt->max_bytes);
	assert_true(payload_chars(r.title) <= HOOK_TITLE_CHARS);
	return r;
}

/* The result as a text to compare; free() it. */
static inline char *
payload_show(const struct hook_result *r)
{
	char *text = NULL;

	assert_true(
	    asprintf(&text,
		"shape: %s\npriority: %d\nurl: %s\ntags: %s\nkey: %s\n"
		"title: %s\n\n%s\n",
		r->shape, r->priority, r->url != NULL ? r->url : "-",
		r->tags != NULL ? r->tags : "-", r->key != NULL ? r->key : "-",
		r->title != NULL ? r->title : "-",
		r->content != NULL ? r->content : "-") > 0);
	return text;
}

/* tests/payloads/NAME.json must become tests/payloads/WANT.txt. */
static inline void
payload_check(const char *name, const char *want, size_t max_bytes)
{
	struct hook_options opt = { .max_bytes = max_bytes };
	char *json = payload_read(name, "json"), *text = NULL, *shown;
	struct hook_result r = payload_render(json, &opt);

	shown = payload_show(&r);
	text = payload_read(want, "txt");
	assert_string_equal(shown, text);
	hook_result_done(&r);
	free(shown);
	free(text);
	free(json);
}

#endif
