/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "template_impl.h"

#define TEMPLATE_SCAN_BYTES  256 /* that are looked at in a step */
#define TEMPLATE_BUILD_BYTES 8   /* that a function makes in a step */
#define TEMPLATE_TEXTS_FIRST 8

/* A member of an object, to be sorted. */
struct template_pair {
	const char *key;
	size_t len;
	const json_t *value;
};

static void template_run_list(struct template_run *, unsigned int node,
    const struct template_scope *);
static struct template_value template_run_value(struct template_run *,
    unsigned int node, const struct template_scope *);

static const struct template_node *
template_run_node(const struct template_run *run, unsigned int node)
{
	return &run->t->nodes[node];
}

bool
template_run_spend(struct template_run *run, size_t n)
{
	if (run->error != 0 || run->out->cut)
		return false;
	if (run->steps < n) {
		run->error = E2BIG;
		return false;
	}
	run->steps -= n;
	return true;
}

bool
template_run_scan(struct template_run *run, size_t len)
{
	return template_run_spend(run, 1 + len / TEMPLATE_SCAN_BYTES);
}

void
template_run_begin(struct hook_text *t)
{
	hook_text_init(t, TEMPLATE_STRING_MAX, TEMPLATE_STRING_MAX);
}

/* Room for one more text; false when there is no memory. */
static bool
template_run_reserve(struct template_run *run)
{
	size_t size = run->size == 0 ? TEMPLATE_TEXTS_FIRST : run->size * 2;
	char **grown;

	if (run->count < run->size)
		return true;
	grown = realloc(run->texts, size * sizeof(*grown));
	if (grown == NULL)
		return false;
	run->texts = grown;
	run->size = size;
	return true;
}

struct template_value
template_run_end(struct template_run *run, struct hook_text *t)
{
	size_t len;

	if (!template_run_reserve(run) ||
	    hook_text_take(t, &run->texts[run->count], &len) == -1) {
		hook_text_done(t);
		run->error = ENOMEM;
		return template_value_text("", 0);
	}
	(void)template_run_spend(run, 1 + len / TEMPLATE_BUILD_BYTES);
	return template_value_text(run->texts[run->count++], len);
}

void
template_run_release(struct template_run *run, size_t count)
{
	while (run->count > count)
		free(run->texts[--run->count]);
}

static struct template_value
template_run_base(struct template_run *run, const struct template_node *n,
    const struct template_scope *scope)
{
	switch (n->base) {
	case TEMPLATE_BASE_DOT:
		return scope->dot;
	case TEMPLATE_BASE_INDEX:
		return scope->index;
	case TEMPLATE_BASE_KEY:
		return scope->key;
	case TEMPLATE_BASE_VALUE:
		return template_run_value(run, n->arg, scope);
	case TEMPLATE_BASE_ROOT:
		break;
	}
	return run->root;
}

static struct template_value
template_run_path(struct template_run *run, const struct template_node *n,
    const struct template_scope *scope)
{
	struct template_value v = template_run_base(run, n, scope);
	const char *part = run->t->text + n->at, *dot;
	size_t left = n->len, len;

	while (left > 0 && template_run_scan(run, left)) {
		dot = memchr(part, '.', left);
		len = dot != NULL ? (size_t)(dot - part) : left;
		v = template_value_member(&v, part, len);
		len += dot != NULL;
		part += len;
		left -= len;
	}
	return v;
}

static struct template_value
template_run_call(struct template_run *run, const struct template_node *n,
    const struct template_scope *scope)
{
	struct template_value args[TEMPLATE_ARGS_MAX];
	unsigned int arg, count = 0;

	for (arg = n->arg; arg != 0; arg = template_run_node(run, arg)->next)
		args[count++] = template_run_value(run, arg, scope);
	if (run->error != 0)
		return template_value_nothing();
	return n->func->call(run, args, count);
}

static struct template_value
template_run_value(struct template_run *run, unsigned int node,
    const struct template_scope *scope)
{
	const struct template_node *n = template_run_node(run, node);

	if (!template_run_spend(run, 1))
		return template_value_nothing();
	switch (n->type) {
	case TEMPLATE_NODE_TEXT:
		return template_value_text(run->t->text + n->at, n->len);
	case TEMPLATE_NODE_INTEGER:
		return template_value_integer(n->number);
	case TEMPLATE_NODE_BOOLEAN:
		return template_value_boolean(n->number != 0);
	case TEMPLATE_NODE_CALL:
		return template_run_call(run, n, scope);
	default:
		return template_run_path(run, n, scope);
	}
}

static void
template_run_output(struct template_run *run, const struct template_node *n,
    const struct template_scope *scope)
{
	size_t texts = run->count;
	struct template_value v = template_run_value(run, n->arg, scope);

	if (run->error == 0)
		template_value_put(run, run->out, &v);
	template_run_release(run, texts);
}

/* The first branch from NODE on whose value is true, or that needs none. */
static void
template_run_if(struct template_run *run, unsigned int node,
    const struct template_scope *scope)
{
	const struct template_node *n;
	struct template_value v;
	size_t texts = run->count;
	bool take = false;

	while (node != 0 && !take && template_run_spend(run, 1)) {
		n = template_run_node(run, node);
		take = n->arg == 0;
		if (!take) {
			v = template_run_value(run, n->arg, scope);
			take = template_value_true(&v);
			template_run_release(run, texts);
		}
		node = take ? n->body : n->other;
	}
	if (take)
		template_run_list(run, node, scope);
}

