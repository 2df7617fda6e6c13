/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "template_impl.h"

#define TEMPLATE_NUMBER_MAX 63 /* bytes of a text that is taken for a number */
#define FFFD                "\xef\xbf\xbd"

/* How two values stand to each other. */
enum template_order {
	TEMPLATE_LESS,
	TEMPLATE_EQUAL,
	TEMPLATE_GREATER,
	TEMPLATE_UNLIKE, /* neither */
};

/* Letters of two cases: those from LOWER to LAST, each STEP from the next. */
struct template_letters {
	unsigned int lower, last, step;
	unsigned int minus; /* from lower to upper case */
};

/* Those that have as many bytes in the one case as in the other. */
static const struct template_letters letters[] = {
	{ 'a', 'z', 1, 32 },
	{ 0xe0, 0xf6, 1, 32 },
	{ 0xf8, 0xfe, 1, 32 },
	{ 0x101, 0x12f, 2, 1 },
	{ 0x133, 0x137, 2, 1 },
	{ 0x13a, 0x148, 2, 1 },
	{ 0x14b, 0x177, 2, 1 },
	{ 0x17a, 0x17e, 2, 1 },
	{ 0x201, 0x21f, 2, 1 },
	{ 0x3ac, 0x3ac, 1, 38 },
	{ 0x3ad, 0x3af, 1, 37 },
	{ 0x3b1, 0x3c1, 1, 32 },
	{ 0x3c3, 0x3cb, 1, 32 },
	{ 0x3cc, 0x3cc, 1, 64 },
	{ 0x3cd, 0x3ce, 1, 63 },
	{ 0x430, 0x44f, 1, 32 },
	{ 0x450, 0x45f, 1, 80 },
	{ 0x461, 0x481, 2, 1 },
	{ 0x48b, 0x4bf, 2, 1 },
	{ 0x4c2, 0x4ce, 2, 1 },
	{ 0x4d1, 0x52f, 2, 1 },
};

/* --- Letters --- */

static unsigned int
template_func_fold(unsigned int c, bool upper)
{
	const struct template_letters *l;
	unsigned int first;
	size_t i;

	for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		l = &letters[i];
		first = upper ? l->lower : l->lower - l->minus;
		if (c >= first && c - first <= l->last - l->lower &&
		    (c - first) % l->step == 0)
			return upper ? c - l->minus : c + l->minus;
	}
	return c;
}

/* The bytes of the character at S, of a valid text of LEN bytes. */
static size_t
template_func_char_len(const char *s, size_t len)
{
	size_t n = 1;

	while (n < len && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Append the character at S in the other case. */
static void
template_func_put_folded(struct hook_text *t, const char *s, size_t len,
    bool upper)
{
	unsigned int c = (unsigned char)s[0];
	char two[2];

	if (len == 1) {
		two[0] = (char)template_func_fold(c, upper);
		hook_text_put(t, two, 1);
	} else if (len == 2) {
		c = (c & 0x1f) << 6 | ((unsigned char)s[1] & 0x3f);
		c = template_func_fold(c, upper);
		two[0] = (char)(0xc0 | c >> 6);
		two[1] = (char)(0x80 | (c & 0x3f));
		hook_text_put(t, two, 2);
	} else {
		hook_text_put(t, s, len);
	}
}

static struct template_value
template_func_case(struct template_run *run, const struct template_value *arg,
    bool upper)
{
	struct template_value v = template_value_as_text(run, arg);
	struct hook_text t;
	size_t i, n;

	template_run_begin(&t);
	for (i = 0; i < v.len && !t.cut; i += n) {
		n = template_func_char_len(v.s + i, v.len - i);
		template_func_put_folded(&t, v.s + i, n, upper);
	}
	return template_run_end(run, &t);
}

static struct template_value
template_func_upper(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)count;
	return template_func_case(run, &args[0], true);
}

static struct template_value
template_func_lower(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)count;
	return template_func_case(run, &args[0], false);
}

/* --- Texts --- */

static struct template_value
template_func_trunc(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	struct template_value v = template_value_as_text(run, &args[1]);
	json_int_t n = args[0].kind == TEMPLATE_IS_INTEGER ? args[0].number : 0;
	struct hook_text t;

	(void)count;
	if (n < 0)
		n = 0;
	if (v.len <= (size_t)n)
		return v;
	template_run_begin(&t);
	hook_text_string(&t, v.s, v.len, HOOK_BLOCK, (size_t)n);
	return template_run_end(run, &t);
}

static struct template_value
template_func_trim(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	struct template_value v = template_value_as_text(run, &args[0]);

	(void)count;
	if (!template_run_scan(run, v.len))
		return v;
	while (v.len > 0 && template_is_space(v.s[0])) {
		v.s++;
		v.len--;
	}
	while (v.len > 0 && template_is_space(v.s[v.len - 1]))
		v.len--;
	return v;
}

