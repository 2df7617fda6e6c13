/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "fields.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "utf8.h"

/* Every field, so that none is forgotten where all are meant. */
static const struct fields_name {
	const char *name;
	size_t at;
} fields_names[] = {
	{ "title", offsetof(struct fields, title) },
	{ "content", offsetof(struct fields, content) },
	{ "priority", offsetof(struct fields, priority) },
	{ "url", offsetof(struct fields, url) },
	{ "tags", offsetof(struct fields, tags) },
	{ "key", offsetof(struct fields, key) },
	{ "wait", offsetof(struct fields, wait) },
	{ "require", offsetof(struct fields, require) },
	{ "template", offsetof(struct fields, template) },
};

#define FIELDS_COUNT (sizeof(fields_names) / sizeof(fields_names[0]))

_Static_assert(FIELDS_COUNT == sizeof(struct fields) / sizeof(struct field),
    "each field has a name");

static struct field *
fields_at(struct fields *fs, size_t i)
{
	return (struct field *)(void *)((char *)fs + fields_names[i].at);
}

struct field *
fields_find(struct fields *fs, const char *name, size_t len)
{
	struct field *f = NULL;
	size_t i;

	for (i = 0; i < FIELDS_COUNT && f == NULL; i++) {
		if (strlen(fields_names[i].name) == len &&
		    memcmp(fields_names[i].name, name, len) == 0)
			f = fields_at(fs, i);
	}
	if (f == NULL)
		return NULL;
	return f->text == NULL ? f : NULL;
}

int
fields_set(struct field *f, const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return -1;
	if (len > 0)
		memcpy(copy, text, len);
	return fields_take(f, copy, len);
}

/* Replace a text that is not clean; takes it. */
static char *
fields_clean(char *text, size_t *len)
{
	char *clean = NULL, *fit;

	if (*len < SIZE_MAX / 3)
		clean = malloc(*len * 3 + 1);
	if (clean != NULL)
		*len = utf8_clean(clean, text, *len);
	else
		errno = ENOMEM;
	free(text);
	if (clean == NULL)
		return NULL;
	fit = realloc(clean, *len + 1);
	return fit != NULL ? fit : clean;
}

int
fields_take(struct field *f, char *text, size_t len)
{
	CHECK(f->text == NULL);
	if (!utf8_valid(text, len) || memchr(text, '\0', len) != NULL)
		text = fields_clean(text, &len);
	if (text == NULL)
		return -1;
	text[len] = '\0';
	f->text = text;
	f->len = len;
	return 0;
}

void
fields_free(struct fields *fs)
{
	size_t i;

	for (i = 0; i < FIELDS_COUNT; i++)
		free(fields_at(fs, i)->text);
	memset(fs, 0, sizeof(*fs));
}
