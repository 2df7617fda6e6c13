/* SPDX-License-Identifier: ISC */
/*
 * jansson says whether a text is JSON; what the members are is read from the
 * text itself, because jansson keeps neither the first of repeated members nor
 * a number as it was written.
 */
#include "config.h"

#include "jsonbody.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "message.h"
#include "urlenc.h"
#include "utf8.h"

#define JSONBODY_NAME_MAX (8 * 6) /* "priority", every letter as \uXXXX */
#define JSONBODY_DIGITS   2       /* of a number that jansson gets to see */

/* What jansson may take for a body, and for each of its bytes. */
#define JSONBODY_MEMORY      (64 << 20)
#define JSONBODY_MEMORY_BYTE 8

/* What is still to be read of a text. */
struct jsonbody {
	char *at, *end;
};

static bool
jsonbody_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
jsonbody_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
jsonbody_is_surrogate(long unit, long first)
{
	return unit >= first && unit < first + 0x400;
}

/* The UTF-16 unit of a \uXXXX at AT, or -1. */
static long
jsonbody_read_unit(const char *at, const char *end)
{
	long unit = 0;
	int i, digit;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (i = 2; i < 6; i++) {
		digit = urlenc_hex(at[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/*
 * Read the escape at *AT, which is a backslash, and step over it.  Returns the
 * character, U+FFFD for one that cannot be.
 */
static uint32_t
jsonbody_read_escape(char **at, const char *end)
{
	static const char letters[] = "bfnrt", codes[] = "\b\f\n\r\t";
	long unit = jsonbody_read_unit(*at, end), low;
	const char *letter;
	char c;

	if (unit < 0) {
		c = end - *at > 1 ? (*at)[1] : '\\';
		letter = c != '\0' ? strchr(letters, c) : NULL;
		*at += end - *at > 1 ? 2 : 1;
		return (unsigned char)(letter ? codes[letter - letters] : c);
	}
	*at += 6;
	low = jsonbody_read_unit(*at, end);
	if (jsonbody_is_surrogate(unit, 0xd800) &&
	    jsonbody_is_surrogate(low, 0xdc00)) {
		*at += 6;
		return (uint32_t)(0x10000 + ((unit - 0xd800) << 10) +
				  (low - 0xdc00));
	}
	if (unit == 0 || jsonbody_is_surrogate(unit, 0xd800) ||
	    jsonbody_is_surrogate(unit, 0xdc00))
		return 0xfffd;
	return (uint32_t)unit;
}

/* Write a character as UTF-8; returns its bytes, 4 at most. */
static size_t
jsonbody_encode(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Step over the string at the cursor with both its quotes. */
static void
jsonbody_skip_string(struct jsonbody *j)
{
	for (j->at++; j->at < j->end && *j->at != '"'; j->at++) {
		if (*j->at == '\\' && j->end - j->at > 1)
			j->at++;
	}
	if (j->at < j->end)
		j->at++;
}

static void
jsonbody_skip_space(struct jsonbody *j)
{
	while (j->at < j->end && jsonbody_is_space(*j->at))
		j->at++;
}

/* Step over the array or object at the cursor. */
static void
jsonbody_skip_nest(struct jsonbody *j)
{
	size_t depth = 0;

	while (j->at < j->end) {
		if (*j->at == '"') {
			jsonbody_skip_string(j);
			continue;
		}
		if (*j->at == '[' || *j->at == '{')
			depth++;
		else if (*j->at == ']' || *j->at == '}')
			depth--;
		j->at++;
		if (depth == 0)
			break;
	}
}

static void
jsonbody_skip_scalar(struct jsonbody *j)
{
	while (j->at < j->end && *j->at != ',' && *j->at != '}' &&
	       *j->at != ']' && !jsonbody_is_space(*j->at))
		j->at++;
}

/* Step over the value at the cursor; returns its text. */
static struct jsonbody
jsonbody_take_value(struct jsonbody *j)
{
	struct jsonbody value = { j->at, j->end };

	if (j->at == j->end)
		return value;
	if (*j->at == '"')
		jsonbody_skip_string(j);
	else if (*j->at == '[' || *j->at == '{')
		jsonbody_skip_nest(j);
	else
		jsonbody_skip_scalar(j);
	value.end = j->at;
	return value;
}

/*
 * Decode the string at the cursor to OUT, which may be where it stands: no
 * escape is longer than what it was.  With ESCAPE the result is the inside of
 * a JSON string again, with only the escapes that must be.  Returns the bytes
 * written; the cursor is then behind the string.
 */
static size_t
jsonbody_decode_string(struct jsonbody *j, char *out, bool escape)
{
	char c[4];
	size_t len, n = 0;

	for (j->at++; j->at < j->end && *j->at != '"';) {
		if (*j->at != '\\') {
			out[n++] = *j->at++;
			continue;
		}
		len = jsonbody_encode(c, jsonbody_read_escape(&j->at, j->end));
		if (escape)
			len = message_escape(out + n, c, len);
		else
			memcpy(out + n, c, len);
		n += len;
	}
	if (j->at < j->end)
		j->at++;
	return n;
}

/* Rewrite an array or object in its own place; returns its new length. */
static size_t
jsonbody_compact(struct jsonbody value)
{
	char *out = value.at;
	size_t n = 0;

	while (value.at < value.end) {
		if (*value.at == '"') {
			out[n++] = '"';
			n += jsonbody_decode_string(&value, out + n, true);
			out[n++] = '"';
		} else if (jsonbody_is_space(*value.at)) {
			value.at++;
		} else {
			out[n++] = *value.at++;
		}
	}
	return n;
}

static int
jsonbody_set_field(struct field *f, struct jsonbody value)
{
	char *text = value.at;
	size_t len = (size_t)(value.end - value.at);

	switch (len > 0 ? *text : 'n') {
	case '"':
		len = jsonbody_decode_string(&value, text, false);
		break;
	case '{':
	case '[':
		len = jsonbody_compact(value);
		break;
	case 'n':
		len = 0;
		break;
	}
	return fields_set(f, text, len);
}

/* The field that the member name at the cursor means; steps over it. */
static struct field *
jsonbody_find_field(struct jsonbody *j, struct fields *fs)
{
	char name[JSONBODY_NAME_MAX];
	struct jsonbody key = { j->at, j->at };
	size_t len;

	jsonbody_skip_string(j);
	key.end = j->at;
	if ((size_t)(key.end - key.at) > sizeof(name) + 2)
		return NULL;
	len = jsonbody_decode_string(&key, name, false);
	return fields_find(fs, name, len);
}

/* Read the members of an object that jansson has found to be one. */
static int
jsonbody_read_members(struct jsonbody *j, struct fields *fs)
{
	struct jsonbody value;
	struct field *f;

	for (;;) {
		j->at++; /* the opening brace or a comma */
		jsonbody_skip_space(j);
		if (j->at >= j->end || *j->at != '"')
			return 0;
		f = jsonbody_find_field(j, fs);
		jsonbody_skip_space(j);
		j->at += j->at < j->end; /* the colon */
		jsonbody_skip_space(j);
		value = jsonbody_take_value(j);
		jsonbody_skip_space(j);
		if (f != NULL && jsonbody_set_field(f, value) == -1)
			return -1;
		if (j->at >= j->end)
			return 0;
	}
}

/*
 * Overwrite the escapes that are no character, of which jansson refuses some
 * everywhere and others in names.
 */
static void
jsonbody_repair(struct jsonbody j)
{
	char *escape;

	while (j.at < j.end) {
		if (*j.at != '\\') {
			j.at++;
			continue;
		}
		escape = j.at;
		if (jsonbody_read_escape(&j.at, j.end) == 0xfffd &&
		    j.at - escape == 6)
			memcpy(escape, "\\ufffd", 6);
	}
}

/*
 * Copy a text to OUT with only the first digits of each number, so that none
 * is beyond what jansson can hold.  Returns the bytes written.
 */
static size_t
jsonbody_shorten(char *out, struct jsonbody j)
{
	size_t len, n = 0, digits = 0;
	char *string;

	while (j.at < j.end) {
		if (*j.at == '"') {
			string = j.at;
			jsonbody_skip_string(&j);
			len = (size_t)(j.at - string);
			memcpy(out + n, string, len);
			n += len;
			digits = 0;
			continue;
		}
		digits = jsonbody_is_digit(*j.at) ? digits + 1 : 0;
		if (digits <= JSONBODY_DIGITS)
			out[n++] = *j.at;
		j.at++;
	}
	return n;
}

/* About what jansson takes for what C begins or parts. */
static size_t
jsonbody_weigh(char c)
{
	switch (c) {
	case '{':
		return 256;
	case '[':
		return 128;
	case ',':
	case ':':
		return 64;
	default:
		return 0;
	}
}

/* True when a tree of the text is out of all proportion: "[{},{},{},...". */
static bool
jsonbody_is_heavy(const char *text, size_t len)
{
	size_t i, weight = 0;
	bool quoted = false;

	for (i = 0; i < len; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted && text[i] == '\\')
			i++;
		else if (!quoted)
			weight += jsonbody_weigh(text[i]);
	}
	return weight / JSONBODY_MEMORY_BYTE >
	       JSONBODY_MEMORY / JSONBODY_MEMORY_BYTE + len;
}

/* As json_loadb, with errno EBADMSG, E2BIG or ENOMEM. */
static json_t *
jsonbody_decode(const char *text, size_t len)
{
	json_error_t error;
	json_t *root;

	if (jsonbody_is_heavy(text, len)) {
		errno = E2BIG;
		return NULL;
	}
	/* For want of memory jansson names all kinds of reasons. */
	errno = 0;
	root = json_loadb(text, len, JSON_DECODE_ANY, &error);
	if (root == NULL && errno != ENOMEM)
		errno = EBADMSG;
	return root;
}

/* Returns 0 when the text is JSON, else -1 with errno. */
static int
jsonbody_validate(struct jsonbody j)
{
	char *text = malloc((size_t)(j.end - j.at) + 1);
	json_t *root;
	int r;

	if (text == NULL)
		return -1;
	root = jsonbody_decode(text, jsonbody_shorten(text, j));
	r = root != NULL ? 0 : -1;
	json_decref(root);
	free(text);
	return r;
}

/* A copy of the body without its mark and mended; returns 0, or -1: ENOMEM. */
static int
jsonbody_mend(struct field *text, const char *body, size_t len)
{
	if (len >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0) {
		body += 3;
		len -= 3;
	}
	if (fields_set(text, body, len) == -1)
		return -1;
	jsonbody_repair(
	    (struct jsonbody){ text->text, text->text + text->len });
	return 0;
}

json_t *
jsonbody_load(const char *body, size_t len)
{
	struct field text = { NULL, 0 };
	json_t *root;

	if (jsonbody_mend(&text, body, len) == -1)
		return NULL;
	root = jsonbody_decode(text.text, text.len);
	free(text.text);
	return root;
}

int
jsonbody_parse(const char *body, size_t len, struct fields *fs)
{
	struct field text = { NULL, 0 };
	struct jsonbody j;
	int r = -1;

	if (jsonbody_mend(&text, body, len) == -1)
		return -1;
	j = (struct jsonbody){ text.text, text.text + text.len };
	if (jsonbody_validate(j) == -1)
		goto out;
	jsonbody_skip_space(&j);
	r = *j.at == '{' ? jsonbody_read_members(&j, fs) : 0;
out:
	free(text.text);
	return r;
}
