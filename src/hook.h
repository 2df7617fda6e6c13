/* SPDX-License-Identifier: ISC */
/*
 * hook - what other programs' webhooks say, as a message: a JSON body without
 * a title and a content is recognised by its shape.
 * Pure: a parsed body in, a message out; any thread.
 * Limits: title and content together as the caller says, the title 120 code
 * points; memory for the output and for sorting the alerts, time linear in
 * the body but for that sorting.
 */
#ifndef MPUSHD_HOOK_H
#define MPUSHD_HOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOOK_TITLE_CHARS 120 /* code points of a title */
#define HOOK_FIELD_CHARS 200 /* code points of a name, a label, a host */
#define HOOK_HASH_KEY    16  /* bytes */

/* What a severity, compared without case, is as a priority from 1 to 5. */
struct hook_severity {
	const char *name;
	int priority;
};

/* What the caller wants; it stays the caller's. */
struct hook_options {
	size_t max_bytes;  /* of title and content together */
	const char *title; /* valid UTF-8, where the body has none */
	size_t title_len;  /* 0: there is none */
	/* Looked at before the built-in ones; they order the alerts, too. */
	const struct hook_severity *severities;
	size_t severity_count;
	const unsigned char *hash_key; /* HOOK_HASH_KEY bytes; NULL: zeroes */
};

/* All texts are UTF-8 without U+0000, and NUL-terminated. */
struct hook_result {
	const char *shape; /* its name, static; "none" when it is no webhook */
	char *title, *content;
	size_t title_len, content_len;
	int priority; /* 1 to 5; 0: the body names none */
	char *url;    /* http or https, HOOK_URL_MAX bytes at most; or NULL */
	char *tags;   /* "critical,HighLoad", 255 bytes at most; or NULL */
	/* Later messages of the same key tell newer things of the same; NULL. */
	char *key;
	/* Equal when a notification only repeats an earlier one; 0: unknown. */
	uint64_t dedup_key;
};

/*
 * The name of the body's shape: "alertmanager", "grafana", "uptime-kuma",
 * "gotify", "serverchan", "slack", "bark", "json" (any other object without a
 * title), or "none": a body that names a content, or only a title, an empty
 * object and what is no object are pushes as they always were.
 */
const char *hook_recognise(const json_t *body);

/* The names of all shapes but "none", for people. */
#define HOOK_SHAPES                                                            \
	"alertmanager, grafana, uptime-kuma, gotify, serverchan, slack, "      \
	"bark, json"

/* True for the name of a shape, but "none". */
bool hook_is_shape(const char *name);

/*
 * Render a body by its shape.  Returns 0 with a result that hook_result_done
 * frees; for the shape "none" its texts are NULL, for all others title and
 * content are not both empty unless max_bytes is 0.  Returns -1 with errno
 * ENOMEM; there is then nothing to free.
 */
int
hook_render(json_t *body, const struct hook_options *, struct hook_result *);

/* Free the texts; the result is then of the shape "none". */
void hook_result_done(struct hook_result *);

#endif
