/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "hook.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hook_alert.h"
#include "hook_chat.h"
#include "hook_text.h"

/* A body that programs send, in the order in which they are tried. */
struct hook_shape {
	const char *name;
	bool titled; /* it may have a title, and is no plain push for that */
	bool (*match)(const json_t *);
	int (*render)(json_t *, const struct hook_options *,
	    struct hook_result *);
};

/* True when the body has a member that is not null. */
static bool
hook_has(const json_t *body, const char *name)
{
	const json_t *value = json_object_get(body, name);

	return value != NULL && !json_is_null(value);
}

static bool
hook_is_version(const json_t *body, const char *version)
{
	const char *s = json_string_value(json_object_get(body, "version"));

	return s != NULL && strcmp(s, version) == 0;
}

/* Its group key tells a notification whose alerts are missing or damaged. */
static bool
hook_is_alertmanager(const json_t *body)
{
	return json_is_array(json_object_get(body, "alerts")) ||
	       (hook_has(body, "groupKey") &&
		   (hook_has(body, "alerts") || hook_has(body, "version")));
}

/* As Alertmanager, which has no text of its own, and calls itself 4. */
static bool
hook_is_grafana(const json_t *body)
{
	return hook_is_alertmanager(body) && !hook_is_version(body, "4") &&
	       (hook_is_version(body, "1") || hook_has(body, "title") ||
		   hook_has(body, "message") || hook_has(body, "state"));
}

/* A test notification has all three, but null for the first two. */
static bool
hook_is_kuma(const json_t *body)
{
	return (json_object_get(body, "heartbeat") != NULL &&
		   (hook_has(body, "msg") ||
		       json_object_get(body, "monitor") != NULL)) ||
	       (hook_has(body, "monitor") && hook_has(body, "msg"));
}

static bool
hook_is_gotify(const json_t *body)
{
	return hook_has(body, "message");
}

static bool
hook_is_serverchan(const json_t *body)
{
	return hook_has(body, "desp");
}

static bool
hook_is_slack(const json_t *body)
{
	return hook_has(body, "text") ||
	       json_is_array(json_object_get(body, "attachments")) ||
	       json_is_array(json_object_get(body, "blocks"));
}

static bool
hook_is_bark(const json_t *body)
{
	return hook_has(body, "body");
}

static bool
hook_is_json(const json_t *body)
{
	return json_object_size(body) > 0;
}

/* The first that matches counts; a new one needs a row here, and no more. */
static const struct hook_shape shapes[] = {
	{ "grafana", true, hook_is_grafana, hook_alert_render_grafana },
	{ "alertmanager", true, hook_is_alertmanager,
	    hook_alert_render_alertmanager },
	{ "uptime-kuma", true, hook_is_kuma, hook_chat_render_kuma },
	{ "gotify", true, hook_is_gotify, hook_chat_render_gotify },
	{ "serverchan", true, hook_is_serverchan, hook_chat_render_serverchan },
	{ "slack", false, hook_is_slack, hook_chat_render_slack },
	{ "bark", true, hook_is_bark, hook_chat_render_bark },
	{ "json", false, hook_is_json, hook_chat_render_json },
};

/* The shape of a body; NULL for a plain push. */
static const struct hook_shape *
hook_find_shape(const json_t *body)
{
	bool titled = json_object_get(body, "title") != NULL;
	size_t i;

	if (!json_is_object(body) || json_object_get(body, "content") != NULL)
		return NULL;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if ((!titled || shapes[i].titled) && shapes[i].match(body))
			return &shapes[i];
	}
	return NULL;
}

bool
hook_is_shape(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(shapes[i].name, name) == 0)
			return true;
	}
	return false;
}

const char *
hook_recognise(const json_t *body)
{
	const struct hook_shape *shape = hook_find_shape(body);

	return shape != NULL ? shape->name : "none";
}

/* A message that says nothing would be refused: name it at least. */
static int
hook_name_empty(const struct hook_options *opt, struct hook_result *r)
{
	struct hook_text t;

	if (r->title_len + r->content_len > 0)
		return 0;
	free(r->title);
	r->title = NULL;
	hook_text_init(&t, opt->max_bytes, HOOK_TITLE_CHARS);
	hook_text_puts(&t, "webhook");
	return hook_text_take(&t, &r->title, &r->title_len);
}

int
hook_render(json_t *body, const struct hook_options *opt, struct hook_result *r)
{
	const struct hook_shape *shape = hook_find_shape(body);

	memset(r, 0, sizeof(*r));
	r->shape = "none";
	if (shape == NULL)
		return 0;
	r->shape = shape->name;
	if (shape->render(body, opt, r) == 0 && hook_name_empty(opt, r) == 0)
		return 0;
	hook_result_done(r);
	errno = ENOMEM;
	return -1;
}

void
hook_result_done(struct hook_result *r)
{
	free(r->title);
	free(r->content);
	free(r->url);
	free(r->tags);
	free(r->key);
	memset(r, 0, sizeof(*r));
	r->shape = "none";
}
