/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "hook_group.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium/crypto_shorthash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "dedup.h"
#include "hook.h"
#include "hook_text.h"

#define HOOK_COMMON_MAX 64 /* members */
#define HOOK_HASH_TEXT  17 /* bytes */
#define HOOK_DAY_MS     (INT64_C(86400) * 1000)

_Static_assert(HOOK_HASH_KEY == crypto_shorthash_KEYBYTES,
    "the key of hook.h is SipHash's");

/* A hash that takes its input in pieces. */
struct hook_hash {
	const unsigned char *key;
	bool *failed; /* out of memory: the sum is not to be used */
	uint64_t sum;
};

static const struct hook_severity severities[] = {
	{ "critical", 5 },
	{ "page", 5 },
	{ "emergency", 5 },
	{ "error", 4 },
	{ "major", 4 },
	{ "high", 4 },
	{ "warning", 3 },
	{ "minor", 3 },
	{ "info", 2 },
	{ "none", 2 },
};

/* The two digits at S, or -1. */
static int
hook_group_digits(const char *s)
{
	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return -1;
	return (s[0] - '0') * 10 + (s[1] - '0');
}

/* Read "2026-11-23T06:00:00"; false for what is none. */
static bool
hook_group_read_clock(const char *s, struct tm *tm)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	static const int max[] = { 99, 99, 12, 31, 23, 59, 60 };
	int part[7], n = 0;
	size_t i;

	for (i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd') {
			part[n] = hook_group_digits(s + i);
			if (part[n] < 0 || part[n] > max[n])
				return false;
			n++;
			i++;
		} else if (s[i] != form[i] &&
			   (form[i] != 'T' || strchr("t ", s[i]) == NULL)) {
			return false;
		}
	}
	memset(tm, 0, sizeof(*tm));
	tm->tm_year = part[0] * 100 + part[1] - 1900;
	tm->tm_mon = part[2] - 1;
	tm->tm_mday = part[3];
	tm->tm_hour = part[4];
	tm->tm_min = part[5];
	tm->tm_sec = part[6];
	return part[2] > 0 && part[3] > 0 && tm->tm_year > 1 - 1900;
}

/* Read "Z" or "+01:00" as seconds; false for what is neither. */
static bool
hook_group_read_zone(const char *s, int *seconds)
{
	int hours, minutes;

	*seconds = 0;
	if (*s == 'Z' || *s == 'z')
		return s[1] == '\0';
	if (strlen(s) != 6 || (*s != '+' && *s != '-') || s[3] != ':')
		return false;
	hours = hook_group_digits(s + 1);
	minutes = hook_group_digits(s + 4);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*seconds = (hours * 60 + minutes) * (*s == '-' ? -60 : 60);
	return true;
}

int64_t
hook_group_read_time(const json_t *value)
{
	const char *s = json_string_value(value);
	int ms = 0, unit = 100, zone;
	struct tm tm;

	if (s == NULL || strlen(s) < 19 || !hook_group_read_clock(s, &tm))
		return HOOK_TIME_NONE;
	s += 19;
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++) {
			ms += (*s - '0') * unit;
			unit /= 10;
		}
	}
	if (!hook_group_read_zone(s, &zone))
		return HOOK_TIME_NONE;
	return ((int64_t)timegm(&tm) - zone) * 1000 + ms;
}

/* The day of a time, counted from the epoch. */
static int64_t
hook_group_day(int64_t ms)
{
	return (ms >= 0 ? ms : ms - HOOK_DAY_MS + 1) / HOOK_DAY_MS;
}

void
hook_group_put_time(const struct hook_group *g, struct hook_text *t, int64_t ms)
{
	bool today = g->newest != HOOK_TIME_NONE &&
		     hook_group_day(g->newest) == hook_group_day(ms);
	time_t seconds = (time_t)(hook_group_day(ms) * (HOOK_DAY_MS / 1000));
	int64_t minute = (ms - hook_group_day(ms) * HOOK_DAY_MS) / 60000;
	struct tm tm;

	if (!today && gmtime_r(&seconds, &tm) != NULL)
		hook_text_printf(t, "%04d-%02d-%02d ", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday);
	hook_text_printf(t, "%02d:%02d UTC", (int)(minute / 60),
	    (int)(minute % 60));
}

static int
hook_group_find_severity(const struct hook_severity *table, size_t count,
    const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcasecmp(table[i].name, name) == 0)
			return table[i].priority;
	}
	return 0;
}

