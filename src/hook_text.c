/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "hook_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOOK_TEXT_FIRST  256 /* bytes of the first buffer */
#define HOOK_TEXT_DIGITS 15  /* that a real number certainly has */
#define FFFD             "\xef\xbf\xbd"
#define ELLIPSIS         "\xe2\x80\xa6"

/* Where the characters of one value go. */
struct hook_sink {
	struct hook_text *text;
	enum hook_form form;
	size_t left;  /* code points that it may still have */
	size_t lines; /* line ends that it may still have */
	bool space;   /* one is due before the next character */
	bool begun;
	bool ended; /* no more fits */
};

void
hook_text_init(struct hook_text *t, size_t max, size_t max_chars)
{
	memset(t, 0, sizeof(*t));
	t->max = max;
	t->max_chars = max_chars;
}

void
hook_text_done(struct hook_text *t)
{
	free(t->buf);
	hook_text_init(t, 0, 0);
}

/* The bytes of the character at S, of a valid text of LEN bytes. */
static size_t
hook_text_char_len(const char *s, size_t len)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return n < len ? n : len;
}

/* Make room for LEN bytes more; LEN is far smaller than any buffer. */
static bool
hook_text_reserve(struct hook_text *t, size_t len)
{
	size_t size = t->size == 0 ? HOOK_TEXT_FIRST : t->size * 2;
	char *grown;

	if (t->size - t->len >= len)
		return true;
	grown = realloc(t->buf, size);
	if (grown == NULL) {
		t->failed = t->cut = true;
		return false;
	}
	t->buf = grown;
	t->size = size;
	return true;
}

/* Append one character. */
static void
hook_text_put_char(struct hook_text *t, const char *c, size_t len)
{
	if (t->cut)
		return;
	if (len > t->max - t->len || t->chars == t->max_chars) {
		t->cut = true;
		return;
	}
	if (!hook_text_reserve(t, len))
		return;
	memcpy(t->buf + t->len, c, len);
	t->len += len;
	t->chars++;
}

void
hook_text_put(struct hook_text *t, const char *s, size_t len)
{
	size_t i, n;

	for (i = 0; i < len && !t->cut; i += n) {
		n = hook_text_char_len(s + i, len - i);
		if (s[i] == '\0')
			hook_text_put_char(t, FFFD, 3);
		else
			hook_text_put_char(t, s + i, n);
	}
}

void
hook_text_puts(struct hook_text *t, const char *s)
{
	hook_text_put(t, s, strlen(s));
}

void
hook_text_append(struct hook_text *t, const struct hook_text *from)
{
	hook_text_put(t, from->buf, from->len);
	t->failed |= from->failed;
}

void
hook_text_try(struct hook_text *t, const char *s)
{
	size_t len = t->len;

	if (t->cut)
		return;
	hook_text_puts(t, s);
	if (t->cut)
		hook_text_rewind(t, len);
}

void
hook_text_printf(struct hook_text *t, const char *fmt, ...)
{
	char line[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	hook_text_puts(t, line);
}

/* The character before END in the text. */
static size_t
hook_text_last(const struct hook_text *t)
{
	size_t at = t->len;

	do {
		at--;
	} while (at > 0 && ((unsigned char)t->buf[at] & 0xc0) == 0x80);
	return at;
}

void
hook_text_rewind(struct hook_text *t, size_t len)
{
	while (t->len > len) {
		t->len = hook_text_last(t);
		t->chars--;
	}
	t->cut = t->failed;
}

void
hook_text_ellipsis(struct hook_text *t)
{
	if (!t->cut || t->failed || t->max < 3 || t->max_chars < 1)
		return;
	while (t->max - t->len < 3 || t->chars == t->max_chars) {
		t->len = hook_text_last(t);
		t->chars--;
	}
	t->cut = false;
	hook_text_put_char(t, ELLIPSIS, 3);
	t->cut = true;
}

/* One character of a value; false when it takes no more. */
static bool
hook_sink_char(struct hook_sink *s, const char *c, size_t len)
{
	unsigned char first = (unsigned char)*c;

	if (s->form == HOOK_LINE && (first <= ' ' || first == 0x7f)) {
		s->space = s->begun;
		return !s->text->cut;
	}
	if (*c == '\n' && s->lines == 0)
		return false;
	if (s->left < (s->space ? 2 : 1)) {
		hook_text_put_char(s->text, ELLIPSIS, 3);
		return false;
	}
	if (s->space)
		hook_text_put_char(s->text, " ", 1);
	s->left -= s->space ? 2 : 1;
	s->lines -= *c == '\n';
	s->space = false;
	s->begun = true;
	if (*c == '\0')
		hook_text_put_char(s->text, FFFD, 3);
	else
		hook_text_put_char(s->text, c, len);
	return !s->text->cut;
}

/* As json_dump_callback_t: -1 ends the dump. */
static int
hook_sink_put(const char *bytes, size_t len, void *arg)
{
	struct hook_sink *s = arg;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = hook_text_char_len(bytes + i, len - i);
		if (!hook_sink_char(s, bytes + i, n)) {
			s->ended = true;
			return -1;
		}
	}
	return 0;
}