static struct template_value
template_func_join(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	struct template_value sep = template_value_as_text(run, &args[0]), v;
	struct hook_text t;
	size_t i;

	(void)count;
	if (args[1].kind != TEMPLATE_IS_ARRAY)
		return template_value_as_text(run, &args[1]);
	template_run_begin(&t);
	for (i = 0; i < json_array_size(args[1].json) && !t.cut; i++) {
		if (!template_run_scan(run, sep.len))
			break;
		v = template_value_element(&args[1], (json_int_t)i);
		if (i > 0)
			hook_text_put(&t, sep.s, sep.len);
		template_value_put(run, &t, &v);
	}
	return template_run_end(run, &t);
}

/* Where a text is in another; NULL when it is not, or no step is left. */
static const char *
template_func_search(struct template_run *run, const struct template_value *in,
    const struct template_value *what)
{
	const char *found = memmem(in->s, in->len, what->s, what->len);
	size_t n = found != NULL ? (size_t)(found - in->s) : in->len;

	/* A search may look at each byte more than once. */
	return template_run_scan(run, 2 * (n + what->len)) ? found : NULL;
}

static struct template_value
template_func_contains(struct template_run *run,
    const struct template_value *args, unsigned int count)
{
	struct template_value what = template_value_as_text(run, &args[0]);
	struct template_value in = template_value_as_text(run, &args[1]);

	(void)count;
	return template_value_boolean(
	    template_func_search(run, &in, &what) != NULL);
}

/* True when the WHAT stands in IN at one of its ends. */
static struct template_value
template_func_ends(struct template_run *run, const struct template_value *args,
    bool last)
{
	struct template_value what = template_value_as_text(run, &args[0]);
	struct template_value in = template_value_as_text(run, &args[1]);

	if (what.len > in.len || !template_run_scan(run, what.len))
		return template_value_boolean(false);
	if (last)
		in.s += in.len - what.len;
	return template_value_boolean(memcmp(in.s, what.s, what.len) == 0);
}

static struct template_value
template_func_has_prefix(struct template_run *run,
    const struct template_value *args, unsigned int count)
{
	(void)count;
	return template_func_ends(run, args, false);
}

static struct template_value
template_func_has_suffix(struct template_run *run,
    const struct template_value *args, unsigned int count)
{
	(void)count;
	return template_func_ends(run, args, true);
}

static struct template_value
template_func_replace(struct template_run *run,
    const struct template_value *args, unsigned int count)
{
	struct template_value what = template_value_as_text(run, &args[0]);
	struct template_value by = template_value_as_text(run, &args[1]);
	struct template_value in = template_value_as_text(run, &args[2]);
	const char *found;
	struct hook_text t;
	size_t n;

	(void)count;
	if (what.len == 0)
		return in;
	template_run_begin(&t);
	while (
	    (found = template_func_search(run, &in, &what)) != NULL && !t.cut) {
		n = (size_t)(found - in.s);
		hook_text_put(&t, in.s, n);
		hook_text_put(&t, by.s, by.len);
		in.s += n + what.len;
		in.len -= n + what.len;
	}
	hook_text_put(&t, in.s, in.len);
	return template_run_end(run, &t);
}

static bool
template_func_is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

/* Append a character as RFC 3986, 2.1 and 2.3, has it. */
static void
template_func_put_escaped(struct hook_text *t, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (template_func_is_unreserved(s[i]))
			hook_text_put(t, s + i, 1);
		else
			hook_text_printf(t, "%%%02X", (unsigned char)s[i]);
	}
}

static struct template_value
template_func_urlquery(struct template_run *run,
    const struct template_value *args, unsigned int count)
{
	struct template_value v = template_value_as_text(run, &args[0]);
	struct hook_text t;
	size_t i, n;

	(void)count;
	template_run_begin(&t);
	for (i = 0; i < v.len; i += n) {
		n = template_func_char_len(v.s + i, v.len - i);
		/* No part of an escaped character is of use. */
		if (t.cut || t.max - t.len < 3 * n)
			break;
		template_func_put_escaped(&t, v.s + i, n);
	}
	return template_run_end(run, &t);
}

/* As json_dump_callback_t: -1 ends the dump. */
static int
template_func_dump(const char *bytes, size_t len, void *arg)
{
	struct hook_text *t = arg;

	hook_text_put(t, bytes, len);
	return t->cut ? -1 : 0;
}

