/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "template.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template_impl.h"
#include "utf8.h"

#define TEMPLATE_NODES_FIRST 16

unsigned int
template_parser_line(const struct template_parser *p, size_t at)
{
	unsigned int line = 1;
	size_t i;

	for (i = 0; i < at; i++)
		line += p->source[i] == '\n';
	return line;
}

static unsigned int
template_parser_column(const struct template_parser *p, size_t at)
{
	unsigned int column = 1;

	while (at > 0 && p->source[at - 1] != '\n') {
		at--;
		column += ((unsigned char)p->source[at] & 0xc0) != 0x80;
	}
	return column;
}

unsigned int
template_parser_fault(struct template_parser *p, size_t at, const char *fmt,
    ...)
{
	va_list ap;

	if (p->error != 0)
		return 0;
	p->error = EINVAL;
	p->fault->line = template_parser_line(p, at);
	p->fault->column = template_parser_column(p, at);
	va_start(ap, fmt);
	(void)vsnprintf(p->fault->text, sizeof(p->fault->text), fmt, ap);
	va_end(ap);
	return 0;
}

unsigned int
template_parser_no_memory(struct template_parser *p)
{
	if (p->error != 0)
		return 0;
	p->error = ENOMEM;
	p->fault->line = p->fault->column = 0;
	(void)snprintf(p->fault->text, sizeof(p->fault->text), "out of memory");
	return 0;
}

