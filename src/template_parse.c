/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <string.h>

#include "template_impl.h"

static const char *const template_words[] = { "if", "else", "end", "range",
	"with" };

static struct template_node *
template_parse_at(struct template_parser *p, unsigned int node)
{
	return &p->t->nodes[node];
}

/* A node of the present token, which is read. */
static unsigned int
template_parse_leaf(struct template_parser *p, enum template_node_type type)
{
	unsigned int node = template_parser_node(p, type);
	struct template_node *n;

	if (node == 0)
		return 0;
	n = template_parse_at(p, node);
	n->base = p->token.base;
	n->at = p->token.at;
	n->len = p->token.len;
	n->number = p->token.number;
	template_lex(p);
	return node;
}

/* Make NODE the user of ARG; 0 after a fault, reported at START. */
static unsigned int
template_parse_deepen(struct template_parser *p, unsigned int node,
    unsigned int arg, size_t start)
{
	struct template_node *n = template_parse_at(p, node);
	unsigned int depth = template_parse_at(p, arg)->depth + 1;

	if (depth > TEMPLATE_DEPTH_MAX)
		return template_parser_fault(p, start,
		    "calls are nested more than %d deep", TEMPLATE_DEPTH_MAX);
	if (n->depth < depth)
		n->depth = depth;
	return node;
}

/* "(pipe)" or "(pipe).a.b" */
static unsigned int
template_parse_parens(struct template_parser *p)
{
	size_t start = p->token.start;
	unsigned int inner, node;

	if (++p->parens > TEMPLATE_DEPTH_MAX)
		return template_parser_fault(p, start,
		    "parentheses are nested more than %d deep",
		    TEMPLATE_DEPTH_MAX);
	template_lex(p);
	inner = template_parse_pipe(p);
	if (inner == 0)
		return 0;
	if (p->token.type != TEMPLATE_TOKEN_CLOSE)
		return template_parser_fault(p, start, "the ( has no )");
	p->parens--;
	if (p->token.len == 0) {
		template_lex(p);
		return inner;
	}
	p->token.base = TEMPLATE_BASE_VALUE;
	node = template_parse_leaf(p, TEMPLATE_NODE_PATH);
	if (node == 0)
		return 0;
	template_parse_at(p, node)->arg = inner;
	return template_parse_deepen(p, node, inner, start);
}

/* A word where a value is due: true, false, or a fault. */
static unsigned int
template_parse_word(struct template_parser *p)
{
	const struct template_token *k = &p->token;
	char quote[TEMPLATE_QUOTE];
	size_t i;

	if (template_lex_is(p, "true") || template_lex_is(p, "false")) {
		p->token.number = template_lex_is(p, "true");
		return template_parse_leaf(p, TEMPLATE_NODE_BOOLEAN);
	}
	(void)template_parser_quote(p, quote, k->at, k->len);
	for (i = 0; i < sizeof(template_words) / sizeof(*template_words); i++) {
		if (template_lex_is(p, template_words[i]))
			return template_parser_fault(p, k->start,
			    "\"%s\" stands first in its {{ }} or not at all",
			    quote);
	}
	if (template_func_find(p->source + k->at, k->len) != NULL)
		return template_parser_fault(p, k->start,
		    "the call of \"%s\" needs parentheses here", quote);
	return template_parser_fault(p, k->start, "unknown function \"%s\"",
	    quote);
}

static unsigned int
template_parse_operand(struct template_parser *p)
{
	switch (p->token.type) {
	case TEMPLATE_TOKEN_STRING:
		return template_parse_leaf(p, TEMPLATE_NODE_TEXT);
	case TEMPLATE_TOKEN_INTEGER:
		return template_parse_leaf(p, TEMPLATE_NODE_INTEGER);
	case TEMPLATE_TOKEN_PATH:
		return template_parse_leaf(p, TEMPLATE_NODE_PATH);
	case TEMPLATE_TOKEN_OPEN:
		return template_parse_parens(p);
	case TEMPLATE_TOKEN_WORD:
		return template_parse_word(p);
	case TEMPLATE_TOKEN_BAD:
		return 0;
	default:
		return template_parser_fault(p, p->token.start,
		    "a value is missing here");
	}
}

