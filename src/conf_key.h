/* SPDX-License-Identifier: ISC */
/*
 * conf_key - the keys of the configuration, one row of one table each.
 * Thread: any.
 */
#ifndef MPUSHD_CONF_KEY_H
#define MPUSHD_CONF_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

#define CONF_KEY_COUNT 29

enum conf_type {
	CONF_TOKENS,    /* a string or a list of strings */
	CONF_ADDRESSES, /* likewise */
	CONF_IDS,       /* a list of strings */
	CONF_BOOL,
	CONF_PORT,
	CONF_INT,
	CONF_BYTES,
	CONF_SECONDS, /* limits and value in milliseconds */
	CONF_PATH,
	CONF_PATH_OR_NULL,
	CONF_USER,       /* the name of one that there is, or null */
	CONF_GROUPS,     /* an object: a list of devices for each name */
	CONF_SEVERITIES, /* an object: a priority for each name */
	CONF_TEMPLATES   /* an object of objects */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;    /* in struct conf */
	int64_t fallback; /* default, of numbers and CONF_BOOL */
	int64_t min, max;
	bool reloadable; /* can change while the daemon runs */
};

extern const struct conf_key conf_keys[CONF_KEY_COUNT];

/* The key of that name, or NULL. */
const struct conf_key *conf_key_find(const char *name);

/* The key that somebody meant who wrote NAME, or NULL when none is close. */
const struct conf_key *conf_key_guess(const char *name);

/* Where a key's value is; the type is the one that its row names. */
struct conf_list *conf_key_list(const struct conf_key *, const struct conf *);
int64_t *conf_key_int(const struct conf_key *, const struct conf *);
bool *conf_key_bool(const struct conf_key *, const struct conf *);
char **conf_key_path(const struct conf_key *, const struct conf *);

/* True for a type whose value is one text, or null. */
bool conf_key_is_text(const struct conf_key *);

/* True when both have the same value for the key. */
bool conf_key_equal(const struct conf_key *, const struct conf *,
    const struct conf *);

#endif
