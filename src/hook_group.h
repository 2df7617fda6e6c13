/* SPDX-License-Identifier: ISC */
/*
 * hook_group - the alerts of one notification, put in order: firing first, by
 * severity, then by start; and what all of them have in common.
 * Pure: any thread.  Owns its array and references into the body.
 * Limits: one array element an alert; the first 64 members of an object are
 * looked at for what is common.
 */
#ifndef MPUSHD_HOOK_GROUP_H
#define MPUSHD_HOOK_GROUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hook_options;
struct hook_text;

#define HOOK_TIME_NONE INT64_MAX

/* The body's own values; none of them need be of the right type. */
struct hook_alert {
	json_t *json; /* an object */
	const json_t *labels, *annotations;
	int64_t start; /* milliseconds since the epoch, or HOOK_TIME_NONE */
	size_t index;  /* in the body */
	int priority;  /* of its severity; 0: not in the table */
	bool resolved;
};

struct hook_group {
	json_t *body;
	struct hook_alert *alerts;
	size_t count, firing; /* the firing ones come first */
	size_t absent;        /* alerts that the body does not show */
	int64_t newest;       /* the last start, or HOOK_TIME_NONE */
	/* Objects: what is the same in all alerts; members that are strings. */
	json_t *labels, *annotations, *members;
};

/*
 * Read the alerts of BODY, which must outlive the group.  Returns 0; -1 with
 * errno ENOMEM and nothing to free.
 */
int
hook_group_init(struct hook_group *, json_t *body, const struct hook_options *);

void hook_group_done(struct hook_group *);

/*
 * A dedup_hash over the group's key and its alerts (fingerprint, else labels)
 * with their states, whatever their order; 0 for want of memory.
 */
uint64_t
hook_group_hash(const struct hook_group *, const struct hook_options *);

/*
 * Set *KEY to the group's key as a string of HOOK_KEY_MAX bytes at most (of a
 * longer one the end is replaced by its hash), or to NULL when there is none;
 * free() it.  Returns 0, or -1 with errno ENOMEM.
 */
int hook_group_take_key(const struct hook_group *, const struct hook_options *,
    char **key);

/* The priority of a severity, by the caller's table or ours; 0: in neither. */
int hook_group_severity(const char *name, const struct hook_options *);

#define HOOK_KEY_MAX 512

/*
 * RFC 3339 to milliseconds since the epoch; HOOK_TIME_NONE for what is not,
 * and for the year 1, by which Go means no time.
 */
int64_t hook_group_read_time(const json_t *);

/* Append "06:00 UTC", with the date unless it is the group's newest day. */
void hook_group_put_time(const struct hook_group *, struct hook_text *,
    int64_t time);

#endif