const char *
template_parser_quote(const struct template_parser *p, char out[TEMPLATE_QUOTE],
    size_t at, size_t len)
{
	const char *s = p->source + at;
	size_t n = len, i;

	if (len > TEMPLATE_QUOTE - 4) {
		n = TEMPLATE_QUOTE - 4;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	for (i = 0; i < n; i++)
		out[i] = (unsigned char)s[i] < ' ' || s[i] == 0x7f ? '?' : s[i];
	memcpy(out + n, "...", 4);
	if (n == len)
		out[n] = '\0';
	return out;
}

unsigned int
template_parser_node(struct template_parser *p, enum template_node_type type)
{
	struct template *t = p->t;
	unsigned int size = t->size == 0 ? TEMPLATE_NODES_FIRST : t->size * 2;
	struct template_node *grown;

	if (p->error != 0)
		return 0;
	if (t->count > TEMPLATE_NODES_MAX)
		return template_parser_fault(p, p->action,
		    "the template has more than %d parts", TEMPLATE_NODES_MAX);
	if (t->count == t->size) {
		grown = realloc(t->nodes, size * sizeof(*grown));
		if (grown == NULL)
			return template_parser_no_memory(p);
		t->nodes = grown;
		t->size = size;
	}
	memset(&t->nodes[t->count], 0, sizeof(*t->nodes));
	t->nodes[t->count].type = type;
	return t->count++;
}

static struct template_open *
template_parser_top(struct template_parser *p)
{
	return &p->open[p->depth];
}

/* Append a node to the innermost block. */
static void
template_parser_append(struct template_parser *p, unsigned int node)
{
	struct template_open *o = template_parser_top(p);

	if (node == 0)
		return;
	if (o->tail != 0)
		p->t->nodes[o->tail].next = node;
	else if (o->branch != 0)
		p->t->nodes[o->branch].body = node;
	else
		p->t->first = node;
	o->tail = node;
}

/* True when the {{ at AT is a {{-, but not the start of {{-3}}. */
static bool
template_parser_trims(const struct template_parser *p, size_t at)
{
	if (p->len - at < 3 || p->source[at + 2] != '-')
		return false;
	return p->len - at == 3 || p->source[at + 3] < '0' ||
	       p->source[at + 3] > '9';
}

/* The text up to the next action, or the end. */
static void
template_parser_text(struct template_parser *p)
{
	const char *brace =
	    memmem(p->source + p->pos, p->len - p->pos, "{{", 2);
	size_t next = brace != NULL ? (size_t)(brace - p->source) : p->len;
	size_t begin = p->pos, end = next;
	unsigned int node;

	p->pos = next;
	while (p->trim && begin < end && template_is_space(p->source[begin]))
		begin++;
	if (brace != NULL && template_parser_trims(p, next)) {
		while (end > begin && template_is_space(p->source[end - 1]))
			end--;
	}
	if (begin == end)
		return;
	p->action = begin;
	node = template_parser_node(p, TEMPLATE_NODE_TEXT);
	if (node == 0)
		return;
	p->t->nodes[node].at = begin;
	p->t->nodes[node].len = end - begin;
	template_parser_append(p, node);
}

/* The action ends here. */
static void
template_parser_finish(struct template_parser *p)
{
	char quote[TEMPLATE_QUOTE];

	if (p->token.type == TEMPLATE_TOKEN_END)
		p->trim = p->token.trim;
	else if (p->token.type != TEMPLATE_TOKEN_BAD)
		template_parser_fault(p, p->token.start, "unexpected '%s'",
		    template_parser_quote(p, quote, p->token.start,
			p->pos - p->token.start));
}

static void
template_parser_comment(struct template_parser *p)
{
	const char *end;

	end = memmem(p->source + p->pos + 2, p->len - p->pos - 2, "*/", 2);
	if (end == NULL) {
		template_parser_fault(p, p->pos, "the comment has no */");
		return;
	}
	p->pos = (size_t)(end - p->source) + 2;
	template_lex(p);
	if (p->token.type != TEMPLATE_TOKEN_END)
		template_parser_fault(p, p->token.start,
		    "behind a comment there must be }}");
	template_parser_finish(p);
}

/* {{ pipe }}, or the pipe of a block, as the arg of NODE. */
static void
template_parser_pipe(struct template_parser *p, unsigned int node)
{
	unsigned int arg = template_parse_pipe(p);

	if (arg == 0)
		return;
	p->t->nodes[node].arg = arg;
	template_parser_finish(p);
}

static void
template_parser_output(struct template_parser *p)
{
	unsigned int node = template_parser_node(p, TEMPLATE_NODE_OUTPUT);

	if (node == 0)
		return;
	template_parser_append(p, node);
	template_parser_pipe(p, node);
}

static void
template_parser_open(struct template_parser *p, enum template_node_type type,
    const char *word)
{
	unsigned int node = template_parser_node(p, type);
	struct template_open *o;

	if (node == 0)
		return;
	if (p->depth == TEMPLATE_DEPTH_MAX) {
		template_parser_fault(p, p->action,
		    "blocks are nested more than %d deep", TEMPLATE_DEPTH_MAX);
		return;
	}
	template_parser_append(p, node);
	p->depth++;
	o = template_parser_top(p);
	o->node = o->branch = node;
	o->tail = 0;
	o->at = p->action;
	o->word = word;
	template_lex(p);
	template_parser_pipe(p, node);
	p->ranges += type == TEMPLATE_NODE_RANGE;
}

/* The innermost block is no longer that of a range, if it was. */
static void
template_parser_leave(struct template_parser *p)
{
	const struct template_open *o = template_parser_top(p);

	if (o->branch == o->node &&
	    p->t->nodes[o->node].type == TEMPLATE_NODE_RANGE)
		p->ranges--;
}

/* True when the innermost block may have another "else". */
static bool
template_parser_may_branch(struct template_parser *p)
{
	const struct template_open *o = template_parser_top(p);

	if (p->depth == 0)
		template_parser_fault(p, p->action,
		    "{{ else }} is not inside of {{ if }}, {{ range }} or "
		    "{{ with }}");
	else if (p->t->nodes[o->branch].arg == 0)
		template_parser_fault(p, p->action,
		    "{{ %s }} at line %u has an {{ else }} already", o->word,
		    template_parser_line(p, o->at));
	return p->error == 0;
}

/* {{ else }} or {{ else if pipe }} */
static void
template_parser_else(struct template_parser *p)
{
	struct template_open *o = template_parser_top(p);
	unsigned int node;

	template_lex(p);
	if (!template_parser_may_branch(p))
		return;
	node = template_parser_node(p, TEMPLATE_NODE_IF);
	if (node == 0)
		return;
	template_parser_leave(p);
	p->t->nodes[o->branch].other = node;
	o->branch = node;
	o->tail = 0;
	if (!template_lex_is(p, "if")) {
		template_parser_finish(p);
	} else if (strcmp(o->word, "if") != 0) {
		template_parser_fault(p, p->token.start,
		    "{{ else if }} belongs to {{ if }}, and here is {{ %s }}",
		    o->word);
	} else {
		template_lex(p);
		template_parser_pipe(p, node);
	}
}

static void
template_parser_end(struct template_parser *p)
{
	template_lex(p);
	if (p->depth == 0) {
		template_parser_fault(p, p->action, "{{ end }} ends nothing");
		return;
	}
	template_parser_leave(p);
	p->depth--;
	template_parser_finish(p);
}

static void
template_parser_dispatch(struct template_parser *p)
{
	if (template_lex_is(p, "if"))
		template_parser_open(p, TEMPLATE_NODE_IF, "if");
	else if (template_lex_is(p, "range"))
		template_parser_open(p, TEMPLATE_NODE_RANGE, "range");
	else if (template_lex_is(p, "with"))
		template_parser_open(p, TEMPLATE_NODE_WITH, "with");
	else if (template_lex_is(p, "else"))
		template_parser_else(p);
	else if (template_lex_is(p, "end"))
		template_parser_end(p);
	else
		template_parser_output(p);
}

/* What is at a {{ . */
static void
template_parser_action(struct template_parser *p)
{
	p->action = p->pos;
	p->pos += template_parser_trims(p, p->pos) ? 3 : 2;
	while (p->pos < p->len && template_is_space(p->source[p->pos]))
		p->pos++;
	if (p->len - p->pos >= 2 && memcmp(p->source + p->pos, "/*", 2) == 0) {
		template_parser_comment(p);
		return;
	}
	template_lex(p);
	template_parser_dispatch(p);
}

/* Report the first byte that no text may have. */
static void
template_parser_check_text(struct template_parser *p)
{
	struct utf8_state st = { 0, 0, 0 };
	size_t i, start = 0;

	if (p->len > TEMPLATE_SOURCE_MAX) {
		template_parser_fault(p, 0,
		    "the template has more than %d bytes", TEMPLATE_SOURCE_MAX);
		return;
	}
	for (i = 0; i < p->len; i++) {
		if (utf8_complete(&st))
			start = i;
		if (p->source[i] == '\0' || !utf8_feed(&st, p->source + i, 1))
			break;
	}
	if (i < p->len || !utf8_complete(&st))
		template_parser_fault(p, start,
		    "the template is not UTF-8 without U+0000");
}

static void
template_parser_run(struct template_parser *p)
{
	const struct template_open *o;

	template_parser_check_text(p);
	/* Index 0 is no node. */
	(void)template_parser_node(p, TEMPLATE_NODE_TEXT);
	while (p->error == 0 && p->pos < p->len) {
		template_parser_text(p);
		if (p->error == 0 && p->pos < p->len)
			template_parser_action(p);
	}
	o = template_parser_top(p);
	if (p->depth > 0)
		template_parser_fault(p, o->at,
		    "{{ %s }} at line %u has no {{ end }}", o->word,
		    template_parser_line(p, o->at));
}

static struct template *
template_new(const char *source, size_t len)
{
	struct template *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->text = calloc(1, len + 1);
	if (t->text == NULL) {
		free(t);
		return NULL;
	}
	if (len > 0)
		memcpy(t->text, source, len);
	return t;
}

struct template *
template_compile(const char *source, size_t len, struct template_fault *fault)
{
	struct template_parser p;

	memset(&p, 0, sizeof(p));
	p.source = source;
	p.len = len;
	p.fault = fault;
	/* A source that is too long is copied only as far as it may be. */
	p.t = template_new(source,
	    len < TEMPLATE_SOURCE_MAX ? len : TEMPLATE_SOURCE_MAX);
	if (p.t == NULL)
		template_parser_no_memory(&p);
	else
		template_parser_run(&p);
	if (p.error != 0) {
		template_free(&p.t);
		errno = p.error;
	}
	return p.t;
}

void
template_free(struct template **t)
{
	if (*t == NULL)
		return;
	free((*t)->text);
	free((*t)->nodes);
	free(*t);
	*t = NULL;
}
