/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conf_object.h"

#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "proto.h"

/* Why a name cannot be a group's, or NULL. */
static const char *
conf_object_group_fault(const char *name)
{
	size_t len = strlen(name);

	if (len > 0 && name[0] == '@')
		return "a group is named without the @";
	return proto_id_fault(name, len) != NULL ?
		   "a group's name is as a device id: 1 to 256 bytes without "
		   "control characters" :
		   NULL;
}

/* Why a value cannot be a member of a group, or NULL. */
static const char *
conf_object_member_fault(const json_t *value)
{
	const char *id = json_string_value(value);

	if (id == NULL)
		return "its devices must be strings";
	if (id[0] == '@')
		return "a group cannot hold a group, nor a device whose id "
		       "begins with @";
	return proto_id_fault(id, json_string_length(value));
}

static void
conf_object_set_group(struct conf_group *g, const char *name,
    const json_t *value, const struct conf_place *at, long index)
{
	char quote[CONF_QUOTE_MAX + 4];
	const char *fault = conf_object_group_fault(name);
	size_t i, size = json_array_size(value);

	conf_fault_quote(quote, name, strlen(name));
	if (fault == NULL && size == 0)
		fault = "must be a list of device ids";
	if (fault == NULL && size > CONF_GROUP_MAX)
		fault = "has more than 1000 devices";
	for (i = 0; i < size && fault == NULL; i++)
		fault = conf_object_member_fault(json_array_get(value, i));
	if (fault != NULL) {
		conf_fault_at(at, index, "\"%s\": %s", quote, fault);
		return;
	}
	g->name = strdup(name);
	g->members.item = calloc(size, sizeof(g->members.item[0]));
	for (i = 0; i < size && g->members.item != NULL; i++) {
		g->members.item[i] =
		    strdup(json_string_value(json_array_get(value, i)));
		g->members.count += g->members.item[i] != NULL;
	}
	if (g->name == NULL || g->members.count < size)
		conf_fault_at(at, index, "out of memory");
}

void
conf_object_set_groups(struct conf_groups *groups, const json_t *value,
    const struct conf_place *at)
{
	const char *name;
	json_t *member;

	if (json_object_size(value) == 0)
		return;
	groups->item = calloc(json_object_size(value), sizeof(*groups->item));
	if (groups->item == NULL) {
		conf_fault_at(at, -1, "out of memory");
		return;
	}
	json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
		conf_object_set_group(&groups->item[groups->count], name,
		    member, at, (long)groups->count);
		groups->count++;
	}
}

void
conf_object_set_severities(struct conf_severities *s, const json_t *value,
    const struct conf_place *at)
{
	char quote[CONF_QUOTE_MAX + 4];
	json_int_t priority;
	const char *name;
	json_t *member;

	if (json_object_size(value) == 0)
		return;
	s->item = calloc(json_object_size(value), sizeof(*s->item));
	if (s->item == NULL) {
		conf_fault_at(at, -1, "out of memory");
		return;
	}
	json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
		priority = json_integer_value(member);
		if (priority < 1 || priority > 5)
			conf_fault_at(at, (long)s->count,
			    "\"%s\": must be a priority from 1 to 5",
			    conf_fault_quote(quote, name, strlen(name)));
		if (name[0] == '\0' || strlen(name) > CONF_SEVERITY_MAX)
			conf_fault_at(at, (long)s->count,
			    "a severity has 1 to %d bytes", CONF_SEVERITY_MAX);
		s->item[s->count].name = strdup(name);
		s->item[s->count].priority = (int)priority;
		if (s->item[s->count++].name == NULL)
			conf_fault_at(at, -1, "out of memory");
	}
}

const struct conf_group *
conf_object_find_group(const struct conf_groups *groups, const char *name,
    size_t len)
{
	size_t i;

	for (i = 0; i < groups->count; i++) {
		if (strlen(groups->item[i].name) == len &&
		    memcmp(groups->item[i].name, name, len) == 0)
			return &groups->item[i];
	}
	return NULL;
}

void
conf_object_free_groups(struct conf_groups *groups)
{
	size_t i, j;

	for (i = 0; i < groups->count; i++) {
		for (j = 0; j < groups->item[i].members.count; j++)
			free(groups->item[i].members.item[j]);
		free(groups->item[i].members.item);
		free(groups->item[i].name);
	}
	free(groups->item);
	memset(groups, 0, sizeof(*groups));
}

void
conf_object_free_severities(struct conf_severities *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		free((char *)(uintptr_t)s->item[i].name);
	free(s->item);
	memset(s, 0, sizeof(*s));
}
