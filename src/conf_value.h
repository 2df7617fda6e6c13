/* SPDX-License-Identifier: ISC */
/*
 * conf_value - what each type of key accepts, and how its value gets from
 * JSON into struct conf.
 * Thread: the acceptor; conf_value_free any.
 */
#ifndef MPUSHD_CONF_VALUE_H
#define MPUSHD_CONF_VALUE_H

#include <jansson.h>

#include "conf.h"
#include "conf_fault.h"
#include "conf_key.h"

/*
 * Check a value and set the key to a copy of it, in place of what it was;
 * what is wrong is reported for the place, and the key then is undefined but
 * can be freed.
 */
void conf_value_set(struct conf *, const struct conf_key *, const json_t *,
    const struct conf_place *);

/* Set every key to its default.  Returns 0, or -1 when memory is short. */
int conf_value_set_defaults(struct conf *);

/* Wipe and free what a key's value has allocated. */
void conf_value_free(struct conf *, const struct conf_key *);

#endif
