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

struct field *
fields_find(struct fields *fs, const char *name, size_t len)
{
	static const struct {
		const char *name;
		size_t at;
	} names[] = {
		{ "title", offsetof(struct fields, title) },
		{ "content", offsetof(struct fields, content) },
		{ "priority", offsetof(struct fields, priority) },
		{ "url", offsetof(struct fields, url) },
		{ "tags", offsetof(struct fields, tags) },
		{ "key", offsetof(struct fields, key) },
		{ "wait", offsetof(struct fields, wait) },
		{ "template", offsetof(struct fields, template) },
		{ "require", offsetof(struct fields, require) },
	};
	struct field *f = NULL;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && f == NULL; i++) {
		if (strlen(names[i].name) == len &&
		    memcmp(names[i].name, name, len) == 0)
			f = (struct field *)(void *)((char *)fs + names[i].at);
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
	free(fs->title.text);
	free(fs->content.text);
	free(fs->priority.text);
	free(fs->url.text);
	free(fs->tags.text);
	free(fs->wait.text);
	free(fs->require.text);
	memset(fs, 0, sizeof(*fs));
}
