/* SPDX-License-Identifier: ISC */
/*
 * template_impl - what the parts of the template language share; nobody else
 * includes it.  template.c has texts and blocks, template_parse.c what is in
 * an action, template_lex.c its words, template_render.c runs it all,
 * template_value.c has the values and template_func.c the functions on them.
 * Pure: any thread.
 */
#ifndef MPUSHD_TEMPLATE_IMPL_H
#define MPUSHD_TEMPLATE_IMPL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook_text.h"
#include "template.h"

/* --- What a source becomes --- */

enum template_node_type {
	TEMPLATE_NODE_TEXT,   /* a text as it is; also a string of an action */
	TEMPLATE_NODE_OUTPUT, /* write the value of arg */
	TEMPLATE_NODE_IF,     /* also each "else": the last has no arg */
	TEMPLATE_NODE_RANGE,
	TEMPLATE_NODE_WITH,
	TEMPLATE_NODE_INTEGER,
	TEMPLATE_NODE_BOOLEAN,
	TEMPLATE_NODE_PATH,
	TEMPLATE_NODE_CALL,
};

/* Where a path begins. */
enum template_base {
	TEMPLATE_BASE_DOT,
	TEMPLATE_BASE_ROOT,
	TEMPLATE_BASE_INDEX,
	TEMPLATE_BASE_KEY,
	TEMPLATE_BASE_VALUE, /* that of arg */
};

/* Nodes name each other by index; 0 is none. */
struct template_node {
	enum template_node_type type;
	enum template_base base;
	unsigned int next;  /* in the list that it is in */
	unsigned int arg;   /* its value; of a call the first argument */
	unsigned int body;  /* first node of a block */
	unsigned int other; /* what is tried when arg is empty */
	unsigned int count; /* arguments */
	unsigned int depth; /* of calls and paths in each other */
	size_t at, len;     /* in the text: a text, or a path "a.b.0" */
	json_int_t number;
	const struct template_func *func;
};

struct template
{
	char *text; /* the source, its strings decoded in place */
	struct template_node *nodes;
	unsigned int count, size;
	unsigned int first;
};

/* --- Compiling --- */

enum template_token_type {
	TEMPLATE_TOKEN_BAD, /* a fault has been reported */
	TEMPLATE_TOKEN_END, /* }} */
	TEMPLATE_TOKEN_PIPE,
	TEMPLATE_TOKEN_OPEN,
	TEMPLATE_TOKEN_CLOSE, /* with the path that follows, if any */
	TEMPLATE_TOKEN_STRING,
	TEMPLATE_TOKEN_INTEGER,
	TEMPLATE_TOKEN_PATH,
	TEMPLATE_TOKEN_WORD,
};

struct template_token {
	enum template_token_type type;
	enum template_base base;
	size_t start;   /* where it begins in the source */
	size_t at, len; /* what counts of it */
	json_int_t number;
	bool trim; /* of an end */
};

/* A block that waits for its end; the first is the whole template. */
struct template_open {
	unsigned int node;   /* where it begins */
	unsigned int branch; /* the last "else", or node */
	unsigned int tail;   /* last node in that */
	size_t at;
	const char *word;
};

struct template_parser {
	struct template *t;
	const char *source;
	size_t len, pos;
	size_t action; /* where the present {{ is */
	struct template_token token;
	struct template_fault *fault;
	int error;           /* errno of the first fault */
	unsigned int parens; /* open ones */
	unsigned int ranges; /* around us */
	bool trim;           /* the next text begins without white space */
	unsigned int depth;
	struct template_open open[TEMPLATE_DEPTH_MAX + 1];
};

/* True for what trimming takes away and actions skip. */
bool template_is_space(char);