int
hook_group_severity(const char *name, const struct hook_options *opt)
{
	int priority = hook_group_find_severity(opt->severities,
	    opt->severity_count, name);

	if (priority != 0)
		return priority;
	return hook_group_find_severity(severities,
	    sizeof(severities) / sizeof(severities[0]), name);
}

/* The priority of a severity label; 0 when no table has it. */
static int
hook_group_priority(const json_t *severity, const struct hook_options *opt)
{
	const char *name = json_string_value(severity);
	char digits[32];

	if (json_is_integer(severity)) {
		snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(severity));
		name = digits;
	}
	return name == NULL ? 0 : hook_group_severity(name, opt);
}

static bool
hook_group_is_resolved(const json_t *status)
{
	const char *s = json_string_value(status);

	return s != NULL && strcasecmp(s, "resolved") == 0;
}

static void
hook_group_add(struct hook_group *g, json_t *json, size_t index,
    const struct hook_options *opt)
{
	struct hook_alert *a = &g->alerts[g->count++];
	const json_t *status = json_object_get(json, "status");

	if (!json_is_string(status))
		status = json_object_get(g->body, "status");
	a->json = json;
	a->labels = json_object_get(json, "labels");
	a->annotations = json_object_get(json, "annotations");
	a->start = hook_group_read_time(json_object_get(json, "startsAt"));
	a->index = index;
	a->priority =
	    hook_group_priority(json_object_get(a->labels, "severity"), opt);
	a->resolved = hook_group_is_resolved(status);
	if (!a->resolved)
		g->firing++;
	if (a->start != HOOK_TIME_NONE &&
	    (g->newest == HOOK_TIME_NONE || a->start > g->newest))
		g->newest = a->start;
}

static int
hook_group_compare(const void *x, const void *y)
{
	const struct hook_alert *a = x, *b = y;

	if (a->resolved != b->resolved)
		return a->resolved ? 1 : -1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? 1 : -1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->index < b->index ? -1 : 1;
}

/* The object in which alert I has what may be common. */
static const json_t *
hook_group_part(const struct hook_group *g, size_t i, const char *part)
{
	const json_t *json = g->alerts[i].json;

	return part == NULL ? json : json_object_get(json, part);
}

/* Take out of COMMON what is not the same in OBJECT. */
static void
hook_group_intersect(json_t *common, const json_t *object)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(common, next, name, value)
	{
		if (!json_equal(value, json_object_get(object, name)))
			json_object_del(common, name);
	}
}

/*
 * What all alerts have in the same way in PART of them (NULL: as strings).
 * NULL only for want of memory.  Linear in the body, since what is left after
 * an alert is no more than it has.
 */
static json_t *
hook_group_find_common(const struct hook_group *g, const char *part)
{
	json_t *common = json_object(), *first, *value;
	size_t i, n = 0;
	const char *name;

	if (common == NULL || g->count == 0)
		return common;
	first = g->alerts[0].json;
	if (part != NULL)
		first = json_object_get(first, part);
	json_object_foreach (first, name, value) {
		if (n++ == HOOK_COMMON_MAX)
			break;
		/* Labels and annotations have their own turn. */
		if (part == NULL && !json_is_string(value))
			continue;
		if (json_object_set(common, name, value) == -1) {
			json_decref(common);
			return NULL;
		}
	}
	for (i = 1; i < g->count && json_object_size(common) > 0; i++)
		hook_group_intersect(common, hook_group_part(g, i, part));
	return common;
}

/* The same, but as the body says it, if it does. */
static json_t *
hook_group_load_common(const struct hook_group *g, const char *name,
    const char *part)
{
	json_t *given = json_object_get(g->body, name);

	if (json_is_object(given))
		return json_incref(given);
	return hook_group_find_common(g, part);
}

int
hook_group_init(struct hook_group *g, json_t *body,
    const struct hook_options *opt)
{
	json_t *list = json_object_get(body, "alerts"), *alert;
	json_int_t absent;
	size_t i;

	memset(g, 0, sizeof(*g));
	g->body = body;
	g->newest = HOOK_TIME_NONE;
	absent = json_integer_value(json_object_get(body, "truncatedAlerts"));
	g->absent = absent > 0 ? (size_t)absent : 0;
	g->alerts = calloc(json_array_size(list) + 1, sizeof(g->alerts[0]));
	if (g->alerts == NULL)
		goto fail;
	json_array_foreach (list, i, alert) {
		if (json_is_object(alert))
			hook_group_add(g, alert, i, opt);
		else if (g->absent < SIZE_MAX)
			g->absent++;
	}
	qsort(g->alerts, g->count, sizeof(g->alerts[0]), hook_group_compare);
	g->labels = hook_group_load_common(g, "commonLabels", "labels");
	g->annotations =
	    hook_group_load_common(g, "commonAnnotations", "annotations");
	g->members = hook_group_find_common(g, NULL);
	if (g->labels != NULL && g->annotations != NULL && g->members != NULL)
		return 0;
fail:
	hook_group_done(g);
	errno = ENOMEM;
	return -1;
}

