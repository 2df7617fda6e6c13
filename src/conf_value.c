/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conf_value.h"

#include <arpa/inet.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_object.h"
#include "conf_template.h"
#include "conf_token.h"
#include "privs.h"
#include "proto.h"

#define CONF_LISTEN_UNIX   "unix:"
#define CONF_UNIX_PATH_MAX 107 /* bytes, without the NUL */
#define CONF_PIDFILE       "/run/mpushd.pid"
#define CONF_NUMBER_MAX    64 /* bytes of a number in a fault */

/* How each type reads after "must be". */
static const char *const conf_value_nouns[] = {
	[CONF_TOKENS] = "a string or a list of strings",
	[CONF_ADDRESSES] = "a string or a list of strings",
	[CONF_IDS] = "a list of strings",
	[CONF_BOOL] = "true or false",
	[CONF_PORT] = "a port number",
	[CONF_INT] = "a whole number",
	[CONF_BYTES] = "a whole number of bytes",
	[CONF_SECONDS] = "a number of seconds",
	[CONF_PATH] = "an absolute path",
	[CONF_PATH_OR_NULL] = "an absolute path or null",
	[CONF_USER] = "the name of a user or null",
	[CONF_GROUPS] = "an object",
	[CONF_SEVERITIES] = "an object",
	[CONF_TEMPLATES] = "an object",
};

/* Strings are never shown, nor what may be a token without its quotes. */
static const char *
conf_value_describe(char *out, const json_t *value, enum conf_type type)
{
	size_t n;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "null";
	case JSON_INTEGER:
	case JSON_REAL:
		break;
	}
	if (type == CONF_TOKENS)
		return "a number";
	n = json_dumpb(value, out, CONF_NUMBER_MAX,
	    JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
	if (n == 0 || n >= CONF_NUMBER_MAX)
		return "this number";
	out[n] = '\0';
	return out;
}

static void
conf_value_refuse(const struct conf_place *at, long index,
    const struct conf_key *key, const json_t *value)
{
	char number[CONF_NUMBER_MAX];
	const char *what = conf_value_describe(number, value, key->type);
	const char *noun = index < 0 ? conf_value_nouns[key->type] : "a string";
	double unit = key->type == CONF_SECONDS ? 1000 : 1;

	if (key->max > key->min)
		conf_fault_at(at, index,
		    "must be %s from %.10g to %.10g, not %s", noun,
		    (double)key->min / unit, (double)key->max / unit, what);
	else
		conf_fault_at(at, index, "must be %s, not %s", noun, what);
}