/* Append a text as a JSON string. */
static void
template_func_quote(struct template_run *run, struct hook_text *t,
    const struct template_value *v)
{
	size_t len = v->len;
	json_t *string;
	int r;

	if (len > TEMPLATE_STRING_MAX)
		len = TEMPLATE_STRING_MAX;
	while (len > 0 && len < v->len &&
	       ((unsigned char)v->s[len] & 0xc0) == 0x80)
		len--;
	string = json_stringn_nocheck(v->s, len);
	r = json_dump_callback(string, template_func_dump, t, JSON_ENCODE_ANY);
	if (string == NULL || (r == -1 && !t->cut))
		run->error = ENOMEM;
	json_decref(string);
}

static struct template_value
template_func_json(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	struct hook_text t;

	(void)count;
	template_run_begin(&t);
	if (args[0].kind == TEMPLATE_IS_TEXT)
		template_func_quote(run, &t, &args[0]);
	else if (args[0].kind == TEMPLATE_IS_NOTHING)
		hook_text_puts(&t, "null");
	else
		template_value_put(run, &t, &args[0]);
	return template_run_end(run, &t);
}

/* --- Lists --- */

/* The code points of the text of a value. */
static size_t
template_func_count_chars(struct template_run *run,
    const struct template_value *arg)
{
	struct template_value v = template_value_as_text(run, arg);
	size_t n = 0, i;

	if (!template_run_scan(run, v.len))
		return 0;
	for (i = 0; i < v.len; i++)
		n += ((unsigned char)v.s[i] & 0xc0) != 0x80;
	return n;
}

static struct template_value
template_func_len(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	size_t n;

	(void)count;
	if (args[0].kind == TEMPLATE_IS_ARRAY)
		n = json_array_size(args[0].json);
	else if (args[0].kind == TEMPLATE_IS_OBJECT)
		n = json_object_size(args[0].json);
	else
		n = template_func_count_chars(run, &args[0]);
	return template_value_integer((json_int_t)n);
}

static struct template_value
template_func_index(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	struct template_value v = args[0], key;
	unsigned int i;

	for (i = 1; i < count; i++) {
		if (args[i].kind == TEMPLATE_IS_INTEGER &&
		    v.kind == TEMPLATE_IS_ARRAY) {
			v = template_value_element(&v, args[i].number);
			continue;
		}
		key = template_value_as_text(run, &args[i]);
		if (!template_run_scan(run, key.len))
			return template_value_nothing();
		v = template_value_member(&v, key.s, key.len);
	}
	return v;
}

static struct template_value
template_func_first(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)run;
	(void)count;
	return template_value_element(&args[0], 0);
}

static struct template_value
template_func_last(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	size_t n = json_array_size(args[0].json);

	(void)run;
	(void)count;
	return template_value_element(&args[0], (json_int_t)n - 1);
}

/* --- Conditions --- */

static struct template_value
template_func_default(struct template_run *run,
    const struct template_value *args, unsigned int count)
{
	(void)run;
	(void)count;
	return template_value_true(&args[1]) ? args[1] : args[0];
}

/* The first argument that is true as WANTED, else the last. */
static struct template_value
template_func_pick(const struct template_value *args, unsigned int count,
    bool wanted)
{
	unsigned int i;

	for (i = 0; i + 1 < count; i++) {
		if (template_value_true(&args[i]) == wanted)
			break;
	}
	return args[i];
}

static struct template_value
template_func_and(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)run;
	return template_func_pick(args, count, false);
}

static struct template_value
template_func_or(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)run;
	return template_func_pick(args, count, true);
}

static struct template_value
template_func_not(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)run;
	(void)count;
	return template_value_boolean(!template_value_true(&args[0]));
}

/* Read a text as a decimal number; false when it is none. */
static bool
template_func_read_number(const struct template_value *v, double *number)
{
	char buf[TEMPLATE_NUMBER_MAX + 1], *end;

	if (v->len == 0 || v->len > TEMPLATE_NUMBER_MAX)
		return false;
	memcpy(buf, v->s, v->len);
	buf[v->len] = '\0';
	if (strspn(buf, "0123456789+-.eE") != v->len)
		return false;
	*number = strtod(buf, &end);
	return *end == '\0' && isfinite(*number);
}

/* The number that a value is, or reads as. */
static bool
template_func_number(const struct template_value *v, double *number)
{
	if (v->kind == TEMPLATE_IS_TEXT)
		return template_func_read_number(v, number);
	if (v->kind == TEMPLATE_IS_INTEGER)
		*number = (double)v->number;
	else if (v->kind == TEMPLATE_IS_REAL)
		*number = json_real_value(v->json);
	else
		return false;
	return true;
}

static enum template_order
template_func_order(bool less, bool greater)
{
	return less    ? TEMPLATE_LESS :
	       greater ? TEMPLATE_GREATER :
			 TEMPLATE_EQUAL;
}