static void
template_run_with(struct template_run *run, const struct template_node *n,
    const struct template_scope *scope)
{
	struct template_scope inner = *scope;
	size_t texts = run->count;

	inner.dot = template_run_value(run, n->arg, scope);
	if (template_value_true(&inner.dot))
		template_run_list(run, n->body, &inner);
	else
		template_run_if(run, n->other, scope);
	template_run_release(run, texts);
}

static void
template_run_array(struct template_run *run, const struct template_node *n,
    const json_t *array, const struct template_scope *scope)
{
	struct template_scope inner = *scope;
	size_t i;

	inner.key = template_value_nothing();
	for (i = 0; i < json_array_size(array); i++) {
		if (!template_run_spend(run, 1))
			return;
		inner.dot = template_value_of(json_array_get(array, i));
		inner.index = template_value_integer((json_int_t)i);
		template_run_list(run, n->body, &inner);
	}
}

/* By their bytes: a key that another begins with comes first. */
static int
template_pair_compare(const void *a, const void *b)
{
	const struct template_pair *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->key, y->key, len);

	if (order != 0)
		return order;
	return (x->len > y->len) - (x->len < y->len);
}

/* Take the steps of sorting N members. */
static bool
template_run_spend_sort(struct template_run *run, size_t n)
{
	size_t rounds = 1, i;

	for (i = n; i > 1; i /= 2)
		rounds++;
	return template_run_spend(run, n * rounds);
}

/*
 * The members of an object in the order of their keys; free() them.  NULL
 * when the rendering is to end.
 */
static struct template_pair *
template_run_sort(struct template_run *run, const json_t *object)
{
	size_t n = json_object_size(object), i = 0;
	struct template_pair *pairs;
	void *it;

	if (!template_run_spend_sort(run, n))
		return NULL;
	pairs = calloc(n, sizeof(*pairs));
	if (pairs == NULL) {
		run->error = ENOMEM;
		return NULL;
	}
	for (it = template_value_iterate(object); it != NULL;
	     it = template_value_iterate_next(object, it)) {
		pairs[i].key = json_object_iter_key(it);
		pairs[i].len = json_object_iter_key_len(it);
		pairs[i++].value = json_object_iter_value(it);
	}
	qsort(pairs, n, sizeof(*pairs), template_pair_compare);
	return pairs;
}

static void
template_run_object(struct template_run *run, const struct template_node *n,
    const json_t *object, const struct template_scope *scope)
{
	struct template_pair *pairs = template_run_sort(run, object);
	struct template_scope inner = *scope;
	size_t i;

	if (pairs == NULL)
		return;
	for (i = 0; i < json_object_size(object); i++) {
		if (!template_run_spend(run, 1))
			break;
		inner.dot = template_value_of(pairs[i].value);
		inner.key = template_value_text(pairs[i].key, pairs[i].len);
		inner.index = template_value_integer((json_int_t)i);
		template_run_list(run, n->body, &inner);
	}
	free(pairs);
}

static void
template_run_range(struct template_run *run, const struct template_node *n,
    const struct template_scope *scope)
{
	size_t texts = run->count;
	struct template_value v = template_run_value(run, n->arg, scope);
	bool some = template_value_true(&v);

	if (some && v.kind == TEMPLATE_IS_ARRAY)
		template_run_array(run, n, v.json, scope);
	else if (some && v.kind == TEMPLATE_IS_OBJECT)
		template_run_object(run, n, v.json, scope);
	else
		template_run_if(run, n->other, scope);
	template_run_release(run, texts);
}

static void
template_run_text(struct template_run *run, const struct template_node *n)
{
	if (template_run_scan(run, n->len))
		hook_text_put(run->out, run->t->text + n->at, n->len);
}

static void
template_run_list(struct template_run *run, unsigned int node,
    const struct template_scope *scope)
{
	const struct template_node *n;

	for (; node != 0 && template_run_spend(run, 1); node = n->next) {
		n = template_run_node(run, node);
		if (n->type == TEMPLATE_NODE_TEXT)
			template_run_text(run, n);
		else if (n->type == TEMPLATE_NODE_IF)
			template_run_if(run, node, scope);
		else if (n->type == TEMPLATE_NODE_WITH)
			template_run_with(run, n, scope);
		else if (n->type == TEMPLATE_NODE_RANGE)
			template_run_range(run, n, scope);
		else
			template_run_output(run, n, scope);
	}
}

int
template_render(const struct template *t, const json_t *data,
    struct hook_text *out)
{
	struct template_run run;
	struct template_scope scope;

	memset(&run, 0, sizeof(run));
	run.t = t;
	run.out = out;
	run.steps = TEMPLATE_STEPS_MAX;
	run.root = template_value_of(data);
	scope.dot = run.root;
	scope.index = scope.key = template_value_nothing();
	template_run_list(&run, t->first, &scope);
	template_run_release(&run, 0);
	free(run.texts);
	if (out->failed)
		run.error = ENOMEM;
	if (run.error == 0)
		return 0;
	errno = run.error;
	return -1;
}
