/* SPDX-License-Identifier: ISC */
/*
 * conf_object - the keys whose value is an object of names that the
 * administrator chooses.
 * Thread: the acceptor; the functions that only read, any.
 */
#ifndef MPUSHD_CONF_OBJECT_H
#define MPUSHD_CONF_OBJECT_H

#include <jansson.h>
#include <stddef.h>

#include "conf.h"
#include "conf_fault.h"

struct hook_severity;

#define CONF_GROUP_MAX    1000 /* devices in a group */
#define CONF_SEVERITY_MAX 64   /* bytes of a severity */

/* A group of devices, as GROUPS has it. */
struct conf_group {
	char *name;
	struct conf_list members; /* device ids */
};

/*
 * Copy GROUPS; what is wrong is reported for the place, and all that was copied
 * can be freed.
 */
void conf_object_set_groups(struct conf_groups *, const json_t *,
    const struct conf_place *);

/* The same for SEVERITIES. */
void conf_object_set_severities(struct conf_severities *, const json_t *,
    const struct conf_place *);

/* The group of that name (LEN bytes), or NULL. */
const struct conf_group *
conf_object_find_group(const struct conf_groups *, const char *, size_t len);

void conf_object_free_groups(struct conf_groups *);

void conf_object_free_severities(struct conf_severities *);

#endif
