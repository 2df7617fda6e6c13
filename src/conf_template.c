/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conf_template.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "hook.h"
#include "proto.h"
#include "push.h"
#include "template.h"

static const char *const part_names[CONF_TEMPLATE_PARTS] = {
	[CONF_TEMPLATE_TITLE] = "title",
	[CONF_TEMPLATE_CONTENT] = "content",
	[CONF_TEMPLATE_PRIORITY] = "priority",
	[CONF_TEMPLATE_URL] = "url",
	[CONF_TEMPLATE_TAGS] = "tags",
	[CONF_TEMPLATE_KEY] = "key",
};

/* Where the template that is being read stands. */
struct conf_template_place {
	const struct conf_place *at;
	long index;
	const char *name;
};

static void __attribute__((format(printf, 2, 3)))
conf_template_fault(const struct conf_template_place *p, const char *fmt, ...)
{
	char quote[CONF_QUOTE_MAX + 4], text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_fault_at(p->at, p->index, "\"%s\": %s",
	    conf_fault_quote(quote, p->name, strlen(p->name)), text);
}

/* A source is a string, or a list of lines.  NULL when it is neither. */
static char *
conf_template_source(const json_t *value, size_t *len)
{
	size_t i, n, at = 0, count = json_array_size(value);
	char *text;

	if (json_is_string(value)) {
		*len = json_string_length(value);
		return strdup(json_string_value(value));
	}
	*len = count > 0 ? count - 1 : 0; /* the line ends */
	for (i = 0; i < count; i++) {
		if (!json_is_string(json_array_get(value, i)))
			return NULL;
		*len += json_string_length(json_array_get(value, i));
	}
	if (!json_is_array(value) || (text = malloc(*len + 1)) == NULL)
		return NULL;
	for (i = 0; i < count; i++) {
		n = json_string_length(json_array_get(value, i));
		memcpy(text + at, json_string_value(json_array_get(value, i)),
		    n);
		at += n;
		if (i + 1 < count)
			text[at++] = '\n';
	}
	text[*len] = '\0';
	return text;
}

static struct template *
conf_template_compile(const struct conf_template_place *p, const char *part,
    const json_t *value)
{
	struct template_fault fault = { 0, 0, "out of memory" };
	struct template *compiled;
	size_t len;
	char *source = conf_template_source(value, &len);

	if (source == NULL) {
		conf_template_fault(p,
		    "%s must be a string or a list of strings", part);
		return NULL;
	}
	compiled = template_compile(source, len, &fault);
	free(source);
	if (compiled == NULL)
		conf_template_fault(p, "%s, line %u, column %u: %s", part,
		    fault.line, fault.column, fault.text);
	return compiled;
}

/* Why a text cannot be a pattern of devices, or NULL. */
static const char *
conf_template_pattern_fault(const char *pattern)
{
	size_t stars = 0;
	const char *s;

	if (pattern == NULL)
		return "devices must be a pattern or a list of patterns";
	if (*pattern == '\0' || strlen(pattern) > PROTO_ID_MAX)
		return "a pattern of devices has 1 to 256 bytes";
	for (s = pattern; *s != '\0'; s++)
		stars += *s == '*';
	return stars > CONF_TEMPLATE_STARS ?
		   "a pattern of devices has three * at most" :
		   NULL;
}

static void
conf_template_set_devices(struct conf_template *t,
    const struct conf_template_place *p, const json_t *value)
{
	size_t i, count = json_is_array(value) ? json_array_size(value) : 1;
	const char *pattern, *fault;

	t->devices.item = calloc(count + 1, sizeof(t->devices.item[0]));
	for (i = 0; i < count && t->devices.item != NULL; i++) {
		pattern = json_string_value(
		    json_is_array(value) ? json_array_get(value, i) : value);
		fault = conf_template_pattern_fault(pattern);
		if (fault != NULL) {
			conf_template_fault(p, "%s", fault);
			return;
		}
		t->devices.item[i] = strdup(pattern);
		if (t->devices.item[i] == NULL)
			break;
		t->devices.count++;
	}
	if (count == 0)
		conf_template_fault(p, "devices cannot be an empty list");
	else if (t->devices.count < count)
		conf_template_fault(p, "out of memory");
}

static void
conf_template_set_shape(struct conf_template *t,
    const struct conf_template_place *p, const json_t *value)
{
	const char *shape = json_string_value(value);

	if (shape == NULL || !hook_is_shape(shape)) {
		conf_template_fault(p,
		    "there is no such shape, but: " HOOK_SHAPES);
		return;
	}
	t->shape = strdup(shape);
	if (t->shape == NULL)
		conf_template_fault(p, "out of memory");
}