/* Write a value of any type as JSON. */
static void
hook_sink_dump(struct hook_sink *s, const json_t *value, size_t layout)
{
	int r;

	r = json_dump_callback(value, hook_sink_put, s,
	    layout | JSON_ENCODE_ANY | JSON_REAL_PRECISION(HOOK_TEXT_DIGITS));
	if (r == -1 && !s->ended)
		s->text->failed = s->text->cut = true;
}

/* How many of the first characters of a text fit into MAX with an ellipsis. */
static size_t
hook_text_fit(const char *s, size_t len, size_t max)
{
	size_t i = 0, chars;

	for (chars = 0; i < len && chars < max; chars++)
		i += hook_text_char_len(s + i, len - i);
	return i < len ? max - 1 : max;
}

void
hook_text_string(struct hook_text *t, const char *s, size_t len,
    enum hook_form form, size_t max_chars)
{
	struct hook_sink sink = { t, form, 0, SIZE_MAX, false, false, false };

	if (len == 0 || max_chars == 0)
		return;
	sink.left = hook_text_fit(s, len, max_chars);
	(void)hook_sink_put(s, len, &sink);
}

void
hook_text_value(struct hook_text *t, const json_t *value, enum hook_form form,
    size_t max_chars)
{
	struct hook_sink s = { t, form, max_chars, SIZE_MAX, false, false,
		false };

	if (json_is_string(value)) {
		hook_text_string(t, json_string_value(value),
		    json_string_length(value), form, max_chars);
	} else if (value != NULL && !json_is_null(value) && max_chars > 0) {
		s.left--;
		hook_sink_dump(&s, value, JSON_COMPACT);
	}
}

void
hook_text_end_line(struct hook_text *t)
{
	if (t->len > 0 && t->buf[t->len - 1] != '\n')
		hook_text_puts(t, "\n");
}

void
hook_text_pretty(struct hook_text *t, const json_t *value, size_t lines)
{
	struct hook_sink s = { t, HOOK_BLOCK, SIZE_MAX, lines - 1, false, false,
		false };

	hook_sink_dump(&s, value, JSON_INDENT(2));
}

int
hook_text_take(struct hook_text *t, char **p, size_t *len)
{
	char *exact = NULL;

	if (!t->failed)
		exact = realloc(t->buf, t->len + 1);
	if (exact == NULL) {
		hook_text_done(t);
		errno = ENOMEM;
		return -1;
	}
	exact[t->len] = '\0';
	*p = exact;
	if (len != NULL)
		*len = t->len;
	hook_text_init(t, 0, 0);
	return 0;
}

int
hook_text_take_tags(char **tags, const json_t *a, const json_t *b)
{
	const json_t *const values[] = { a, b };
	struct hook_text t;
	size_t i, j, start;

	*tags = NULL;
	hook_text_init(&t, SIZE_MAX, SIZE_MAX);
	for (i = 0; i < 2; i++) {
		start = t.len > 0 ? t.len + 1 : 0;
		hook_text_puts(&t, start > 0 ? "," : "");
		hook_text_value(&t, values[i], HOOK_LINE, HOOK_TAG_CHARS);
		for (j = start; j < t.len; j++) {
			if (t.buf[j] == ',')
				t.buf[j] = ' ';
		}
		if (start > 0 && t.len == start)
			hook_text_rewind(&t, start - 1);
	}
	if (t.len == 0 && !t.failed)
		return 0;
	return hook_text_take(&t, tags, NULL);
}

bool
hook_text_says(const json_t *value)
{
	return value != NULL && !json_is_null(value) &&
	       !(json_is_string(value) && json_string_length(value) == 0);
}

json_t *
hook_text_get(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return hook_text_says(value) ? value : NULL;
}

const char *
hook_text_url(const json_t *value)
{
	const char *url = json_string_value(value);
	size_t i, len = json_string_length(value), scheme;

	if (url == NULL || len > HOOK_URL_MAX)
		return NULL;
	scheme = strncasecmp(url, "http://", 7) == 0 ? 7 : 8;
	if (scheme == 8 && strncasecmp(url, "https://", 8) != 0)
		return NULL;
	for (i = scheme; i < len; i++) {
		if ((unsigned char)url[i] <= ' ' ||
		    strchr("\"<>\x7f", url[i]) != NULL)
			return NULL;
	}
	return len > scheme ? url : NULL;
}