/* Report a fault at a byte of the source, unless there was one.  Returns 0. */
unsigned int template_parser_fault(struct template_parser *, size_t at,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Report that there is no memory.  Returns 0. */
unsigned int template_parser_no_memory(struct template_parser *);

/* The line, from 1, of a byte of the source. */
unsigned int template_parser_line(const struct template_parser *, size_t at);

#define TEMPLATE_QUOTE 64 /* bytes */

/* LEN bytes of the source at AT, fit for a fault; returns OUT. */
const char *template_parser_quote(const struct template_parser *,
    char out[TEMPLATE_QUOTE], size_t at, size_t len);

/* A new node, all zero but its type; 0 after a fault. */
unsigned int
template_parser_node(struct template_parser *, enum template_node_type);

/* Read the next token of an action. */
void template_lex(struct template_parser *);

/* True when the token is this word. */
bool template_lex_is(const struct template_parser *, const char *word);

/* Parse a pipeline from the present token on; 0 after a fault. */
unsigned int template_parse_pipe(struct template_parser *);

/* --- Rendering --- */

enum template_kind {
	TEMPLATE_IS_NOTHING,
	TEMPLATE_IS_TEXT,
	TEMPLATE_IS_INTEGER,
	TEMPLATE_IS_REAL,
	TEMPLATE_IS_BOOLEAN,
	TEMPLATE_IS_ARRAY,
	TEMPLATE_IS_OBJECT,
};

/* A value; what it points to belongs to the template, the data or the run. */
struct template_value {
	enum template_kind kind;
	const json_t *json; /* of a real, an array, an object */
	const char *s;      /* of a text: UTF-8, perhaps with U+0000 */
	size_t len;
	json_int_t number; /* of an integer; 0 or 1 of a boolean */
};

/* What is known where an action stands. */
struct template_scope {
	struct template_value dot, index, key;
};

/* One rendering. */
struct template_run {
	const struct template *t;
	struct template_value root;
	struct hook_text *out;
	size_t steps; /* that are left */
	int error;    /* errno; 0: none */
	char **texts; /* that functions have made */
	size_t count, size;
};

/* A function, given its arguments; the piped one is the last. */
struct template_func {
	const char *name;
	unsigned int min, max;
	struct template_value (*call)(struct template_run *,
	    const struct template_value *args, unsigned int count);
};

/* The function of this name of LEN bytes, or NULL. */
const struct template_func *template_func_find(const char *, size_t len);

/* Take N steps; false when the rendering is to end. */
bool template_run_spend(struct template_run *, size_t n);

/* Take the steps for looking at LEN bytes, or for writing them to the end. */
bool template_run_scan(struct template_run *, size_t len);

/* Begin a text that a function makes. */
void template_run_begin(struct hook_text *);

/* End it: the value is the run's until it is released. */
struct template_value
template_run_end(struct template_run *, struct hook_text *);

/* Free the texts made since there were COUNT. */
void template_run_release(struct template_run *, size_t count);

/* Values of a kind. */
struct template_value template_value_nothing(void);
struct template_value template_value_text(const char *, size_t len);
struct template_value template_value_integer(json_int_t);
struct template_value template_value_boolean(bool);

/* The value of a JSON value; NULL and null are nothing. */
struct template_value template_value_of(const json_t *);

/* True unless it is empty: nothing, false, 0, "", [] or {}. */
bool template_value_true(const struct template_value *);

/*
 * The member of an object, or the element of an array whose index the LEN
 * bytes are in digits; else nothing.
 */
struct template_value template_value_member(const struct template_value *,
    const char *key, size_t len);

/* The element of an array, else nothing. */
struct template_value
template_value_element(const struct template_value *, json_int_t index);

/* Append the text of a value. */
void template_value_put(struct template_run *, struct hook_text *,
    const struct template_value *);

/* A value as a text. */
struct template_value
template_value_as_text(struct template_run *, const struct template_value *);

/* As json_object_iter and json_object_iter_next. */
void *template_value_iterate(const json_t *object);
void *template_value_iterate_next(const json_t *object, void *it);

#endif