/* Why a text cannot be an address to listen on, or NULL. */
static const char *
conf_value_address_fault(const char *text, size_t len)
{
	char bare[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t scheme = strlen(CONF_LISTEN_UNIX);

	if (strcmp(text, "*") == 0 || inet_pton(AF_INET, text, &address) == 1 ||
	    inet_pton(AF_INET6, text, &address) == 1)
		return NULL;
	if (strncmp(text, CONF_LISTEN_UNIX, scheme) == 0) {
		if (text[scheme] != '/')
			return "the path after unix: must be absolute";
		return len - scheme <= CONF_UNIX_PATH_MAX ?
			   NULL :
			   "the path after unix: is longer than 107 bytes";
	}
	if (text[0] == '[' && text[len - 1] == ']' && len < sizeof(bare) + 2) {
		memcpy(bare, text + 1, len - 2);
		bare[len - 2] = '\0';
		if (inet_pton(AF_INET6, bare, &address) == 1)
			return NULL;
	}
	return "must be an IPv4 or IPv6 address, \"*\" or unix:/path";
}

static void
conf_value_check_item(const struct conf_key *key, const json_t *value,
    const struct conf_place *at, long index)
{
	char quote[CONF_QUOTE_MAX + 4];
	const char *text = json_string_value(value), *fault;
	size_t len = json_string_length(value);

	if (key->type == CONF_TOKENS) {
		fault = conf_token_fault(text, len);
		if (fault != NULL)
			conf_fault_at(at, index, "%s", fault);
		return;
	}
	fault = key->type == CONF_IDS ? proto_id_fault(text, len) :
					conf_value_address_fault(text, len);
	if (fault != NULL)
		conf_fault_at(at, index, "\"%s\": %s",
		    conf_fault_quote(quote, text, len), fault);
}

static void
conf_value_add_item(struct conf_list *list, const struct conf_key *key,
    const json_t *value, const struct conf_place *at, long index)
{
	char *copy;

	if (!json_is_string(value)) {
		conf_value_refuse(at, index, key, value);
		return;
	}
	conf_value_check_item(key, value, at, index);
	copy = strdup(json_string_value(value));
	if (copy == NULL)
		conf_fault_at(at, index, "out of memory");
	else
		list->item[list->count++] = copy;
}

static void
conf_value_set_list(struct conf_list *list, const struct conf_key *key,
    const json_t *value, const struct conf_place *at)
{
	size_t i, size = json_is_array(value) ? json_array_size(value) : 1;

	if (!json_is_array(value) &&
	    (key->type == CONF_IDS || !json_is_string(value))) {
		conf_value_refuse(at, -1, key, value);
		return;
	}
	if (size == 0) {
		if (key->type != CONF_IDS)
			conf_fault_at(at, -1, "cannot be an empty list");
		return;
	}
	list->item = calloc(size, sizeof(list->item[0]));
	if (list->item == NULL) {
		conf_fault_at(at, -1, "out of memory");
		return;
	}
	if (!json_is_array(value)) {
		conf_value_add_item(list, key, value, at, -1);
		return;
	}
	for (i = 0; i < size; i++)
		conf_value_add_item(list, key, json_array_get(value, i), at,
		    (long)i);
}

static void
conf_value_set_int(int64_t *place, const struct conf_key *key,
    const json_t *value, const struct conf_place *at)
{
	int64_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < key->min || n > key->max)
		conf_value_refuse(at, -1, key, value);
	else
		*place = n;
}

static void
conf_value_set_seconds(int64_t *place, const struct conf_key *key,
    const json_t *value, const struct conf_place *at)
{
	double ms = json_number_value(value) * 1000;

	if (!json_is_number(value) || ms < (double)key->min ||
	    ms > (double)key->max)
		conf_value_refuse(at, -1, key, value);
	else
		*place = llround(ms);
}

static void
conf_value_set_path(char **place, const struct conf_key *key,
    const json_t *value, const struct conf_place *at)
{
	const char *text = json_string_value(value);
	size_t i;

	if (json_is_null(value) && key->type == CONF_PATH_OR_NULL)
		return;
	if (text == NULL) {
		conf_value_refuse(at, -1, key, value);
		return;
	}
	if (text[0] != '/') {
		conf_fault_at(at, -1, "must be %s, which begins with a /",
		    conf_value_nouns[key->type]);
		return;
	}
	for (i = 0; text[i] != '\0'; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
			conf_fault_at(at, -1,
			    "a path cannot have control characters");
			return;
		}
	}
	*place = strdup(text);
	if (*place == NULL)
		conf_fault_at(at, -1, "out of memory");
}

static void
conf_value_set_user(char **place, const struct conf_key *key,
    const json_t *value, const struct conf_place *at)
{
	char quote[CONF_QUOTE_MAX + 4];
	const char *text = json_string_value(value), *fault;

	if (json_is_null(value))
		return;
	if (text == NULL) {
		conf_value_refuse(at, -1, key, value);
		return;
	}
	fault = privs_user_fault(text);
	if (fault != NULL) {
		conf_fault_at(at, -1, "\"%s\": %s",
		    conf_fault_quote(quote, text, strlen(text)), fault);
		return;
	}
	*place = strdup(text);
	if (*place == NULL)
		conf_fault_at(at, -1, "out of memory");
}