void
hook_group_done(struct hook_group *g)
{
	json_decref(g->members);
	json_decref(g->annotations);
	json_decref(g->labels);
	free(g->alerts);
	memset(g, 0, sizeof(*g));
}

static void
hook_hash_add(struct hook_hash *h, const void *bytes, size_t len)
{
	uint64_t part[2] = { h->sum, 0 };

	(void)crypto_shorthash((unsigned char *)&part[1], bytes, len, h->key);
	(void)crypto_shorthash((unsigned char *)&h->sum,
	    (const unsigned char *)part, sizeof(part), h->key);
}

/* As json_dump_callback_t. */
static int
hook_hash_put(const char *bytes, size_t len, void *arg)
{
	hook_hash_add(arg, bytes, len);
	return 0;
}

static void
hook_hash_value(struct hook_hash *h, const json_t *value)
{
	if (json_is_string(value))
		hook_hash_add(h, json_string_value(value),
		    json_string_length(value));
	else if (value != NULL && json_dump_callback(value, hook_hash_put, h,
				      JSON_COMPACT | JSON_ENCODE_ANY) == -1)
		*h->failed = true;
}

/* Add the members of an object, whatever their order. */
static void
hook_hash_members(struct hook_hash *h, json_t *object)
{
	struct hook_hash member;
	const char *name;
	json_t *value;
	uint64_t sum = 0;

	json_object_foreach (object, name, value) {
		member = (struct hook_hash){ h->key, h->failed, 0 };
		hook_hash_add(&member, name, strlen(name));
		hook_hash_value(&member, value);
		sum += member.sum;
	}
	hook_hash_add(h, &sum, sizeof(sum));
}

static const unsigned char *
hook_hash_key(const struct hook_options *opt)
{
	static const unsigned char zero[HOOK_HASH_KEY];

	return opt->hash_key != NULL ? opt->hash_key : zero;
}

/* Add the alerts, whatever their order. */
static void
hook_hash_alerts(struct hook_hash *h, const struct hook_group *g)
{
	struct hook_hash alert;
	const json_t *fingerprint;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < g->count; i++) {
		alert = (struct hook_hash){ h->key, h->failed,
			g->alerts[i].resolved };
		fingerprint = hook_text_get(g->alerts[i].json, "fingerprint");
		if (fingerprint != NULL)
			hook_hash_value(&alert, fingerprint);
		else
			hook_hash_members(&alert,
			    json_object_get(g->alerts[i].json, "labels"));
		sum += alert.sum;
	}
	hook_hash_add(h, &sum, sizeof(sum));
}

uint64_t
hook_group_hash(const struct hook_group *g, const struct hook_options *opt)
{
	const json_t *key = json_object_get(g->body, "groupKey");
	bool failed = false;
	struct hook_hash h = { hook_hash_key(opt), &failed, 0 };
	uint16_t group;

	hook_hash_value(&h, key);
	group = key != NULL ? (uint16_t)(h.sum | 1) : 0;
	hook_hash_add(&h, &g->count, sizeof(g->count));
	hook_hash_alerts(&h, g);
	if (failed)
		return 0;
	return dedup_hash((uint32_t)h.sum, group, (uint64_t)g->newest);
}

int
hook_group_take_key(const struct hook_group *g, const struct hook_options *opt,
    char **key)
{
	const json_t *value = hook_text_get(g->body, "groupKey");
	struct hook_text t;
	struct hook_hash h = { hook_hash_key(opt), &t.failed, 0 };

	*key = NULL;
	if (value == NULL)
		return 0;
	hook_text_init(&t, HOOK_KEY_MAX - HOOK_HASH_TEXT, SIZE_MAX);
	hook_text_value(&t, value, HOOK_BLOCK, SIZE_MAX);
	if (t.cut && !t.failed) {
		hook_hash_value(&h, value);
		hook_text_rewind(&t, t.len);
		t.max = HOOK_KEY_MAX;
		hook_text_printf(&t, "#%016" PRIx64, h.sum);
	}
	return hook_text_take(&t, key, NULL);
}
