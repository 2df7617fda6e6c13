/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conf_key.h"

#include <ctype.h>
#include <string.h>

#include "check.h"

#define CONF_KEY_NAME_MAX  24 /* bytes of a name worth a guess */
#define CONF_KEY_TYPOS_MAX 2
#define AT(field)          offsetof(struct conf, field)
#define MIB                (1 << 20)
#define SECOND             1000
#define DAY                (INT64_C(86400) * SECOND)

/* The columns: name, type, place, default, minimum, maximum, reloadable. */
/* clang-format off */
const struct conf_key conf_keys[CONF_KEY_COUNT] = {
	{ "TOKEN", CONF_TOKENS, AT(token), 0, 0, 0, true },
	{ "TOKEN_FILE", CONF_PATH_OR_NULL, AT(token_file), 0, 0, 0, true },
	{ "WS_PORT", CONF_PORT, AT(ws_port), 2245, 0, 65535, false },
	{ "HTTP_PORT", CONF_PORT, AT(http_port), 2246, 0, 65535, false },
	{ "DEBUG", CONF_BOOL, AT(debug), 0, 0, 0, true },
	{ "REGISTERS", CONF_IDS, AT(registers), 0, 0, 0, true },
	{ "LISTEN", CONF_ADDRESSES, AT(listen), 0, 0, 0, false },
	{ "WORKERS", CONF_INT, AT(workers), 0, 1, CONF_WORKERS_MAX, false },
	{ "AUTH_TIMEOUT", CONF_SECONDS, AT(auth_timeout),
	    30 * SECOND, 10, 86400 * SECOND, true },
	{ "LOGIN_TIMEOUT", CONF_SECONDS, AT(login_timeout),
	    30 * SECOND, 10, 86400 * SECOND, true },
	{ "ACK_TIMEOUT", CONF_SECONDS, AT(ack_timeout),
	    3 * SECOND, 10, 86400 * SECOND, true },
	{ "RESEND_INTERVAL", CONF_SECONDS, AT(resend_interval),
	    2 * SECOND, 10, 86400 * SECOND, true },
	{ "MAX_MESSAGE", CONF_BYTES, AT(max_message),
	    65536, 1, 16 * MIB, true },
	{ "MAX_WEBHOOK", CONF_BYTES, AT(max_webhook),
	    16 * MIB, 1, 256 * MIB, true },
	{ "MAX_QUEUE", CONF_INT, AT(max_queue), 10000, 1, 10000000, true },
	{ "MAX_DEVICES", CONF_INT, AT(max_devices),
	    1000000, 1, 100000000, true },
	{ "MAX_CONNECTIONS", CONF_INT, AT(max_connections),
	    0, 1, 10000000, true },
	{ "STATE_DIR", CONF_PATH_OR_NULL, AT(state_dir), 0, 0, 0, false },
	{ "MAX_STORE", CONF_BYTES, AT(max_store),
	    1 << 30, 1, INT64_C(1) << 44, false },
	{ "MESSAGE_TTL", CONF_SECONDS, AT(message_ttl),
	    7 * DAY, 0, 36500 * DAY, true },
	{ "DEVICE_TTL", CONF_SECONDS, AT(device_ttl),
	    90 * DAY, 0, 36500 * DAY, true },
	{ "USER", CONF_USER, AT(user), 0, 0, 0, false },
	{ "DEDUP_WINDOW", CONF_SECONDS, AT(dedup_window),
	    120 * SECOND, 0, DAY, true },
	{ "COLLAPSE", CONF_BOOL, AT(collapse), true, 0, 0, true },
	{ "GROUPS", CONF_GROUPS, AT(groups), 0, 0, 0, true },
	{ "SEVERITIES", CONF_SEVERITIES, AT(severities), 0, 0, 0, true },
	{ "TEMPLATES", CONF_TEMPLATES, AT(templates), 0, 0, 0, true },
	{ "METRICS_DEVICES", CONF_IDS, AT(metrics_devices), 0, 0, 0, true },
	{ "PIDFILE", CONF_PATH, AT(pidfile), 0, 0, 0, false },
};
/* clang-format on */

const struct conf_key *
conf_key_find(const char *name)
{
	size_t i;

	for (i = 0; i < CONF_KEY_COUNT; i++) {
		if (strcmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	}
	return NULL;
}

static size_t
conf_key_least(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* The Levenshtein distance without regard to case. */
static size_t
conf_key_distance(const char *a, const char *b)
{
	size_t row[CONF_KEY_NAME_MAX + 1], i, j, above, corner;
	size_t len = strlen(b);
	bool same;

	CHECK(len <= CONF_KEY_NAME_MAX);
	for (j = 0; j <= len; j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= len; j++) {
			above = row[j];
			same = toupper((unsigned char)a[i - 1]) ==
			       toupper((unsigned char)b[j - 1]);
			row[j] = conf_key_least(above + 1, row[j - 1] + 1,
			    corner + !same);
			corner = above;
		}
	}
	return row[len];
}

const struct conf_key *
conf_key_guess(const char *name)
{
	const struct conf_key *guess = NULL;
	size_t i, distance, best = CONF_KEY_TYPOS_MAX + 1;

	if (strlen(name) > CONF_KEY_NAME_MAX)
		return NULL;
	for (i = 0; i < CONF_KEY_COUNT; i++) {
		distance = conf_key_distance(name, conf_keys[i].name);
		if (distance < best) {
			best = distance;
			guess = &conf_keys[i];
		}
	}
	return guess;
}

static void *
conf_key_place(const struct conf_key *key, const struct conf *c)
{
	return (char *)(uintptr_t)c + key->offset;
}

struct conf_list *
conf_key_list(const struct conf_key *key, const struct conf *c)
{
	CHECK(key->type <= CONF_IDS);
	return conf_key_place(key, c);
}

bool *
conf_key_bool(const struct conf_key *key, const struct conf *c)
{
	CHECK(key->type == CONF_BOOL);
	return conf_key_place(key, c);
}

int64_t *
conf_key_int(const struct conf_key *key, const struct conf *c)
{
	CHECK(key->type >= CONF_PORT && key->type <= CONF_SECONDS);
	return conf_key_place(key, c);
}

char **
conf_key_path(const struct conf_key *key, const struct conf *c)
{
	CHECK(conf_key_is_text(key));
	return conf_key_place(key, c);
}

bool
conf_key_is_text(const struct conf_key *key)
{
	return key->type >= CONF_PATH && key->type <= CONF_USER;
}

static bool
conf_key_same_list(const struct conf_list *a, const struct conf_list *b)
{
	size_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++) {
		if (strcmp(a->item[i], b->item[i]) != 0)
			return false;
	}
	return true;
}

static bool
conf_key_same_path(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

bool
conf_key_equal(const struct conf_key *key, const struct conf *a,
    const struct conf *b)
{
	if (key->type <= CONF_IDS)
		return conf_key_same_list(conf_key_list(key, a),
		    conf_key_list(key, b));
	if (key->type == CONF_BOOL)
		return *conf_key_bool(key, a) == *conf_key_bool(key, b);
	if (key->type <= CONF_SECONDS)
		return *conf_key_int(key, a) == *conf_key_int(key, b);
	return conf_key_same_path(*conf_key_path(key, a),
	    *conf_key_path(key, b));
}
