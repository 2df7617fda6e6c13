/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "template_impl.h"

#define TEMPLATE_INTEGER_DIGITS 18 /* that any 64 bits hold */

bool
template_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
template_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What names and keys are made of: letters of any script, digits, '_'. */
static bool
template_is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       template_is_digit(c) || (unsigned char)c >= 0x80;
}

bool
template_lex_is(const struct template_parser *p, const char *word)
{
	return p->token.type == TEMPLATE_TOKEN_WORD &&
	       p->token.len == strlen(word) &&
	       memcmp(p->source + p->token.at, word, p->token.len) == 0;
}

/* The character N bytes further, or NUL behind the last. */
static char
template_lex_peek(const struct template_parser *p, size_t n)
{
	return n < p->len - p->pos ? p->source[p->pos + n] : '\0';
}

static void
template_lex_bad(struct template_parser *p)
{
	p->token.type = TEMPLATE_TOKEN_BAD;
}

static void
template_lex_unexpected(struct template_parser *p)
{
	char quote[TEMPLATE_QUOTE];
	const char *hint = "";
	size_t n = 1;

	while (((unsigned char)template_lex_peek(p, n) & 0xc0) == 0x80)
		n++;
	(void)template_parser_quote(p, quote, p->pos, n);
	if (*quote == '=' || *quote == ':')
		hint = ": eq compares, and variables cannot be set";
	else if (p->token.type == TEMPLATE_TOKEN_PATH && *quote != '}')
		hint = ": keys with other characters than letters, digits "
		       "and _ are read with index";
	template_parser_fault(p, p->pos, "unexpected '%s'%s", quote, hint);
	template_lex_bad(p);
}

/* Behind a value there is a space, or what cannot belong to it. */
static void
template_lex_check_end(struct template_parser *p)
{
	char c = template_lex_peek(p, 0);

	if (p->pos == p->len || template_is_space(c) || c == '|' || c == ')' ||
	    c == '}')
		return;
	if (c == '-' && template_lex_peek(p, 1) == '}')
		return;
	template_lex_unexpected(p);
}

static void
template_lex_single(struct template_parser *p, enum template_token_type type)
{
	p->token.type = type;
	p->pos++;
}

static void
template_lex_end(struct template_parser *p, bool trim)
{
	p->token.type = TEMPLATE_TOKEN_END;
	p->token.trim = trim;
	p->pos += trim ? 3 : 2;
}

static void
template_lex_name(struct template_parser *p)
{
	while (template_is_name(template_lex_peek(p, 0)))
		p->pos++;
}

/* Read ".a.b.0" to "a.b.0"; a single "." only where LONE allows it. */
static void
template_lex_parts(struct template_parser *p, bool lone)
{
	p->token.at = p->pos + 1;
	while (template_lex_peek(p, 0) == '.') {
		p->pos++;
		if (template_is_name(template_lex_peek(p, 0))) {
			template_lex_name(p);
		} else if (!lone || template_lex_peek(p, 0) == '.') {
			template_parser_fault(p, p->pos - 1,
			    "a name is missing after '.'");
			template_lex_bad(p);
			return;
		}
		lone = false;
	}
	if (p->pos >= p->token.at)
		p->token.len = p->pos - p->token.at;
	template_lex_check_end(p);
}

static void
template_lex_variable(struct template_parser *p)
{
	char quote[TEMPLATE_QUOTE];
	size_t start = p->pos++, len;

	template_lex_name(p);
	len = p->pos - start;
	if (len == 1) {
		p->token.base = TEMPLATE_BASE_ROOT;
	} else if (len == 6 && memcmp(p->source + start, "$index", 6) == 0) {
		p->token.base = TEMPLATE_BASE_INDEX;
	} else if (len == 4 && memcmp(p->source + start, "$key", 4) == 0) {
		p->token.base = TEMPLATE_BASE_KEY;
	} else {
		template_parser_fault(p, start,
		    "unknown variable \"%s\": there are $, $index and $key",
		    template_parser_quote(p, quote, start, len));
		template_lex_bad(p);
		return;
	}
	if (p->token.base != TEMPLATE_BASE_ROOT && p->ranges == 0) {
		template_parser_fault(p, start,
		    "\"%s\" is only known inside of {{ range }}",
		    template_parser_quote(p, quote, start, len));
		template_lex_bad(p);
		return;
	}
	template_lex_parts(p, false);
}

static void
template_lex_path(struct template_parser *p)
{
	p->token.type = TEMPLATE_TOKEN_PATH;
	p->token.base = TEMPLATE_BASE_DOT;
	if (template_lex_peek(p, 0) == '$')
		template_lex_variable(p);
	else
		template_lex_parts(p, true);
}