static bool
template_parse_is_operand(const struct template_parser *p)
{
	return p->token.type != TEMPLATE_TOKEN_END &&
	       p->token.type != TEMPLATE_TOKEN_PIPE &&
	       p->token.type != TEMPLATE_TOKEN_CLOSE;
}

/* Append an argument to a call, *TAIL being the last; false after a fault. */
static bool
template_parse_add(struct template_parser *p, unsigned int call,
    unsigned int *tail, unsigned int arg, size_t start)
{
	struct template_node *n = template_parse_at(p, call);

	if (template_parse_deepen(p, call, arg, start) == 0)
		return false;
	n->count++;
	if (*tail == 0)
		n->arg = arg;
	else
		template_parse_at(p, *tail)->next = arg;
	*tail = arg;
	return true;
}

static unsigned int
template_parse_check_count(struct template_parser *p, unsigned int call,
    size_t start)
{
	const struct template_node *n = template_parse_at(p, call);
	const struct template_func *f = n->func;
	unsigned int limit = n->count < f->min ? f->min : f->max;

	if (n->count >= f->min && n->count <= f->max)
		return call;
	return template_parser_fault(p, start,
	    "\"%s\" needs %s%u argument%s, and has %u", f->name,
	    f->min == f->max  ? "" :
	    n->count < f->min ? "at least " :
				"at most ",
	    limit, limit == 1 ? "" : "s", n->count);
}

/* The arguments of a call, PIPED (if any) being the last; 0 after a fault. */
static unsigned int
template_parse_args(struct template_parser *p, unsigned int call,
    unsigned int piped, size_t start)
{
	unsigned int arg, tail = 0;

	while (template_parse_is_operand(p)) {
		arg = template_parse_operand(p);
		if (arg == 0 || !template_parse_add(p, call, &tail, arg, start))
			return 0;
	}
	if (piped != 0 && !template_parse_add(p, call, &tail, piped, start))
		return 0;
	return template_parse_check_count(p, call, start);
}

/* The function that the token names, or NULL. */
static const struct template_func *
template_parse_func(const struct template_parser *p)
{
	if (p->token.type != TEMPLATE_TOKEN_WORD)
		return NULL;
	return template_func_find(p->source + p->token.at, p->token.len);
}

/* "function operand...", or one operand if nothing is piped into it. */
static unsigned int
template_parse_stage(struct template_parser *p, unsigned int piped)
{
	const struct template_func *func = template_parse_func(p);
	size_t start = p->token.start;
	unsigned int node;

	if (func != NULL) {
		node = template_parse_leaf(p, TEMPLATE_NODE_CALL);
		if (node == 0)
			return 0;
		template_parse_at(p, node)->func = func;
		return template_parse_args(p, node, piped, start);
	}
	if (piped != 0 && p->token.type != TEMPLATE_TOKEN_BAD &&
	    p->token.type != TEMPLATE_TOKEN_WORD)
		return template_parser_fault(p, start,
		    "behind | there must be a function");
	node = template_parse_operand(p);
	if (node == 0)
		return 0;
	if (piped != 0)
		return template_parser_fault(p, start,
		    "behind | there must be a function");
	if (template_parse_is_operand(p))
		return template_parser_fault(p, p->token.start,
		    "a value follows a value: a function or a | is missing");
	return node;
}

unsigned int
template_parse_pipe(struct template_parser *p)
{
	unsigned int node = template_parse_stage(p, 0);

	while (node != 0 && p->token.type == TEMPLATE_TOKEN_PIPE) {
		template_lex(p);
		node = template_parse_stage(p, node);
	}
	return node;
}