static enum template_order
template_func_compare_texts(struct template_run *run,
    const struct template_value *a, const struct template_value *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order;

	if (!template_run_scan(run, len))
		return TEMPLATE_UNLIKE;
	order = memcmp(a->s, b->s, len);
	if (order != 0)
		return template_func_order(order < 0, true);
	return template_func_order(a->len<b->len, a->len> b->len);
}

/* A text, or what is compared as one beside a text. */
static bool
template_func_is_word(const struct template_value *v)
{
	return v->kind == TEMPLATE_IS_TEXT || v->kind == TEMPLATE_IS_NOTHING ||
	       v->kind == TEMPLATE_IS_BOOLEAN;
}

static enum template_order
template_func_compare(struct template_run *run, const struct template_value *a,
    const struct template_value *b)
{
	struct template_value x, y;
	double m, n;

	if (a->kind == TEMPLATE_IS_INTEGER && b->kind == TEMPLATE_IS_INTEGER)
		return template_func_order(
		    a->number<b->number, a->number> b->number);
	if (template_func_is_word(a) && template_func_is_word(b)) {
		x = template_value_as_text(run, a);
		y = template_value_as_text(run, b);
		return template_func_compare_texts(run, &x, &y);
	}
	if (template_func_number(a, &m) && template_func_number(b, &n))
		return template_func_order(m<n, m> n);
	return TEMPLATE_UNLIKE;
}

/* True when the first argument equals any other. */
static struct template_value
template_func_eq(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	unsigned int i;

	for (i = 1; i < count; i++) {
		if (template_func_compare(run, &args[0], &args[i]) ==
		    TEMPLATE_EQUAL)
			return template_value_boolean(true);
	}
	return template_value_boolean(false);
}

static struct template_value
template_func_ne(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)count;
	return template_value_boolean(
	    template_func_compare(run, &args[0], &args[1]) != TEMPLATE_EQUAL);
}

static struct template_value
template_func_lt(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)count;
	return template_value_boolean(
	    template_func_compare(run, &args[0], &args[1]) == TEMPLATE_LESS);
}

static struct template_value
template_func_gt(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	(void)count;
	return template_value_boolean(
	    template_func_compare(run, &args[0], &args[1]) == TEMPLATE_GREATER);
}

static struct template_value
template_func_le(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	enum template_order o = template_func_compare(run, &args[0], &args[1]);

	(void)count;
	return template_value_boolean(
	    o == TEMPLATE_LESS || o == TEMPLATE_EQUAL);
}

static struct template_value
template_func_ge(struct template_run *run, const struct template_value *args,
    unsigned int count)
{
	enum template_order o = template_func_compare(run, &args[0], &args[1]);

	(void)count;
	return template_value_boolean(
	    o == TEMPLATE_GREATER || o == TEMPLATE_EQUAL);
}

/* By name, with the least and the greatest number of arguments. */
static const struct template_func funcs[] = {
	{ "and", 1, TEMPLATE_ARGS_MAX, template_func_and },
	{ "contains", 2, 2, template_func_contains },
	{ "default", 2, 2, template_func_default },
	{ "eq", 2, TEMPLATE_ARGS_MAX, template_func_eq },
	{ "first", 1, 1, template_func_first },
	{ "ge", 2, 2, template_func_ge },
	{ "gt", 2, 2, template_func_gt },
	{ "hasPrefix", 2, 2, template_func_has_prefix },
	{ "hasSuffix", 2, 2, template_func_has_suffix },
	{ "index", 2, TEMPLATE_ARGS_MAX, template_func_index },
	{ "join", 2, 2, template_func_join },
	{ "json", 1, 1, template_func_json },
	{ "last", 1, 1, template_func_last },
	{ "le", 2, 2, template_func_le },
	{ "len", 1, 1, template_func_len },
	{ "lower", 1, 1, template_func_lower },
	{ "lt", 2, 2, template_func_lt },
	{ "ne", 2, 2, template_func_ne },
	{ "not", 1, 1, template_func_not },
	{ "or", 1, TEMPLATE_ARGS_MAX, template_func_or },
	{ "replace", 3, 3, template_func_replace },
	{ "toLower", 1, 1, template_func_lower }, /* Alertmanager's names */
	{ "toUpper", 1, 1, template_func_upper },
	{ "trim", 1, 1, template_func_trim },
	{ "trunc", 2, 2, template_func_trunc },
	{ "upper", 1, 1, template_func_upper },
	{ "urlquery", 1, 1, template_func_urlquery },
};

const struct template_func *
template_func_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(funcs) / sizeof(funcs[0]); i++) {
		if (strlen(funcs[i].name) == len &&
		    memcmp(funcs[i].name, name, len) == 0)
			return &funcs[i];
	}
	return NULL;
}