static void
template_lex_integer(struct template_parser *p)
{
	bool negative = template_lex_peek(p, 0) == '-';
	json_int_t n = 0;
	size_t first;

	p->token.type = TEMPLATE_TOKEN_INTEGER;
	p->pos += negative;
	first = p->pos;
	while (template_is_digit(template_lex_peek(p, 0)) &&
	       p->pos - first < TEMPLATE_INTEGER_DIGITS)
		n = n * 10 + (p->source[p->pos++] - '0');
	p->token.number = negative ? -n : n;
	if (template_is_digit(template_lex_peek(p, 0))) {
		template_parser_fault(p, p->token.start,
		    "the number has more than %d digits",
		    TEMPLATE_INTEGER_DIGITS);
		template_lex_bad(p);
	} else if (template_lex_peek(p, 0) == '.') {
		template_parser_fault(p, p->token.start,
		    "only whole numbers can be written here");
		template_lex_bad(p);
	} else {
		template_lex_check_end(p);
	}
}

static void
template_lex_unclosed(struct template_parser *p, char quote)
{
	template_parser_fault(p, p->token.start,
	    "the string has no closing %c%s", quote,
	    quote == '"' ? " on its line" : "");
	template_lex_bad(p);
}

/* The character that an escape means; NUL when there is none such. */
static char
template_lex_escape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '"':
	case '\\':
		return c;
	default:
		return '\0';
	}
}

/* One character of a string to *DST; false after a fault. */
static bool
template_lex_string_char(struct template_parser *p, char *dst)
{
	char c = p->source[p->pos];

	*dst = c;
	if (c == '\\') {
		*dst = template_lex_escape(template_lex_peek(p, 1));
		if (*dst == '\0') {
			template_parser_fault(p, p->pos,
			    "unknown escape: there are \\n, \\t, \\\" and "
			    "\\\\");
			template_lex_bad(p);
			return false;
		}
		p->pos++;
	}
	p->pos++;
	return true;
}

static void
template_lex_string(struct template_parser *p)
{
	size_t at = ++p->pos, n = 0;
	char c;

	while (p->pos < p->len && (c = p->source[p->pos]) != '"') {
		if (c == '\n')
			break;
		if (!template_lex_string_char(p, &p->t->text[at + n]))
			return;
		n++;
	}
	if (template_lex_peek(p, 0) != '"') {
		template_lex_unclosed(p, '"');
		return;
	}
	p->pos++;
	p->token.type = TEMPLATE_TOKEN_STRING;
	p->token.at = at;
	p->token.len = n;
	template_lex_check_end(p);
}

static void
template_lex_raw(struct template_parser *p)
{
	size_t at = ++p->pos;
	const char *end = memchr(p->source + at, '`', p->len - at);

	if (end == NULL) {
		template_lex_unclosed(p, '`');
		return;
	}
	p->token.type = TEMPLATE_TOKEN_STRING;
	p->token.at = at;
	p->token.len = (size_t)(end - p->source) - at;
	p->pos = at + p->token.len + 1;
	template_lex_check_end(p);
}

static void
template_lex_word(struct template_parser *p)
{
	p->token.type = TEMPLATE_TOKEN_WORD;
	template_lex_name(p);
	p->token.len = p->pos - p->token.at;
	if (template_lex_peek(p, 0) != '(')
		template_lex_check_end(p);
}

static void
template_lex_close(struct template_parser *p)
{
	template_lex_single(p, TEMPLATE_TOKEN_CLOSE);
	if (template_lex_peek(p, 0) == '.')
		template_lex_parts(p, false);
}

static void
template_lex_literal(struct template_parser *p, char c)
{
	if (c == '"')
		template_lex_string(p);
	else if (c == '`')
		template_lex_raw(p);
	else if (c == '.' || c == '$')
		template_lex_path(p);
	else if (template_is_digit(c) ||
		 (c == '-' && template_is_digit(template_lex_peek(p, 1))))
		template_lex_integer(p);
	else if (template_is_name(c))
		template_lex_word(p);
	else
		template_lex_unexpected(p);
}

/* Read what the next characters, of which there is one, begin. */
static void
template_lex_any(struct template_parser *p)
{
	char c = template_lex_peek(p, 0), d = template_lex_peek(p, 1);

	if (c == '}' && d == '}')
		template_lex_end(p, false);
	else if (c == '-' && d == '}' && template_lex_peek(p, 2) == '}')
		template_lex_end(p, true);
	else if (c == '|')
		template_lex_single(p, TEMPLATE_TOKEN_PIPE);
	else if (c == '(')
		template_lex_single(p, TEMPLATE_TOKEN_OPEN);
	else if (c == ')')
		template_lex_close(p);
	else
		template_lex_literal(p, c);
}

void
template_lex(struct template_parser *p)
{
	while (template_is_space(template_lex_peek(p, 0)))
		p->pos++;
	memset(&p->token, 0, sizeof(p->token));
	p->token.start = p->token.at = p->pos;
	if (p->error != 0) {
		template_lex_bad(p);
	} else if (p->pos == p->len) {
		template_parser_fault(p, p->action,
		    "the {{ has no }} behind it");
		template_lex_bad(p);
	} else {
		template_lex_any(p);
	}
}