static void
conf_value_set_object(struct conf *c, const struct conf_key *key,
    const json_t *value, const struct conf_place *at)
{
	if (!json_is_object(value))
		conf_value_refuse(at, -1, key, value);
	else if (key->type == CONF_GROUPS)
		conf_object_set_groups(&c->groups, value, at);
	else if (key->type == CONF_TEMPLATES)
		conf_template_set(&c->templates, value, at);
	else
		conf_object_set_severities(&c->severities, value, at);
}

void
conf_value_set(struct conf *c, const struct conf_key *key, const json_t *value,
    const struct conf_place *at)
{
	conf_value_free(c, key);
	if (key->type == CONF_ADDRESSES)
		c->listen_is_default = false;
	switch (key->type) {
	case CONF_TOKENS:
	case CONF_ADDRESSES:
	case CONF_IDS:
		conf_value_set_list(conf_key_list(key, c), key, value, at);
		break;
	case CONF_BOOL:
		if (!json_is_boolean(value))
			conf_value_refuse(at, -1, key, value);
		*conf_key_bool(key, c) = json_is_true(value);
		break;
	case CONF_PORT:
	case CONF_INT:
	case CONF_BYTES:
		conf_value_set_int(conf_key_int(key, c), key, value, at);
		break;
	case CONF_SECONDS:
		conf_value_set_seconds(conf_key_int(key, c), key, value, at);
		break;
	case CONF_PATH:
	case CONF_PATH_OR_NULL:
		conf_value_set_path(conf_key_path(key, c), key, value, at);
		break;
	case CONF_USER:
		conf_value_set_user(conf_key_path(key, c), key, value, at);
		break;
	case CONF_GROUPS:
	case CONF_SEVERITIES:
	case CONF_TEMPLATES:
		conf_value_set_object(c, key, value, at);
		break;
	}
}

static int64_t
conf_value_count_cpus(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	else
		n = sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1)
		return 1;
	return n < CONF_WORKERS_MAX ? n : CONF_WORKERS_MAX;
}

int
conf_value_set_defaults(struct conf *c)
{
	const struct conf_key *key;

	for (key = conf_keys; key < conf_keys + CONF_KEY_COUNT; key++) {
		if (key->type >= CONF_PORT && key->type <= CONF_SECONDS)
			*conf_key_int(key, c) = key->fallback;
		else if (key->type == CONF_BOOL)
			*conf_key_bool(key, c) = key->fallback != 0;
	}
	c->workers = conf_value_count_cpus();
	c->listen_is_default = true;
	c->listen.item = calloc(2, sizeof(c->listen.item[0]));
	c->pidfile = strdup(CONF_PIDFILE);
	if (c->listen.item == NULL || c->pidfile == NULL)
		return -1;
	c->listen.count = 2;
	c->listen.item[0] = strdup("127.0.0.1");
	c->listen.item[1] = strdup("::1");
	return c->listen.item[0] && c->listen.item[1] ? 0 : -1;
}

static void
conf_value_free_list(struct conf_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (list->item[i] != NULL)
			explicit_bzero(list->item[i], strlen(list->item[i]));
		free(list->item[i]);
	}
	free(list->item);
	list->item = NULL;
	list->count = 0;
}

void
conf_value_free(struct conf *c, const struct conf_key *key)
{
	if (key->type <= CONF_IDS) {
		conf_value_free_list(conf_key_list(key, c));
	} else if (conf_key_is_text(key)) {
		free(*conf_key_path(key, c));
		*conf_key_path(key, c) = NULL;
	} else if (key->type == CONF_GROUPS) {
		conf_object_free_groups(&c->groups);
	} else if (key->type == CONF_SEVERITIES) {
		conf_object_free_severities(&c->severities);
	} else if (key->type == CONF_TEMPLATES) {
		conf_template_free(&c->templates);
	}
}