static void
conf_template_set_member(struct conf_template *t,
    const struct conf_template_place *p, const char *name, const json_t *value)
{
	char quote[CONF_QUOTE_MAX + 4];
	size_t i;

	if (strcmp(name, "devices") == 0) {
		conf_template_set_devices(t, p, value);
		return;
	}
	if (strcmp(name, "shape") == 0) {
		conf_template_set_shape(t, p, value);
		return;
	}
	for (i = 0; i < CONF_TEMPLATE_PARTS; i++) {
		if (strcmp(name, part_names[i]) == 0) {
			t->part[i] = conf_template_compile(p, name, value);
			return;
		}
	}
	conf_template_fault(p,
	    "unknown \"%s\": a template has devices, shape, title, content, "
	    "priority, url, tags and key",
	    conf_fault_quote(quote, name, strlen(name)));
}

static void
conf_template_set_one(struct conf_template *t,
    const struct conf_template_place *p, json_t *value)
{
	const char *name;
	json_t *member;
	size_t i, parts = 0;

	t->name = strdup(p->name);
	if (t->name == NULL)
		conf_template_fault(p, "out of memory");
	if (*p->name == '\0' || !json_is_object(value)) {
		conf_template_fault(p, *p->name == '\0' ?
					   "a template needs a name" :
					   "must be an object");
		return;
	}
	json_object_foreach (value, name, member)
		conf_template_set_member(t, p, name, member);
	for (i = 0; i < CONF_TEMPLATE_PARTS; i++)
		parts += json_object_get(value, part_names[i]) != NULL;
	if (parts == 0)
		conf_template_fault(p, "makes nothing: it needs a title, a "
				       "content or another part of a message");
}

void
conf_template_set(struct conf_templates *ts, const json_t *value,
    const struct conf_place *at)
{
	struct conf_template_place place = { at, 0, NULL };
	const char *name;
	json_t *member;

	if (json_object_size(value) == 0)
		return;
	ts->item = calloc(json_object_size(value), sizeof(*ts->item));
	if (ts->item == NULL) {
		conf_fault_at(at, -1, "out of memory");
		return;
	}
	json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
		place.name = name;
		place.index = (long)ts->count;
		conf_template_set_one(&ts->item[ts->count++], &place, member);
	}
}

static void
conf_template_done(struct conf_template *t)
{
	size_t i;

	for (i = 0; i < CONF_TEMPLATE_PARTS; i++)
		template_free(&t->part[i]);
	for (i = 0; i < t->devices.count; i++)
		free(t->devices.item[i]);
	free(t->devices.item);
	free(t->shape);
	free(t->name);
}

void
conf_template_free(struct conf_templates *ts)
{
	size_t i;

	for (i = 0; i < ts->count; i++)
		conf_template_done(&ts->item[i]);
	free(ts->item);
	memset(ts, 0, sizeof(*ts));
}

const struct conf_template *
conf_template_find(const struct conf_templates *ts, const char *name)
{
	size_t i;

	for (i = 0; ts != NULL && i < ts->count; i++) {
		if (strcmp(ts->item[i].name, name) == 0)
			return &ts->item[i];
	}
	return NULL;
}

static bool
conf_template_matches(const struct conf_template *t, const char *id)
{
	size_t i;

	for (i = 0; i < t->devices.count; i++) {
		if (fnmatch(t->devices.item[i], id, 0) == 0)
			return true;
	}
	return t->devices.count == 0;
}

static bool
conf_template_is_for(const struct conf_template *t, const char *shape,
    const struct push_to *to)
{
	size_t i;

	if (t->shape == NULL && t->devices.count == 0)
		return false;
	if (t->shape != NULL && strcmp(t->shape, shape) != 0)
		return false;
	if (to->several == NULL)
		return conf_template_matches(t, to->id);
	for (i = 0; i < to->several->count; i++) {
		if (!conf_template_matches(t, to->several->item[i].id))
			return false;
	}
	return true;
}

const struct conf_template *
conf_template_choose(const struct conf_templates *ts, const char *shape,
    const struct push_to *to)
{
	size_t i;

	for (i = 0; ts != NULL && i < ts->count; i++) {
		if (conf_template_is_for(&ts->item[i], shape, to))
			return &ts->item[i];
	}
	return NULL;
}
