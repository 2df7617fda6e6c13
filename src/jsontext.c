/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "jsontext.h"

#include <stdbool.h>
#include <string.h>

struct jsontext {
	const char *at, *end;
	int line;
};

/* Where the string that begins at AT ends: behind its closing quote. */
static const char *
jsontext_string_end(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++) {
		if (*at == '\\' && end - at > 1)
			at++;
	}
	return at < end ? at + 1 : end;
}

static bool
jsontext_is_comment(const char *at, const char *end)
{
	return *at == '#' || (*at == '/' && end - at > 1 && at[1] == '/');
}

void
jsontext_blank_comments(char *text, size_t len)
{
	char *at = text, *end = text + len;

	while (at < end) {
		if (*at == '"') {
			at += jsontext_string_end(at, end) - at;
			continue;
		}
		if (!jsontext_is_comment(at, end)) {
			at++;
			continue;
		}
		while (at < end && *at != '\n')
			*at++ = ' ';
	}
}

static void
jsontext_step(struct jsontext *j)
{
	if (j->at == j->end)
		return;
	j->line += *j->at == '\n';
	j->at++;
}

static bool
jsontext_is_one_of(const struct jsontext *j, const char *set)
{
	return j->at < j->end && *j->at != '\0' && strchr(set, *j->at) != NULL;
}

static void
jsontext_skip_space(struct jsontext *j)
{
	while (jsontext_is_one_of(j, " \t\r\n"))
		jsontext_step(j);
}

/* Valid strings have no line ends in them. */
static void
jsontext_skip_string(struct jsontext *j)
{
	j->at = jsontext_string_end(j->at, j->end);
}

static void
jsontext_skip_nest(struct jsontext *j)
{
	size_t depth = 0;

	do {
		if (jsontext_is_one_of(j, "\"")) {
			jsontext_skip_string(j);
			continue;
		}
		if (jsontext_is_one_of(j, "[{"))
			depth++;
		else if (jsontext_is_one_of(j, "]}"))
			depth--;
		jsontext_step(j);
	} while (depth > 0 && j->at < j->end);
}

static void
jsontext_skip_value(struct jsontext *j)
{
	jsontext_skip_space(j);
	if (jsontext_is_one_of(j, "\""))
		jsontext_skip_string(j);
	else if (jsontext_is_one_of(j, "[{"))
		jsontext_skip_nest(j);
	else
		while (j->at < j->end && !jsontext_is_one_of(j, ",]} \t\r\n"))
			j->at++;
}

/* Step over one punctuation mark and the space on both sides of it. */
static void
jsontext_skip_mark(struct jsontext *j)
{
	jsontext_skip_space(j);
	jsontext_step(j);
	jsontext_skip_space(j);
}

int
jsontext_member_line(const char *text, size_t len, size_t n, long index)
{
	struct jsontext j = { text, text + len, 1 };
	bool object;

	jsontext_skip_mark(&j); /* the opening brace */
	for (; n > 0 && j.at < j.end; n--) {
		jsontext_skip_value(&j);
		jsontext_skip_mark(&j); /* the colon */
		jsontext_skip_value(&j);
		jsontext_skip_mark(&j); /* the comma */
	}
	if (index < 0)
		return j.line;
	jsontext_skip_value(&j);
	jsontext_skip_mark(&j); /* the colon */
	object = jsontext_is_one_of(&j, "{");
	jsontext_skip_mark(&j); /* the opening bracket */
	for (; index > 0 && j.at < j.end; index--) {
		jsontext_skip_value(&j);
		if (object) {
			jsontext_skip_mark(&j); /* the colon */
			jsontext_skip_value(&j);
		}
		jsontext_skip_mark(&j);
	}
	return j.line;
}
