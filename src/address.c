/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "address.h"

#include <stdlib.h>
#include <string.h>

#include "conf_object.h"
#include "proto.h"
#include "urlenc.h"

const char ADDRESS_NO_MEMORY[] = "the server is short of memory";

static const char too_many[] = "more than 1000 devices are named";

/* One part of a path, decoded. */
struct address_part {
	char text[PROTO_ID_MAX + 1];
	size_t len;
	bool at; /* begins with a bare @: may be a group */
};

/* Decode LEN bytes of a path; returns NULL, or why they are no id. */
static const char *
address_decode(struct address_part *p, const char *text, size_t len)
{
	char plain[PROTO_ID_MAX * 3];
	const char *fault;
	size_t n = len;

	p->at = len > 0 && text[0] == '@';
	/* A longer one has too many bytes however it is encoded. */
	if (len <= sizeof(plain))
		n = urlenc_decode(plain, text, len, false);
	fault = proto_id_fault(plain, n);
	if (fault != NULL)
		return fault;
	p->len = n;
	memcpy(p->text, plain, n);
	p->text[n] = '\0';
	return NULL;
}

static const struct conf_group *
address_find_group(const struct address_part *p,
    const struct conf_groups *groups)
{
	if (!p->at || groups == NULL)
		return NULL;
	return conf_object_find_group(groups, p->text + 1, p->len - 1);
}

bool
address_is_list(const char *path, size_t len, const struct conf_groups *groups)
{
	struct address_part part;

	if (memchr(path, ',', len) != NULL)
		return true;
	if (len == 0 || path[0] != '@')
		return false;
	return address_decode(&part, path, len) == NULL &&
	       address_find_group(&part, groups) != NULL;
}

static bool
address_has(const struct address_list *list, const char *id, size_t len)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (list->item[i].len == len &&
		    memcmp(list->item[i].id, id, len) == 0)
			return true;
	}
	return false;
}

/* Returns NULL, or why the id cannot be added; one that is there is not. */
static const char *
address_add(struct address_list *list, const char *id, size_t len)
{
	struct address *a = &list->item[list->count];

	if (address_has(list, id, len))
		return NULL;
	a->id = malloc(len + 1);
	if (a->id == NULL)
		return ADDRESS_NO_MEMORY;
	memcpy(a->id, id, len);
	a->id[len] = '\0';
	a->len = len;
	list->count++;
	return NULL;
}

static const char *
address_add_group(struct address_list *list, const struct conf_group *g)
{
	const char *fault = NULL;
	size_t i;

	for (i = 0; i < g->members.count && fault == NULL; i++)
		fault = address_add(list, g->members.item[i],
		    strlen(g->members.item[i]));
	return fault;
}

/*
 * Add the device or the group that one part of a path names; *NAMED counts
 * devices, so that not even the looking for repeated ones takes long.
 */
static const char *
address_add_part(struct address_list *list, const char *text, size_t len,
    const struct conf_groups *groups, size_t *named)
{
	const struct conf_group *g;
	struct address_part part;
	const char *fault = address_decode(&part, text, len);

	if (fault != NULL)
		return fault;
	g = address_find_group(&part, groups);
	*named += g != NULL ? g->members.count : 1;
	if (*named > ADDRESS_MAX)
		return too_many;
	if (g != NULL)
		return address_add_group(list, g);
	return address_add(list, part.text, part.len);
}

const char *
address_parse(const char *path, size_t len, const struct conf_groups *groups,
    struct address_list **out)
{
	struct address_list *list, *fit;
	const char *fault = NULL, *comma;
	size_t named = 0, n;

	*out = NULL;
	list = calloc(1, sizeof(*list) + ADDRESS_MAX * sizeof(list->item[0]));
	if (list == NULL)
		return ADDRESS_NO_MEMORY;
	do {
		comma = memchr(path, ',', len);
		n = comma != NULL ? (size_t)(comma - path) : len;
		fault = address_add_part(list, path, n, groups, &named);
		path += n + 1;
		len -= comma != NULL ? n + 1 : n;
	} while (comma != NULL && fault == NULL);
	if (fault != NULL) {
		address_free(&list);
		return fault;
	}
	fit =
	    realloc(list, sizeof(*list) + list->count * sizeof(list->item[0]));
	*out = fit != NULL ? fit : list;
	return NULL;
}

void
address_free(struct address_list **lp)
{
	struct address_list *list = *lp;
	size_t i;

	*lp = NULL;
	if (list == NULL)
		return;
	for (i = 0; i < list->count; i++)
		free(list->item[i].id);
	free(list);
}
